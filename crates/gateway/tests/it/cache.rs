//! The HTTP cache. A response is made stale by an `Age` beyond its `max-age`, so that nothing waits.

mod hits;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use floodway_gateway::{Purge, PurgeBy};
use floodway_kit::http::{self, Answer};
use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};
use floodway_policy::http_cache::CachePolicy;

use crate::support::{Gateway, PATIENCE, builder, raw_server, read_head, write};

type Fields<'a> = &'a [(&'a str, &'a str)];

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const ETAG: (&str, &str) = ("etag", "\"v1\"");

fn cached(server: SocketAddr) -> Gateway {
    cached_by(server, CachePolicy::default())
}

fn cached_by(server: SocketAddr, policy: CachePolicy) -> Gateway {
    builder().service(&[server]).route("/*", &[], 0).cache(policy).start()
}

/// A server that answers each request with its number, under these headers.
fn counting(headers: Fields<'static>) -> Upstream {
    Upstream::start(move |seen| Reply::with(200, headers, format!("answer {}", seen.index)))
}

fn get(gateway: &Gateway, path: &str, headers: Fields<'_>) -> Answer {
    http::send(gateway.address(), "GET", path, headers, b"").expect("an answer")
}

fn said(answer: &Answer) -> &str {
    answer.header("cache-status").expect("the cache says what it did")
}

#[test]
fn a_fresh_response_is_served_to_all_without_asking_again() {
    let server = counting(&[FRESH, ETAG, ("x-own", "kept"), ("cache-tag", "a")]);
    let gateway = cached(server.address());
    let first = get(&gateway, "/a?b=1", &[]);
    assert_eq!((first.text().as_str(), said(&first)), ("answer 0", "Floodway; fwd=uri-miss; stored"));
    for _ in 0..20 {
        let hit = get(&gateway, "/a?b=1", &[]);
        assert_eq!((hit.status, hit.text().as_str()), (200, "answer 0"));
        assert!(said(&hit).starts_with("Floodway; hit; ttl="), "{}", said(&hit));
        assert_eq!((hit.header("x-own"), hit.header("cache-tag")), (Some("kept"), None));
        assert_eq!(hit.header("content-length"), Some("8"));
        assert!(hit.header("age").is_some() && hit.header("date").is_some());
        assert!(hit.header("x-request-id").is_some());
    }
    assert_eq!(server.seen().len(), 1);
    assert_eq!(get(&gateway, "/a?b=2", &[]).text(), "answer 1", "the query is part of the key");
    assert_eq!(get(&gateway, "/a", &[]).text(), "answer 2");
    let other_host =
        http::raw(gateway.address(), b"GET /a?b=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
    let other_host = String::from_utf8(other_host.expect("an answer")).expect("text");
    assert!(other_host.ends_with("answer 3"), "the host is part of the key: {other_host}");
}

#[test]
fn counts_what_it_did() {
    let server = Upstream::start(|seen| match (seen.head.uri.path(), seen.index) {
        ("/fails", 1) => {
            Reply::with(200, &[("cache-control", "max-age=10, stale-if-error=60"), ("age", "20")], "old")
        }
        ("/fails", _) => Reply::now(503, "busy"),
        _ => Reply::with(200, &[FRESH], "x"),
    });
    let gateway = cached(server.address());
    for path in ["/a", "/fails", "/a", "/a", "/fails"] {
        assert_eq!(get(&gateway, path, &[]).status, 200);
    }
    http::send(gateway.address(), "HEAD", "/a", &[], b"").expect("an answer");
    http::send(gateway.address(), "POST", "/b", &[], b"x").expect("an answer");
    let counts = gateway.workers.cache_counts();
    assert_eq!((counts.hits, counts.collapsed, counts.forwarded, counts.stale), (3, 0, 4, 1));
    assert!(counts.bytes > 0);
}

/// The services see the host that their clients asked for, so responses of two are two.
#[test]
fn what_a_trusted_proxy_says_of_its_client_is_part_of_the_key() {
    let server = counting(&[FRESH]);
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .cache(CachePolicy::default())
        .trusting("127.0.0.0/8")
        .start();
    let told = |fields: Fields<'_>| get(&gateway, "/", fields).text();
    assert_eq!(told(&[]), "answer 0");
    assert_eq!(told(&[("x-forwarded-host", "a.example")]), "answer 1");
    assert_eq!(told(&[("x-forwarded-host", "b.example")]), "answer 2");
    assert_eq!(told(&[("x-forwarded-proto", "https")]), "answer 3");
    assert_eq!(told(&[("x-forwarded-host", "A.example")]), "answer 1");
    assert_eq!(told(&[]), "answer 0");
}

#[test]
fn what_a_client_claims_to_be_finds_nothing_of_others() {
    let server = counting(&[FRESH, ("vary", "x-forwarded-for, x-request-id")]);
    let gateway = cached(server.address());
    let mine = ("x-request-id", "one");
    assert_eq!(get(&gateway, "/", &[mine]).text(), "answer 0");
    assert_eq!(get(&gateway, "/", &[("x-forwarded-for", "127.0.0.1")]).text(), "answer 1");
    assert_eq!(get(&gateway, "/", &[mine]).text(), "answer 0");
    assert_eq!(get(&gateway, "/", &[mine, ("x-forwarded-for", "6.6.6.6")]).text(), "answer 0");
}

#[test]
fn a_route_without_a_cache_stores_nothing() {
    let server = counting(&[FRESH]);
    let gateway = builder().service(&[server.address()]).route("/*", &[], 0).start();
    for index in 0..3 {
        let answer = get(&gateway, "/", &[]);
        assert_eq!((answer.text(), answer.header("cache-status")), (format!("answer {index}"), None));
    }
    assert_eq!(gateway.workers.cache_bytes(), 0);
}

#[test]
fn what_is_not_for_everybody_is_never_stored() {
    let cases: [(Fields<'_>, Fields<'static>); 7] = [
        (&[("authorization", "me")], &[FRESH]),
        (&[], &[FRESH, ("set-cookie", "id=1")]),
        (&[], &[("cache-control", "private, max-age=60")]),
        (&[], &[("cache-control", "no-store, max-age=60")]),
        (&[], &[FRESH, ("vary", "*")]),
        (&[], &[]),
        (&[("cache-control", "no-store")], &[FRESH]),
    ];
    for (request, response) in cases {
        let server = counting(response);
        let gateway = cached(server.address());
        for index in 0..3 {
            let answer = get(&gateway, "/", request);
            assert_eq!(answer.text(), format!("answer {index}"), "{request:?} {response:?}");
            assert!(!said(&answer).contains("stored"), "{}", said(&answer));
        }
    }
}

#[test]
fn whoever_is_authorized_gets_only_what_says_that_it_is_for_all() {
    let me = [("authorization", "me")];
    let server = counting(&[FRESH]);
    let gateway = cached(server.address());
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 0");
    assert_eq!(get(&gateway, "/", &me).text(), "answer 1");
    let public = counting(&[("cache-control", "public, max-age=60")]);
    let gateway = cached(public.address());
    assert_eq!(get(&gateway, "/", &me).text(), "answer 0");
    assert_eq!(get(&gateway, "/", &me).text(), "answer 0");
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 0");
}

#[test]
fn each_variant_is_stored_for_itself() {
    let server = counting(&[FRESH, ("vary", "X-Kind")]);
    let gateway = cached(server.address());
    let kind = |kind: &str| get(&gateway, "/", &[("x-kind", kind)]);
    assert_eq!(kind("a").text(), "answer 0");
    let other = kind("b");
    assert_eq!((other.text().as_str(), said(&other)), ("answer 1", "Floodway; fwd=vary-miss; stored"));
    assert_eq!((kind("a").text(), kind("b").text()), ("answer 0".into(), "answer 1".into()));
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 2");
    for index in 0..CachePolicy::VARIANTS_MAX {
        kind(&format!("more {index}"));
    }
    let asked = server.seen().len();
    kind("a");
    assert_eq!(server.seen().len(), asked + 1, "the oldest made room");
}

#[test]
fn a_client_that_has_it_already_is_told_so() {
    let server = counting(&[FRESH, ETAG, ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    let gateway = cached(server.address());
    // Even the first time: the whole response is fetched for the store.
    let first = get(&gateway, "/", &[("if-none-match", "\"v1\"")]);
    assert_eq!((first.status, first.text().as_str()), (304, ""));
    eventually_blocking(PATIENCE, "it is stored", || said(&get(&gateway, "/", &[])).contains("hit"));
    for condition in [
        ("if-none-match", "\"v0\", W/\"v1\""),
        ("if-none-match", "*"),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ] {
        let answer = get(&gateway, "/", &[condition]);
        assert_eq!((answer.status, answer.text().as_str()), (304, ""), "{condition:?}");
        assert_eq!(answer.header("etag"), Some("\"v1\""));
        assert!(answer.header("cache-control").is_some() && answer.header("content-type").is_none());
    }
    let changed = get(&gateway, "/", &[("if-none-match", "\"v0\"")]);
    assert_eq!((changed.status, changed.text().as_str()), (200, "answer 0"));
    assert!(server.seen()[0].header("if-none-match").is_none());
}

/// A server whose responses are stale at once, and which answers 304 to the tag it has.
fn validated(headers: Fields<'static>) -> Upstream {
    Upstream::start(move |seen| match seen.header("if-none-match") {
        Some("\"v1\"") => Reply::with(304, &[ETAG, ("x-checked", "yes")], ""),
        _ => Reply::with(200, headers, format!("answer {}", seen.index)),
    })
}

#[test]
fn a_stale_response_is_validated_and_freshened() {
    let server = validated(&[("cache-control", "max-age=10"), ("age", "20"), ETAG, ("x-own", "kept")]);
    let gateway = cached(server.address());
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 0");
    let validated = get(&gateway, "/", &[]);
    assert_eq!((validated.status, validated.text().as_str()), (200, "answer 0"));
    let status = said(&validated);
    assert!(status.starts_with("Floodway; fwd=stale; fwd-status=304; ttl="), "{status}");
    assert!(status.ends_with("; stored"), "{status}");
    assert_eq!((validated.header("x-own"), validated.header("x-checked")), (Some("kept"), Some("yes")));
    let hit = get(&gateway, "/", &[]);
    assert!(said(&hit).contains("hit") && hit.header("x-checked") == Some("yes"), "{}", said(&hit));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_response_that_changed_takes_the_place_of_the_stale_one() {
    let server = Upstream::start(|seen| match seen.index {
        0 => Reply::with(200, &[("cache-control", "max-age=10"), ("age", "20"), ETAG], "old"),
        1 => Reply::with(200, &[FRESH, ("etag", "\"v2\"")], "new"),
        _ => Reply::now(500, "asked too often"),
    });
    let gateway = cached(server.address());
    let texts: Vec<_> = (0..3).map(|_| get(&gateway, "/", &[]).text()).collect();
    assert_eq!(texts, ["old", "new", "new"]);
    assert_eq!(server.seen()[1].header("if-none-match"), Some("\"v1\""));
}

#[test]
fn a_head_is_answered_from_a_stored_get() {
    let server = counting(&[FRESH]);
    let gateway = cached(server.address());
    let head = || http::send(gateway.address(), "HEAD", "/", &[], b"").expect("an answer");
    assert!(said(&head()).contains("fwd=uri-miss"), "a HEAD stores nothing");
    get(&gateway, "/", &[]);
    let hit = head();
    assert!(said(&hit).contains("hit"), "{}", said(&hit));
    assert_eq!((hit.header("content-length"), hit.text().as_str()), (Some("8"), ""));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_part_is_cut_out_of_a_stored_whole() {
    let server = Upstream::start(|_| Reply::with(200, &[FRESH, ETAG], "0123456789"));
    let gateway = cached(server.address());
    get(&gateway, "/", &[]);
    let part = |range| get(&gateway, "/", &[("range", range)]);
    let middle = part("bytes=2-4");
    assert_eq!((middle.status, middle.text().as_str()), (206, "234"));
    assert_eq!(middle.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(middle.header("content-length"), Some("3"));
    assert_eq!(part("bytes=-1").text(), "9");
    let beyond = part("bytes=10-");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(part("bytes=0-1,3-4").status, 200);
    let other = get(&gateway, "/", &[("range", "bytes=2-4"), ("if-range", "\"v0\"")]);
    assert_eq!((other.status, other.text().as_str()), (200, "0123456789"));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_part_is_not_stored_as_the_whole() {
    let server = Upstream::start(|seen| match seen.header("range") {
        Some(_) => Reply::with(206, &[FRESH, ("content-range", "bytes 0-1/4")], "01"),
        None => Reply::with(200, &[FRESH], "0123"),
    });
    let gateway = cached(server.address());
    assert_eq!(get(&gateway, "/", &[("range", "bytes=0-1")]).text(), "01");
    assert_eq!(get(&gateway, "/", &[]).text(), "0123");
    assert_eq!(get(&gateway, "/", &[("range", "bytes=0-1")]).text(), "01");
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn what_breaks_off_is_not_stored() {
    let asked = Arc::new(AtomicBool::new(false));
    let server = raw_server(move |mut stream| {
        read_head(&mut stream);
        if asked.swap(true, Ordering::SeqCst) {
            write(
                &mut stream,
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nfull",
            );
        } else {
            write(&mut stream, "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nfu");
        }
    });
    let gateway = cached(server);
    assert!(http::get(gateway.address(), "/").is_err(), "it broke off");
    assert_eq!(get(&gateway, "/", &[]).text(), "full");
    assert!(said(&get(&gateway, "/", &[])).contains("hit"));
}

/// Nobody can tell the end of such a body from a broken connection.
#[test]
fn what_ends_with_its_connection_is_not_stored() {
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\nsome");
    });
    let gateway = cached(server);
    for _ in 0..2 {
        let answer = get(&gateway, "/", &[]);
        assert_eq!((answer.text().as_str(), said(&answer)), ("some", "Floodway; fwd=uri-miss"));
    }
}

#[test]
fn a_body_in_chunks_is_stored() {
    let server = raw_server(|mut stream| {
        while !read_head(&mut stream).is_empty() {
            let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n";
            write(&mut stream, head);
            write(&mut stream, "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
        }
    });
    let gateway = cached(server);
    assert_eq!(get(&gateway, "/", &[]).text(), "abc");
    let hit = get(&gateway, "/", &[]);
    assert_eq!((hit.text().as_str(), hit.header("content-length")), ("abc", Some("3")));
}

#[test]
fn a_change_makes_invalid_what_was_stored() {
    let server = Upstream::start(|seen| match seen.head.method.as_str() {
        "GET" => Reply::with(200, &[FRESH], format!("answer {}", seen.index)),
        "DELETE" => Reply::now(500, "no"),
        _ => Reply::with(201, &[("location", "/made"), ("content-location", "http://elsewhere/")], ""),
    });
    // The route for changes has no cache of its own.
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &["GET"], 0)
        .cache(CachePolicy::default())
        .route("/*", &["POST"], 0)
        .route("/*", &["DELETE"], 0)
        .start();
    let send = |method| http::send(gateway.address(), method, "/", &[], b"x").expect("an answer");
    get(&gateway, "/", &[]);
    get(&gateway, "/made", &[]);
    assert_eq!(send("DELETE").status, 500);
    assert!(said(&get(&gateway, "/", &[])).contains("hit"), "it failed");
    let changed = send("POST");
    assert_eq!((changed.status, changed.header("cache-status")), (201, None));
    assert!(said(&get(&gateway, "/", &[])).contains("fwd=uri-miss"));
    assert!(said(&get(&gateway, "/made", &[])).contains("fwd=uri-miss"), "where it says it made one");
}

#[test]
fn a_change_by_a_route_with_a_cache_makes_invalid_too() {
    let server = counting(&[FRESH]);
    let gateway = cached(server.address());
    get(&gateway, "/", &[]);
    let changed = http::send(gateway.address(), "PUT", "/", &[], b"x").expect("an answer");
    assert_eq!(said(&changed), "Floodway; fwd=method");
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 2");
}

#[test]
fn a_stale_response_is_served_while_a_new_one_is_brought() {
    let server = Upstream::start(|seen| match seen.index {
        0 => Reply::with(
            200,
            &[("cache-control", "max-age=10, stale-while-revalidate=60"), ("age", "20")],
            "old",
        ),
        _ => Reply::with(200, &[FRESH], "new"),
    });
    let gateway = cached(server.address());
    get(&gateway, "/", &[]);
    let stale = get(&gateway, "/", &[]);
    assert_eq!(stale.text(), "old");
    assert!(said(&stale).starts_with("Floodway; hit; ttl=-"), "{}", said(&stale));
    eventually_blocking(PATIENCE, "the new one is there", || get(&gateway, "/", &[]).text() == "new");
    assert_eq!(server.seen().len(), 2, "it was brought once");
}

#[test]
fn a_stale_response_stands_in_for_a_failing_service() {
    for failure in [Reply::Drop, Reply::now(503, "busy")] {
        let server = Upstream::start(move |seen| match seen.index {
            0 => {
                Reply::with(200, &[("cache-control", "max-age=10, stale-if-error=60"), ("age", "20")], "old")
            }
            _ => failure.clone(),
        });
        let gateway = cached(server.address());
        get(&gateway, "/", &[]);
        let stale = get(&gateway, "/", &[]);
        assert_eq!((stale.status, stale.text().as_str()), (200, "old"));
        assert!(said(&stale).starts_with("Floodway; fwd=stale"), "{}", said(&stale));
    }
}

#[test]
fn a_response_that_must_be_revalidated_never_stands_in() {
    let server = Upstream::start(|seen| match seen.index {
        0 => {
            Reply::with(200, &[("cache-control", "max-age=10, must-revalidate"), ("age", "20"), ETAG], "old")
        }
        _ => Reply::Drop,
    });
    let hour = Duration::from_hours(1);
    let policy = CachePolicy { stale_if_error: hour, stale_while_revalidate: hour, ..CachePolicy::default() };
    let gateway = cached_by(server.address(), policy);
    get(&gateway, "/", &[]);
    assert_eq!(get(&gateway, "/", &[]).status, 502);
}

/// A server that answers slowly.
fn slow(headers: Fields<'static>) -> Upstream {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let answer = move |seen: &Seen| Reply::With {
        status: 200,
        headers: headers.clone(),
        body: format!("answer {}", seen.index).into(),
        after: Duration::from_millis(300),
    };
    Upstream::start(answer)
}

/// The answers to as many requests at once.
fn at_once(gateway: &Gateway, count: usize, headers: Fields<'static>) -> Vec<Answer> {
    let (address, barrier) = (gateway.address(), Arc::new(Barrier::new(count)));
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || {
                barrier.wait();
                http::send(address, "GET", "/", headers, b"").expect("an answer")
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
}

#[test]
fn one_request_is_sent_for_many_that_ask_the_same() {
    let server = slow(&[FRESH]);
    let gateway = cached(server.address());
    let answers = at_once(&gateway, 20, &[]);
    assert!(answers.iter().all(|answer| answer.text() == "answer 0"));
    assert_eq!(server.seen().len(), 1);
    let collapsed = answers.iter().filter(|answer| said(answer).ends_with("; collapsed")).count();
    let counts = gateway.workers.cache_counts();
    assert_eq!(collapsed, 19);
    assert_eq!((counts.hits, counts.collapsed, counts.forwarded), (0, 19, 1));
}

#[test]
fn nobody_waits_for_a_response_that_is_not_for_others() {
    let server = slow(&[("cache-control", "private")]);
    let gateway = cached(server.address());
    let mut texts: Vec<_> = at_once(&gateway, 8, &[]).iter().map(Answer::text).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 8, "each has its own");
}

#[test]
fn whoever_waits_too_long_asks_for_itself() {
    let server = slow(&[FRESH]);
    let policy = CachePolicy { wait: Duration::from_millis(20), ..CachePolicy::default() };
    let gateway = cached_by(server.address(), policy);
    let answers = at_once(&gateway, 4, &[]);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(server.seen().len() > 1);
}

#[test]
fn another_leads_when_the_first_is_given_up() {
    let server = slow(&[FRESH]);
    let gateway = cached(server.address());
    let mut first = http::Connection::to(gateway.address()).expect("a connection");
    first.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    eventually_blocking(PATIENCE, "it is under way", || server.seen().len() == 1);
    let address = gateway.address();
    let second = thread::spawn(move || {
        let answer = http::raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        String::from_utf8(answer.expect("an answer")).expect("text")
    });
    eventually_blocking(PATIENCE, "the second waits", || gateway.counts().in_flight == 2);
    drop(first);
    assert!(second.join().expect("it does not panic").ends_with("answer 1"));
}

#[test]
fn only_what_is_named_is_purged() {
    let server = Upstream::start(|seen| {
        let tag = if seen.head.uri.path().starts_with("/a") { "letters, first" } else { "letters" };
        Reply::with(200, &[FRESH, ("cache-tag", tag)], "x")
    });
    let gateway = cached(server.address());
    let fill = || {
        for path in ["/a/1", "/a/2", "/a/2?q=1", "/b"] {
            assert!(!said(&get(&gateway, path, &[])).contains("hit"), "{path} was taken out");
            assert!(said(&get(&gateway, path, &[])).contains("hit"));
        }
    };
    let purge = |by: PurgeBy| gateway.workers.purge(&Purge { host: None, by });
    fill();
    assert_eq!(purge(PurgeBy::Path("/a/2".into())), 2, "with every query");
    assert_eq!(purge(PurgeBy::Path("/a".into())), 0);
    assert_eq!(purge(PurgeBy::Prefix("/a/".into())), 1);
    assert_eq!(purge(PurgeBy::Everything), 1);
    fill();
    assert_eq!(purge(PurgeBy::Tag("first".into())), 3);
    assert_eq!(purge(PurgeBy::Tag("letters".into())), 1);
    fill();
    let of_host = |host: &str| Purge { host: Some(host.into()), by: PurgeBy::Everything };
    assert_eq!(gateway.workers.purge(&of_host("other")), 0);
    assert_eq!(gateway.workers.purge(&of_host(&gateway.address().to_string())), 4);
    assert_eq!(gateway.workers.cache_bytes(), 0);
}

#[test]
fn what_was_on_its_way_during_a_purge_is_not_stored() {
    let server = slow(&[FRESH]);
    let gateway = cached(server.address());
    let address = gateway.address();
    let asking = thread::spawn(move || http::get(address, "/").expect("an answer"));
    eventually_blocking(PATIENCE, "it is under way", || server.seen().len() == 1);
    assert_eq!(gateway.workers.purge(&Purge { host: None, by: PurgeBy::Everything }), 0);
    assert_eq!(asking.join().expect("it does not panic").text(), "answer 0");
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 1");
}

#[test]
fn memory_stays_below_its_bound() {
    let body = "x".repeat(100 << 10);
    let server = Upstream::start(move |_| Reply::with(200, &[FRESH], body.clone()));
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .cache(CachePolicy::default())
        .cache_bytes_max(1 << 20)
        .start();
    let mut most = 0;
    for index in 0..40 {
        get(&gateway, &format!("/{index}"), &[]);
        most = most.max(gateway.workers.cache_bytes());
    }
    assert!((500 << 10..=1 << 20).contains(&most), "{most}");
}

#[test]
fn a_body_beyond_the_limit_is_passed_on_and_not_stored() {
    let server = Upstream::start(|_| Reply::with(200, &[FRESH], "x".repeat(1000)));
    let policy = CachePolicy { body_max: 999, ..CachePolicy::default() };
    let gateway = cached_by(server.address(), policy);
    for _ in 0..2 {
        let answer = get(&gateway, "/", &[]);
        assert_eq!((answer.text().len(), said(&answer)), (1000, "Floodway; fwd=uri-miss"));
    }
}

#[test]
fn a_client_that_takes_only_what_is_cached_gets_nothing_else() {
    let server = counting(&[FRESH]);
    let policy = CachePolicy { obeys_clients: true, ..CachePolicy::default() };
    let gateway = cached_by(server.address(), policy);
    let only = [("cache-control", "only-if-cached")];
    let refused = get(&gateway, "/", &only);
    assert_eq!(refused.status, 504);
    assert!(refused.text().contains("FW-3506"), "{}", refused.text());
    get(&gateway, "/", &[]);
    assert_eq!(get(&gateway, "/", &only).text(), "answer 0");
    assert_eq!(get(&gateway, "/", &[("cache-control", "no-cache")]).text(), "answer 1");
}
