use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use floodway_kit::Upstream;

use crate::support::{
    Gateway, PATIENCE, builder, connect, expect_text, gateway, raw_server, read_head, write,
};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";

#[test]
fn an_upgraded_connection_passes_bytes_both_ways() {
    let server = raw_server(|mut stream| {
        let head = read_head(&mut stream).to_ascii_lowercase();
        assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
        write(
            &mut stream,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello",
        );
        expect_text(&mut stream, "ping");
        write(&mut stream, "pong");
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    write(&mut client, ASK);
    let head = read_head(&mut client).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: websocket"), "{head}");
    expect_text(&mut client, "hello");
    write(&mut client, "ping");
    expect_text(&mut client, "pong");
    assert_eq!(client.read(&mut [0; 1]).expect("an end"), 0, "the end of one side ends the other");
    gateway.wait_quiet();
}

#[test]
fn a_refused_upgrade_is_an_answer_like_any_other() {
    let server = Upstream::always(403, "no");
    let gateway = gateway(&[server.address()]);
    let mut client = connect(gateway.address());
    write(&mut client, ASK);
    assert!(read_head(&mut client).starts_with("HTTP/1.1 403"));
    expect_text(&mut client, "no");
}

/// A server that switches and then says nothing.
fn silent() -> SocketAddr {
    raw_server(|mut stream| {
        read_head(&mut stream);
        write(
            &mut stream,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        );
        // Either end of it: closed or cut off.
        drop(stream.read(&mut [0; 1]));
    })
}

fn open_tunnel(gateway: &Gateway) -> TcpStream {
    let mut client = connect(gateway.address());
    write(&mut client, ASK);
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101"));
    client
}

#[test]
fn a_tunnel_is_an_open_connection_and_ends_with_the_grace_of_a_drain() {
    let gateway = gateway(&[silent()]);
    let mut client = open_tunnel(&gateway);
    assert_eq!(gateway.counts().open_connections, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert_eq!(runtime.block_on(gateway.workers.drain(Duration::from_millis(200))), 1);
    gateway.workers.stop();
    assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn a_tunnel_that_stands_still_is_closed() {
    let gateway = builder()
        .service(&[silent()])
        .route("/*", &[], 0)
        .limits(|limits| limits.idle_timeout = Duration::from_millis(200))
        .start();
    let mut client = open_tunnel(&gateway);
    assert_eq!(client.read(&mut [0; 1]).expect("an end"), 0);
    floodway_kit::eventually_blocking(PATIENCE, "nothing is open", || gateway.counts().open_connections == 0);
}
