//! Bodies that arrive piece by piece, or not to their end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{PATIENCE, api_for};

/// A server that does as told with each connection.
fn server(each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let each = Arc::new(each);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
            let each = Arc::clone(&each);
            thread::spawn(move || each(stream));
        }
    });
    address
}

/// Reads until what was read holds this text, and gives back all of it.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 1024];
    while !all.contains(text) {
        let count = stream.read(&mut buffer).expect("more comes");
        assert!(count > 0, "it ended after {all:?}, without {text:?}");
        all.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    all
}

fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the other side reads");
}

const NO_SUBSCRIPTIONS: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn a_call_streams_both_ways() {
    let app = server(|mut stream| {
        let head = read_until(&mut stream, "\r\n\r\n");
        if head.starts_with("GET /dapr/subscribe") {
            return write(&mut stream, NO_SUBSCRIPTIONS);
        }
        if !head.contains("\r\none\r\n") {
            read_until(&mut stream, "one\r\n");
        }
        write(&mut stream, &format!("{CHUNKED}3\r\nuno\r\n"));
        read_until(&mut stream, "two\r\n");
        write(&mut stream, "3\r\ndos\r\n0\r\n\r\n");
    });
    let api = api_for(&[("other", app)]);
    let mut client = TcpStream::connect(api.address).expect("the API listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let head = "POST /v1.0/invoke/other/method/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    write(&mut client, &format!("{head}3\r\none\r\n"));
    read_until(&mut client, "uno\r\n");
    write(&mut client, "3\r\ntwo\r\n0\r\n\r\n");
    read_until(&mut client, "dos\r\n0\r\n\r\n");
}

#[test]
fn a_success_that_breaks_off_brings_the_message_again() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let (noted, tries) = (Arc::clone(&heads), AtomicUsize::new(0));
    let app = server(move |mut stream| {
        let head = read_until(&mut stream, "\r\n\r\n");
        if head.starts_with("GET /dapr/subscribe") {
            let body = r#"[{"pubsubname":"events","topic":"a","route":"/a"}]"#;
            return write(
                &mut stream,
                &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
            );
        }
        noted.lock().expect("no panic").push(head);
        // The first answer promises more than it brings.
        match tries.fetch_add(1, Ordering::SeqCst) {
            0 => write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"),
            _ => write(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n"),
        }
    });
    let api = api_for(&[("app", app)]);
    assert_eq!(api.send("POST", "/v1.0/publish/events/a", "1").status, 204);
    floodway_kit::eventually_blocking(PATIENCE, "a second try", || {
        heads.lock().expect("no panic").len() >= 2
    });
    let heads = heads.lock().expect("no panic");
    assert!(heads[1].contains("dapr-delivery-attempt: 2"), "{}", heads[1]);
}
