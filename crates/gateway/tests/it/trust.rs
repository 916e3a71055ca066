use std::collections::BTreeSet;

use bytes::Bytes;
use floodway_kit::{Seen, Upstream, http as client};
use floodway_policy::balance::Balance;
use http::Request;
use http_body_util::Full;

use crate::http2::send;
use crate::support::builder;

const CLAIMS: [(&str, &str); 6] = [
    ("x-forwarded-for", "6.6.6.6, 192.0.2.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("x-forwarded-port", "443"),
    ("x-real-ip", "192.0.2.1"),
    ("forwarded", "for=192.0.2.1"),
];

type Learned = [Option<String>; CLAIMS.len()];

/// What a service learns by HTTP/1.1 and by HTTP/2, which must be the same.
fn learned(trusted: &str, claims: &[(&str, &str)]) -> Learned {
    let server = Upstream::always(200, "x");
    let gateway = builder().service(&[server.address()]).route("/*", &[], 0).trusting(trusted).start();
    let host = gateway.address().to_string();
    client::send(gateway.address(), "GET", "/", claims, b"").expect("an answer");
    let request = Request::get(format!("http://{host}/"));
    let request = claims.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(gateway.address(), vec![request.body(Full::<Bytes>::default()).expect("a request")]);
    let seen = server.seen();
    let of =
        |seen: &Seen| CLAIMS.map(|(name, _)| seen.header(name).map(|value| value.replace(&host, "HOST")));
    assert_eq!(of(&seen[0]), of(&seen[1]));
    of(&seen[0])
}

fn table(values: [Option<&str>; CLAIMS.len()]) -> Learned {
    values.map(|value| value.map(str::to_owned))
}

#[test]
fn nothing_passes_that_an_unlisted_client_says_of_itself() {
    let expected = table([Some("127.0.0.1"), Some("http"), Some("HOST"), None, None, None]);
    assert_eq!(learned("10.0.0.0/8", &CLAIMS), expected);
}

#[test]
fn a_listed_proxy_is_believed_what_it_saw() {
    let [port, ip] = [Some("443"), Some("192.0.2.1")];
    let expected = table([Some("192.0.2.1, 127.0.0.1"), Some("https"), Some("shop.example"), port, ip, None]);
    assert_eq!(learned("127.0.0.0/8", &CLAIMS), expected);
}

#[test]
fn a_listed_proxy_that_says_nothing_is_the_client() {
    let expected = table([Some("127.0.0.1"), Some("http"), Some("HOST"), None, None, None]);
    assert_eq!(learned("127.0.0.1", &[]), expected);
    let junk = [("x-forwarded-for", "unknown"), ("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")];
    assert_eq!(learned("127.0.0.1", &junk), expected);
    let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")];
    assert_eq!(learned("127.0.0.1", &twice), expected);
}

/// Lists in several headers are one list (RFC 9110 §5.3).
#[test]
fn chains_are_followed_from_their_end() {
    let chain = ["6.6.6.6", "192.0.2.1,127.0.0.3", "127.0.0.2"].map(|value| ("x-forwarded-for", value));
    let [forwarded_for, ..] = learned("127.0.0.0/8", &chain);
    assert_eq!(forwarded_for.as_deref(), Some("192.0.2.1, 127.0.0.3, 127.0.0.2, 127.0.0.1"));
}

#[test]
fn balancing_goes_by_the_client_behind_the_proxy() {
    let servers: Vec<_> = (0..4).map(|_| Upstream::always(200, "x")).collect();
    let addresses: Vec<_> = servers.iter().map(Upstream::address).collect();
    let gateway = builder()
        .service(&addresses)
        .balance(Balance::IpHash)
        .route("/*", &[], 0)
        .trusting("127.0.0.1")
        .start();
    let ask = |client: &str| {
        let before: Vec<_> = servers.iter().map(|server| server.seen().len()).collect();
        client::send(gateway.address(), "GET", "/", &[("x-forwarded-for", client)], b"").expect("an answer");
        servers.iter().zip(before).position(|(server, before)| server.seen().len() > before).expect("one")
    };
    let chosen: Vec<_> = (0..20).map(|last| ask(&format!("192.0.2.{last}"))).collect();
    let again: Vec<_> = (0..20).map(|last| ask(&format!("6.6.6.6, 192.0.2.{last}"))).collect();
    assert_eq!(chosen, again);
    assert!(chosen.into_iter().collect::<BTreeSet<_>>().len() > 1);
}
