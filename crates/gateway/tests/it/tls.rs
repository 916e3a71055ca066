pub(crate) mod authority;

use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use floodway_gateway::{ClientCertificates, Front, FrontOptions, KeyPair};
use floodway_kit::{Reply, Upstream};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use crate::support::{Gateway, PATIENCE, builder, connect, read_head};
use authority::{Authority, Dial, TlsClient, first, shake};

const NAME: &str = "shop.example";

fn front(certificates: Vec<KeyPair>, client: Option<ClientCertificates>) -> Front {
    Front::load(FrontOptions { certificates, client }).expect("good files")
}

fn gateway(server: &Upstream, front: Front) -> Gateway {
    let builder = builder().service(&[server.address()]).route("/*", &[], 0);
    builder.listen(|listen| listen.tls = Some(front)).start()
}

/// The answer, head and body, to a request that closes the connection; empty where there is none.
pub(crate) fn ask(client: &mut TlsClient, headers: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    let mut answer = Vec::new();
    let asked = client.write_all(request.as_bytes()).and_then(|()| client.read_to_end(&mut answer));
    if asked.is_ok() { String::from_utf8_lossy(&answer).into_owned() } else { String::new() }
}

fn shown(client: &mut TlsClient) -> Vec<u8> {
    shake(client).expect("a handshake");
    client.conn.peer_certificates().expect("certificates")[0].to_vec()
}

fn last_header(server: &Upstream, name: &str) -> Option<String> {
    server.seen().last().and_then(|seen| seen.header(name).map(str::to_owned))
}

#[test]
fn serves_by_tls_and_says_so_to_the_service() {
    let (server, authority) = (Upstream::always(200, "hello"), Authority::new("authority"));
    let gateway = gateway(&server, front(vec![authority.issue(&[NAME])], None));
    for version in [&TLS12, &TLS13] {
        let mut client = authority.dial_by(&[version], None).to(gateway.address(), NAME);
        let answer = ask(&mut client, "");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        assert_eq!(client.conn.protocol_version(), Some(version.version));
    }
    assert_eq!(last_header(&server, "x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(last_header(&server, "x-forwarded-client-cert"), None);
}

/// More than fits into what sockets and TLS hold, to a client that takes its time.
#[test]
fn large_bodies_pass_both_ways_at_the_clients_pace() {
    let (server, authority) =
        (Upstream::start(|seen| Reply::now(200, seen.body.clone())), Authority::new("authority"));
    let gateway = gateway(&server, front(vec![authority.issue(&[NAME])], None));
    let body: Vec<u8> = (0..8_000_000_u32).map(|place| (place % 251) as u8).collect();
    let mut client = authority.dial(None).to(gateway.address(), NAME);
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).expect("sent");
    client.write_all(&body).expect("sent");
    floodway_kit::pause_until(Instant::now() + Duration::from_millis(300));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let mut echoed = vec![0; body.len()];
    client.read_exact(&mut echoed).expect("a body");
    assert!(echoed == body);
    assert!(ask(&mut client, "").starts_with("HTTP/1.1 200"));
}

#[test]
fn shows_the_certificate_for_the_name_that_is_asked_for() {
    let (server, authority) = (Upstream::always(200, "x"), Authority::new("authority"));
    let default = authority.issue(&["default.example"]);
    let all = authority.issue(&["*.shop.example"]);
    let exact = authority.issue(&["API.shop.example", "two.example"]);
    let gateway = gateway(&server, front(vec![default.clone(), all.clone(), exact.clone()], None));
    for (name, certificate) in [
        ("default.example", &default),
        ("www.shop.example", &all),
        ("WWW.shop.example", &all),
        ("api.shop.example", &exact),
        ("two.example", &exact),
    ] {
        let mut client = authority.dial(None).to(gateway.address(), name);
        assert_eq!(shown(&mut client), first(&certificate.cert).to_vec(), "{name}");
    }
    for other in ["shop.example", "a.b.shop.example", "127.0.0.1"] {
        let mut client = authority.dial(None).to(gateway.address(), other);
        assert!(shake(&mut client).is_err(), "{other} has the first, which is not for it");
    }
}

#[test]
fn http2_is_agreed_on_in_the_handshake() {
    let (server, authority) = (Upstream::always(200, "hello"), Authority::new("authority"));
    let gateway = gateway(&server, front(vec![authority.issue(&[NAME])], None));
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let mut client = authority.dial(None).alpn(offered).to(gateway.address(), NAME);
        shake(&mut client).expect("a handshake");
        assert_eq!(client.conn.alpn_protocol(), agreed.map(str::as_bytes));
    }
    assert!(shake(&mut authority.dial(None).alpn(&["spdy/1"]).to(gateway.address(), NAME)).is_err());
    assert_eq!(ask_by_http2(&gateway, &authority.dial(None).alpn(&["h2"])), "hello");
    assert_eq!(last_header(&server, "x-forwarded-proto").as_deref(), Some("https"));
}

fn ask_by_http2(gateway: &Gateway, dial: &Dial) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(gateway.address()).await.expect("somebody listens");
        let connector = tokio_rustls::TlsConnector::from(dial.config());
        let stream = connector.connect(NAME.try_into().expect("a name"), stream).await.expect("TLS");
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        let request = Request::get(format!("https://{NAME}/")).body(Full::<Bytes>::default());
        let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8_lossy(&body).into_owned()
    })
}

#[test]
fn sessions_are_resumed_on_any_worker() {
    let (server, authority) = (Upstream::always(200, "x"), Authority::new("authority"));
    let gateway = gateway(&server, front(vec![authority.issue(&[NAME])], None));
    for version in [&TLS12, &TLS13] {
        let dial = authority.dial_by(&[version], None);
        let config = dial.config();
        let kinds: Vec<_> = (0..8)
            .map(|_| {
                let session = rustls::ClientConnection::new(config.clone(), NAME.try_into().expect("a name"));
                let mut client = TlsClient::new(session.expect("a session"), connect(gateway.address()));
                assert!(ask(&mut client, "").starts_with("HTTP/1.1 200"));
                client.conn.handshake_kind()
            })
            .collect();
        assert_eq!(kinds[0], Some(HandshakeKind::Full));
        assert!(kinds[1..].iter().all(|kind| *kind == Some(HandshakeKind::Resumed)), "{kinds:?}");
    }
}

#[test]
fn clients_show_who_they_are() {
    let (server, authority) = (Upstream::always(200, "x"), Authority::new("authority"));
    let clients = Authority::new("clients");
    let own = clients.issue(&["client.example"]);
    let stranger = authority.issue(&["stranger.example"]);
    let client = |required| Some(ClientCertificates { ca: clients.file(), required });
    let certificate = || authority.issue(&[NAME]);
    let spoofed = "X-Forwarded-Client-Cert: Hash=1;Subject=\"CN=admin\"\r\n";

    let strict = gateway(&server, front(vec![certificate()], client(true)));
    for refused in [None, Some(&stranger)] {
        assert_eq!(ask(&mut authority.dial(refused).to(strict.address(), NAME), ""), "");
    }
    assert!(server.seen().is_empty());
    let dial = authority.dial(Some(&own)).config();
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let session = rustls::ClientConnection::new(dial.clone(), NAME.try_into().expect("a name"));
        let mut client = TlsClient::new(session.expect("a session"), connect(strict.address()));
        assert!(ask(&mut client, spoofed).starts_with("HTTP/1.1 200"));
        assert_eq!(client.conn.handshake_kind(), Some(kind));
        let told = last_header(&server, "x-forwarded-client-cert").expect("a header");
        let (hash, rest) = told.strip_prefix("Hash=").and_then(|told| told.split_once(';')).expect("a hash");
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{told}");
        let subject = r#"Subject="O=Shop \\\"1\\\"\\, Ltd,CN=client.example";DNS=client.example"#;
        assert_eq!(rest, subject);
    }

    let lenient = gateway(&server, front(vec![certificate()], client(false)));
    let mut nobody = authority.dial(None).to(lenient.address(), NAME);
    assert!(ask(&mut nobody, spoofed).starts_with("HTTP/1.1 200"));
    assert_eq!(last_header(&server, "x-forwarded-client-cert"), None);
    assert_eq!(ask(&mut authority.dial(Some(&stranger)).to(lenient.address(), NAME), ""), "");
    assert!(ask(&mut authority.dial(Some(&own)).to(lenient.address(), NAME), "").starts_with("HTTP/1.1 200"));
    assert!(last_header(&server, "x-forwarded-client-cert").is_some());
}

#[test]
fn new_files_are_for_new_connections() {
    let (server, authority) = (Upstream::always(200, "x"), Authority::new("authority"));
    let old = authority.issue_as("front", &[NAME]);
    let old_certificate = first(&old.cert).to_vec();
    let gateway = gateway(&server, front(vec![old.clone()], None));
    let mut before = authority.dial(None).to(gateway.address(), NAME);
    assert_eq!(shown(&mut before), old_certificate);
    let is_shown =
        |certificate: &[u8]| shown(&mut authority.dial(None).to(gateway.address(), NAME)) == certificate;

    authority.replace(&old.key, "no key");
    authority.issue_as("front", &[NAME]);
    let new_certificate = first(&old.cert).to_vec();
    floodway_kit::eventually_blocking(PATIENCE, "the new one is shown", || is_shown(&new_certificate));
    assert!(ask(&mut before, "").starts_with("HTTP/1.1 200"), "what was open stays open");
}

#[test]
fn files_that_cannot_be_used_change_nothing() {
    let authority = Authority::new("authority");
    let pair = authority.issue_as("front", &[NAME]);
    let front = front(vec![pair.clone()], None);
    let server = Upstream::always(200, "x");
    let gateway = gateway(&server, front.clone());
    let certificate = first(&pair.cert).to_vec();
    authority.replace(&pair.key, &rcgen::KeyPair::generate().expect("a key").serialize_pem());
    let error = front.reload().expect_err("another key");
    assert!(error.to_string().contains("is not that of the certificate"), "{error}");
    assert_eq!(shown(&mut authority.dial(None).to(gateway.address(), NAME)), certificate);
    authority.issue_as("front", &[NAME]);
    front.reload().expect("good files");
    assert_ne!(shown(&mut authority.dial(None).to(gateway.address(), NAME)), certificate);
}

/// A ticket stands for a certificate that was checked when it was given out.
#[test]
fn no_ticket_outlives_the_authority_of_its_client() {
    let authority = Authority::new("authority");
    let [old, new] = ["old", "new"].map(Authority::new);
    let ca = authority.path("clients.pem");
    fs::copy(old.file(), &ca).expect("copied");
    let client = ClientCertificates { ca: ca.clone(), required: true };
    let front = front(vec![authority.issue(&[NAME])], Some(client));
    let server = Upstream::always(200, "x");
    let gateway = gateway(&server, front.clone());
    let dial = authority.dial(Some(&old.issue(&["client.example"]))).config();
    let asked = || {
        let session = rustls::ClientConnection::new(dial.clone(), NAME.try_into().expect("a name"));
        ask(&mut TlsClient::new(session.expect("a session"), connect(gateway.address())), "")
    };
    assert!(asked().starts_with("HTTP/1.1 200"));
    authority.replace(&ca, &fs::read_to_string(new.file()).expect("a file"));
    front.reload().expect("good files");
    assert_eq!(asked(), "");
}

#[test]
fn a_connection_that_does_not_begin_with_tls_is_over() {
    let (server, authority) = (Upstream::always(200, "x"), Authority::new("authority"));
    let front = front(vec![authority.issue(&[NAME])], None);
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .listen(|listen| listen.tls = Some(front))
        .limits(|limits| limits.handshake_timeout = Duration::from_millis(300))
        .start();
    let mut plain = connect(gateway.address());
    crate::support::write(&mut plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!read_head(&mut plain).contains("HTTP"));
    let mut slow = connect(gateway.address());
    slow.write_all(&[0x16, 3, 1]).expect("sent");
    assert_eq!(slow.read(&mut [0; 8]).expect("closed"), 0);
    let are_over = || gateway.counts().open_connections == 0;
    floodway_kit::eventually_blocking(PATIENCE, "the connections are over", are_over);
}

#[test]
fn tls_follows_the_header_of_the_proxy_protocol() {
    let (server, authority) = (Upstream::always(200, "x"), Authority::new("authority"));
    let front = front(vec![authority.issue(&[NAME])], None);
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .trusting("127.0.0.1")
        .listen(|listen| (listen.tls, listen.proxy_protocol) = (Some(front), true))
        .start();
    let mut client = authority.dial(None).to(gateway.address(), NAME);
    client.sock.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n").expect("sent");
    assert!(ask(&mut client, "").starts_with("HTTP/1.1 200"));
    assert_eq!(last_header(&server, "x-forwarded-for").as_deref(), Some("192.0.2.1"));
}

#[test]
fn says_which_file_is_wrong_and_why() {
    let authority = Authority::new("authority");
    let good = authority.issue(&[NAME]);
    let other = authority.issue(&["other.example"]);
    let junk = authority.path("junk.pem");
    fs::write(&junk, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("written");
    let missing = authority.path("missing.pem");
    let pair = |cert: &std::path::Path, key: &std::path::Path| KeyPair { cert: cert.into(), key: key.into() };
    for (pair, says, file) in [
        (pair(&missing, &good.key), "could not read", &missing),
        (pair(&good.key, &good.key), "no certificate in", &good.key),
        (pair(&good.cert, &good.cert), "no private key in", &good.cert),
        (pair(&junk, &good.key), "cannot be used", &junk),
        (pair(&good.cert, &other.key), "is not that of", &other.key),
    ] {
        let options = FrontOptions { certificates: vec![pair], client: None };
        let error = Front::load(options).expect_err(says).to_string();
        assert!(error.contains(says) && error.contains(file.to_str().expect("text")), "{error}");
    }
    let client = Some(ClientCertificates { ca: good.key.clone(), required: true });
    let error = Front::load(FrontOptions { certificates: vec![good], client }).expect_err("no CA");
    assert!(error.to_string().contains("no certificate in"), "{error}");
}
