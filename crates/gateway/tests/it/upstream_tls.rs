use std::io::{Read, Write};
use std::time::{Duration, Instant};

use floodway_gateway::{Back, BackOptions, KeyPair};
use floodway_kit::http as client;
use rustls::ServerConfig;

use crate::support::{Gateway, PATIENCE, builder, connect, expect_text, raw_server, read_head, write};
use crate::tls::authority::Authority;
use crate::upstream_http2::server::Server;

fn options() -> BackOptions {
    BackOptions { ca: None, name: None, own: None, verify: true, http2: false }
}

fn gateway(server: &Server, options: BackOptions) -> Gateway {
    let back = Back::load(options).expect("good files");
    builder().service(&[server.address]).tls(back).route("/*", &[], 0).start()
}

fn server(config: ServerConfig) -> Server {
    Server::tls(config)
}

fn status(gateway: &Gateway) -> u16 {
    client::get(gateway.address(), "/").expect("an answer").status
}

#[test]
fn reaches_a_service_that_is_who_it_must_be() {
    let authority = Authority::new("authority");
    let server = server(authority.server(&["order.internal", "127.0.0.1"], None));
    let ca = Some(authority.file());
    for name in [None, Some("order.internal".to_owned())] {
        let gateway = gateway(&server, BackOptions { ca: ca.clone(), name, ..options() });
        let body: Vec<u8> = (0..3_000_000_u32).map(|place| (place % 251) as u8).collect();
        let answer = client::send(gateway.address(), "POST", "/x", &[], &body).expect("an answer");
        assert!(answer.status == 200 && answer.body == body);
        assert_eq!((answer.header("x-version"), answer.header("x-uri")), (Some("1.1"), Some("/x")));
        let before = server.connections();
        assert_eq!(status(&gateway), 200);
        assert!(server.connections() <= before + 1, "connections are kept");
    }
}

#[test]
fn sends_nothing_to_anybody_else() {
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let server = server(authority.server(&["order.internal"], None));
    let ca = |authority: &Authority| Some(authority.file());
    let name = |name: &str| Some(name.to_owned());
    for (options, expected) in [
        (BackOptions { ca: ca(&authority), name: name("order.internal"), ..options() }, 200),
        (BackOptions { ca: ca(&authority), name: name("payment.internal"), ..options() }, 502),
        (BackOptions { ca: ca(&authority), ..options() }, 502),
        (BackOptions { ca: ca(&other), name: name("order.internal"), ..options() }, 502),
        (BackOptions { name: name("order.internal"), ..options() }, 502),
        (BackOptions { verify: false, ..options() }, 200),
    ] {
        let shown = format!("{options:?}");
        assert_eq!(status(&gateway(&server, options)), expected, "{shown}");
    }
}

#[test]
fn shows_the_gateways_own_certificate() {
    let (authority, gateways) = (Authority::new("authority"), Authority::new("gateways"));
    let server = server(authority.server(&["127.0.0.1"], Some(&gateways)));
    let with = |own: Option<KeyPair>| BackOptions { ca: Some(authority.file()), own, ..options() };
    assert_eq!(status(&gateway(&server, with(Some(gateways.issue(&["gateway.internal"]))))), 200);
    assert_eq!(status(&gateway(&server, with(Some(authority.issue(&["stranger.internal"]))))), 502);
    assert_eq!(status(&gateway(&server, with(None))), 502);
}

#[test]
fn a_new_authority_is_believed_without_a_restart() {
    let [old, new] = ["old", "new"].map(Authority::new);
    let ca = old.path("services.pem");
    old.replace(&ca, &std::fs::read_to_string(old.file()).expect("a file"));
    let server = server(new.server(&["127.0.0.1"], None));
    let gateway = gateway(&server, BackOptions { ca: Some(ca.clone()), ..options() });
    assert_eq!(status(&gateway), 502);
    old.replace(&ca, &std::fs::read_to_string(new.file()).expect("a file"));
    floodway_kit::eventually_blocking(PATIENCE, "the service is believed", || status(&gateway) == 200);
}

/// A server that sends one event after the other, each once the one before has arrived.
#[test]
fn events_arrive_as_they_are_sent() {
    let (sent, arrived) = (Duration::from_millis(50), PATIENCE / 4);
    let server = raw_server(move |mut stream| {
        read_head(&mut stream);
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        for _ in 0..3 {
            floodway_kit::pause_until(Instant::now() + sent);
            write(&mut stream, "9\r\ndata: x\n\n\r\n");
        }
        // Silent, but not over.
        drop(stream.read(&mut [0]));
    });
    let authority = Authority::new("authority");
    let certificates = vec![authority.issue(&["shop.example"])];
    let front = floodway_gateway::Front::load(floodway_gateway::FrontOptions { certificates, client: None });
    let front = front.expect("good files");
    let plain = builder().service(&[server]).route("/*", &[], 0).start();
    let secure =
        builder().service(&[server]).route("/*", &[], 0).listen(|listen| listen.tls = Some(front)).start();
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let began = Instant::now();
    let mut stream = connect(plain.address());
    write(&mut stream, request);
    assert!(read_head(&mut stream).contains("text/event-stream"));
    for _ in 0..3 {
        expect_text(&mut stream, "9\r\ndata: x\n\n\r\n");
    }
    let mut client = authority.dial(None).to(secure.address(), "shop.example");
    client.write_all(request.as_bytes()).expect("sent");
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: x\n\n\r\n9\r\ndata: x\n\n\r\n9\r\ndata: x\n\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("an event");
        seen.push(byte[0]);
    }
    assert!(began.elapsed() < arrived);
}
