use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use floodway_kit::Upstream;

use crate::support::{Gateway, PATIENCE, builder, connect, read_head, write};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn gateway(server: &Upstream, trusted: &str) -> Gateway {
    builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .trusting(trusted)
        .listen(|listen| listen.proxy_protocol = true)
        .limits(|limits| limits.handshake_timeout = Duration::from_millis(300))
        .start()
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &len, rest].concat()
}

/// Whether the gateway says nothing more and closes.
fn is_closed(mut stream: TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn forwarded_for(server: &Upstream) -> Option<String> {
    server.seen().last().and_then(|seen| seen.header("x-forwarded-for").map(str::to_owned))
}

#[test]
fn the_client_is_whom_the_header_names() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&server, "127.0.0.1");
    let v6: Vec<u8> = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0, 1, 0, 2, 4, 0, 0]].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n".to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 ::ffff:192.0.2.3 ::1 4711 443\r\n".to_vec(), "192.0.2.3"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (binary(0x21, 0x11, &[192, 0, 2, 9, 1, 1, 1, 1, 0, 1, 0, 2]), "192.0.2.9"),
        (binary(0x21, 0x21, &v6), "2001:db8::7"),
        (binary(0x20, 0, &[]), "127.0.0.1"),
    ] {
        let mut stream = connect(gateway.address());
        stream.write_all(&[&header, REQUEST.as_bytes()].concat()).expect("sent");
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"), "{client}");
        assert_eq!(forwarded_for(&server).as_deref(), Some(client));
    }
}

#[test]
fn a_header_may_come_in_pieces() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&server, "127.0.0.1");
    let mut stream = connect(gateway.address());
    for byte in b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n" {
        stream.write_all(&[*byte]).expect("sent");
        floodway_kit::pause_until(Instant::now() + Duration::from_millis(2));
    }
    write(&mut stream, REQUEST);
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"));
    assert_eq!(forwarded_for(&server).as_deref(), Some("192.0.2.1"));
}

#[test]
fn closes_without_a_word_on_what_is_no_header() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&server, "127.0.0.1");
    let unknown = binary(0x31, 0x11, &[0; 12]);
    for junk in [REQUEST.as_bytes(), b"PROXY TCP4 192.0.2.1\r\n\r\n", &unknown] {
        let mut stream = connect(gateway.address());
        stream.write_all(junk).expect("sent");
        assert!(is_closed(stream));
    }
    let slow = connect(gateway.address());
    let began = Instant::now();
    assert!(is_closed(slow));
    assert!(began.elapsed() < PATIENCE / 2);
    assert!(server.seen().is_empty());
    let are_over = || gateway.counts().open_connections == 0;
    floodway_kit::eventually_blocking(PATIENCE, "the connections are over", are_over);
}

#[test]
fn only_a_trusted_proxy_may_send_one() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&server, "10.0.0.0/8");
    let mut stream = connect(gateway.address());
    stream.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").expect("sent");
    assert!(is_closed(stream));
}

/// Who sends a header is not whom it names: that client's own word counts as little as any.
#[test]
fn the_client_is_not_trusted_because_its_proxy_is() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&server, "127.0.0.1");
    let mut stream = connect(gateway.address());
    write(&mut stream, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    write(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"));
    assert_eq!(forwarded_for(&server).as_deref(), Some("192.0.2.1"));
}
