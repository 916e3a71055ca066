//! Sticky sessions, by HTTP/1.1 and by HTTP/2.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use floodway_gateway::{Front, FrontOptions};
use floodway_kit::http::{self as client, Answer};
use floodway_kit::{Reply, Upstream};
use floodway_policy::EndpointState;
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::sticky::{Names, Secret, StickyPolicy};
use http::Request;
use http_body_util::Full;

use crate::http2::exchange;
use crate::idempotency::{Kept, policy as idempotency};
use crate::support::{Builder, Gateway, builder, raw_server, read_head, write};
use crate::tls::authority::Authority;

const ATTRIBUTES: &str = "; Path=/; HttpOnly; SameSite=Lax";

fn policy() -> StickyPolicy {
    let secret = Some(Secret::new("a secret of many bytes"));
    StickyPolicy { cookie: "fw".into(), ttl: None, secret, names: Names::Number }
}

fn without_secret() -> StickyPolicy {
    StickyPolicy { secret: None, ..policy() }
}

/// Servers that answer with their number.
fn numbered(count: usize) -> (Vec<Upstream>, Vec<SocketAddr>) {
    let servers: Vec<_> =
        (0..count).map(|number| Upstream::start(move |_| Reply::now(200, number.to_string()))).collect();
    let addresses = servers.iter().map(Upstream::address).collect();
    (servers, addresses)
}

fn to(addresses: &[SocketAddr], policy: StickyPolicy) -> Builder {
    builder().service(addresses).sticky(policy).route("/*", &[], 0)
}

/// Who answers, and what cookie it sets.
type Told = (String, Option<String>);

fn told(answer: &Answer) -> Told {
    (answer.text(), answer.header("set-cookie").map(str::to_owned))
}

fn by_http1(gateway: &Gateway, headers: &[(&str, &str)]) -> Told {
    told(&client::send(gateway.address(), "GET", "/", headers, b"").expect("an answer"))
}

fn by_http2(gateway: &Gateway, headers: &[(&str, &str)]) -> Told {
    let request = Request::get(format!("http://{}/", gateway.address()));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let (head, body) = exchange(gateway.address(), vec![request]).remove(0);
    let cookie = head.headers.get("set-cookie").map(|value| value.to_str().expect("text").to_owned());
    (String::from_utf8(body.to_vec()).expect("text"), cookie)
}

type Ask = fn(&Gateway, &[(&str, &str)]) -> Told;

const WAYS: [Ask; 2] = [by_http1, by_http2];

/// The name and value of a cookie that is set.
fn pair(set: Option<String>) -> String {
    let set = set.expect("a cookie is set");
    let pair = set.strip_suffix(ATTRIBUTES).unwrap_or_else(|| set.split(';').next().unwrap_or_default());
    pair.to_owned()
}

#[test]
fn a_client_stays_where_it_was_answered_first() {
    let (_servers, addresses) = numbered(4);
    let gateway = to(&addresses, policy()).start();
    for first in WAYS {
        let (home, set) = first(&gateway, &[]);
        assert!(
            set.as_deref().is_some_and(|set| set.starts_with("fw=") && set.ends_with(ATTRIBUTES)),
            "{set:?}"
        );
        let cookie = pair(set);
        for way in WAYS.into_iter().cycle().take(8) {
            assert_eq!(way(&gateway, &[("cookie", &cookie)]), (home.clone(), None));
        }
    }
}

#[test]
fn a_client_moves_when_its_replica_takes_no_more_and_then_stays() {
    let (_servers, addresses) = numbered(3);
    let gateway = to(&addresses, policy()).start();
    for away in [EndpointState::Draining, EndpointState::Unhealthy] {
        for way in WAYS {
            gateway.publish(|_, _| EndpointState::Ready);
            let (home, set) = way(&gateway, &[]);
            let cookie = pair(set);
            gateway.publish(|_, slot| if slot.to_string() == home { away } else { EndpointState::Ready });
            let (next, set) = way(&gateway, &[("cookie", &cookie)]);
            assert_ne!(next, home);
            let cookie = pair(set);
            gateway.publish(|_, _| EndpointState::Ready);
            assert_eq!(way(&gateway, &[("cookie", &cookie)]), (next, None));
        }
    }
}

#[test]
fn a_client_moves_when_its_replica_is_gone() {
    let (mut servers, addresses) = numbered(2);
    let gateway = to(&addresses, policy()).start();
    let (home, set) = by_http1(&gateway, &[]);
    let cookie = pair(set);
    drop(servers.remove(home.parse().expect("a number")));
    for way in WAYS {
        let (next, set) = way(&gateway, &[("cookie", &cookie)]);
        assert_ne!(next, home);
        assert_ne!(pair(set), cookie);
    }
}

#[test]
fn what_the_gateway_did_not_make_is_ignored() {
    let (_servers, addresses) = numbered(3);
    let gateway = to(&addresses, policy()).one_worker().start();
    let foreign = to(&addresses, without_secret()).start();
    let good = pair(by_http1(&gateway, &[]).1);
    let turned = if good.ends_with('0') { "1" } else { "0" };
    let forged = format!("{}{turned}", good.strip_suffix(|_| true).expect("a digit"));
    for cookie in [&forged, &pair(by_http1(&foreign, &[]).1), "fw=0", "fw", "fw=", "fw=\"; DROP"] {
        for way in WAYS {
            let homes: Vec<_> = (0..3).map(|_| way(&gateway, &[("cookie", cookie)])).collect();
            let mut names: Vec<_> = homes.iter().map(|(home, _)| home.clone()).collect();
            names.sort_unstable();
            assert_eq!(names, ["0", "1", "2"], "each in turn: {cookie}");
            assert!(homes.into_iter().all(|(_, set)| pair(set).len() == good.len()));
        }
    }
}

#[test]
fn services_do_not_see_it() {
    let server = Upstream::always(200, "x");
    let gateway = to(&[server.address()], policy()).start();
    let cookies = |cookie: &str| {
        for way in WAYS {
            way(&gateway, &[("cookie", cookie)]);
        }
        let seen = server.seen();
        let last = seen.iter().rev().take(2);
        last.map(|seen| seen.header("cookie").map(str::to_owned)).collect::<Vec<_>>()
    };
    for (sent, passed) in [
        ("a=b; fw=x; c=d", Some("a=b; c=d")),
        ("fw=x", None),
        ("fw=x;fw = y; a=b", Some("a=b")),
        ("xfw=x; a=b", Some("xfw=x; a=b")),
    ] {
        assert_eq!(cookies(sent), [passed.map(str::to_owned), passed.map(str::to_owned)], "{sent}");
    }
    // In HTTP/1.1 several lines are none of ours to join.
    let several = client::raw(
        gateway.address(),
        b"GET / HTTP/1.1\r\nHost: a\r\nCookie: fw=1\r\nConnection: close\r\nCookie: a=b; fw=2\r\ncookie: c=d\r\n\r\n",
    );
    assert!(several.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200")));
    let all = server.seen().pop().expect("it came").head;
    let mut all: Vec<_> = all.headers.get_all("cookie").iter().cloned().collect();
    all.sort();
    assert_eq!(all, ["a=b", "c=d"]);
}

#[test]
fn a_cookie_is_good_after_a_reload_and_after_a_restart_if_the_secret_is_given() {
    let (_servers, addresses) = numbered(3);
    for sticky in [policy(), without_secret()] {
        let has_secret = sticky.secret.is_some();
        let gateway = to(&addresses, sticky.clone()).start();
        let (home, set) = by_http1(&gateway, &[]);
        let cookie = pair(set);
        gateway.reload(to(&addresses, sticky.clone()));
        // Both workers know it.
        for way in WAYS.into_iter().cycle().take(20) {
            assert_eq!(way(&gateway, &[("cookie", &cookie)]), (home.clone(), None));
        }
        let next = to(&addresses, sticky).start();
        assert_eq!(by_http1(&next, &[("cookie", &cookie)]).1.is_none(), has_secret);
    }
}

#[test]
fn it_is_kept_as_long_as_it_says_and_shown_by_tls_only_where_it_was_set_by_it() {
    let server = Upstream::always(200, "x");
    let sticky = StickyPolicy { ttl: Some(Duration::from_mins(5)), ..policy() };
    let attributes = |set: Option<String>| {
        let set = set.expect("a cookie is set");
        set.split_once(';').map(|(_, attributes)| attributes.to_owned()).expect("attributes")
    };
    let gateway = to(&[server.address()], sticky).trusting("127.0.0.1/32").start();
    let plain = " Path=/; HttpOnly; SameSite=Lax; Max-Age=300";
    for way in WAYS {
        assert_eq!(attributes(way(&gateway, &[]).1), plain);
        let by_proxy = way(&gateway, &[("x-forwarded-proto", "https")]);
        assert_eq!(attributes(by_proxy.1), format!("{plain}; Secure"));
    }
    let authority = Authority::new("authority");
    let front =
        Front::load(FrontOptions { certificates: vec![authority.issue(&["a.example"])], client: None });
    let listen =
        to(&[server.address()], policy()).listen(|listen| listen.tls = Some(front.expect("good files")));
    let gateway = listen.start();
    let mut tls = authority.dial(None).to(gateway.address(), "a.example");
    let answer = crate::tls::ask(&mut tls, "X-Forwarded-Proto: http\r\n").to_lowercase();
    assert!(answer.contains("samesite=lax; secure\r\n"), "{answer}");
}

#[test]
fn an_answer_that_is_stored_is_nobodys_and_sets_none() {
    let servers: Vec<_> = (0..2)
        .map(|number| {
            Upstream::start(move |seen| {
                let headers: &[(&str, &str)] = match seen.head.uri.path() {
                    "/stored" => &[("cache-control", "max-age=60"), ("etag", "\"1\"")],
                    "/stale" => &[("cache-control", "max-age=60"), ("age", "90"), ("etag", "\"1\"")],
                    _ => &[("cache-control", "no-store")],
                };
                let status = if seen.header("if-none-match").is_some() { 304 } else { 200 };
                Reply::with(status, headers, number.to_string())
            })
        })
        .collect();
    let addresses: Vec<_> = servers.iter().map(Upstream::address).collect();
    let gateway = to(&addresses, policy()).cache(CachePolicy::default()).start();
    let ask = |path: &str, headers: &[(&str, &str)]| {
        client::send(gateway.address(), "GET", path, headers, b"").expect("an answer")
    };
    for path in ["/stored", "/stale"] {
        for _ in 0..4 {
            let answer = ask(path, &[("cookie", "fw=x")]);
            assert_eq!((answer.status, answer.header("set-cookie")), (200, None), "{path}");
        }
    }
    assert_eq!(servers.iter().map(|server| server.seen().len()).sum::<usize>(), 1 + 4, "it was stored");
    let (home, set) = told(&ask("/own", &[]));
    let cookie = pair(set);
    for _ in 0..3 {
        assert_eq!(told(&ask("/own", &[("cookie", &cookie)])), (home.clone(), None));
    }
}

#[test]
fn an_answer_that_is_kept_for_its_key_is_kept_without_it() {
    let (server, kept) = (Upstream::always(201, "x"), Kept::new());
    let gateway = to(&[server.address()], policy()).idempotency(idempotency(), kept.stores()).start();
    let post = || {
        let headers = [("idempotency-key", "k"), ("cookie", "a=b")];
        client::send(gateway.address(), "POST", "/", &headers, b"1 cd").expect("an answer")
    };
    let (first, again) = (post(), post());
    assert_eq!((first.status, again.status), (201, 201));
    assert!(first.header("set-cookie").is_some());
    assert_eq!((again.header("idempotent-replayed"), again.header("set-cookie")), (Some("true"), None));
}

#[test]
fn an_upgraded_connection_begins_a_session_too() {
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    });
    let gateway = to(&[server], policy()).start();
    let mut stream = crate::support::connect(gateway.address());
    write(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    let head = read_head(&mut stream).to_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("\r\nset-cookie: fw="), "{head}");
}
