use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use floodway_kit::{Reply, Upstream, eventually_blocking, http as client};
use floodway_policy::EndpointState;
use floodway_policy::balance::{Balance, HashKey, HashPolicy};
use floodway_policy::outlier::OutlierPolicy;
use floodway_policy::split::HeaderIs;
use http::Request;
use http_body_util::Full;

use crate::http2::send;
use crate::support::{PATIENCE, builder};

/// Servers that answer with their number.
fn numbered(count: usize) -> (Vec<Upstream>, Vec<SocketAddr>) {
    let servers: Vec<_> =
        (0..count).map(|number| Upstream::start(move |_| Reply::now(200, number.to_string()))).collect();
    let addresses = servers.iter().map(Upstream::address).collect();
    (servers, addresses)
}

/// Who answers a request with these headers, by HTTP/1.1 and by HTTP/2.
fn who(gateway: SocketAddr, path: &str, headers: &[(&str, &str)]) -> [String; 2] {
    let plain = client::send(gateway, "GET", path, headers, b"").expect("an answer").text();
    let request = Request::get(format!("http://{gateway}{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answers = send(gateway, vec![request.body(Full::<Bytes>::default()).expect("a request")]);
    [plain, String::from_utf8(answers[0].1.to_vec()).expect("text")]
}

#[test]
fn what_has_the_same_key_goes_to_the_same_replica() {
    let (_servers, addresses) = numbered(5);
    for (by, header, name) in [
        (HashKey::Header("x-user".into()), "X-User", ""),
        (HashKey::Cookie("id".into()), "Cookie", "a=b; id="),
    ] {
        let gateway = builder()
            .service(&addresses)
            .balance(Balance::Hash)
            .hash(HashPolicy { by, bound: 0 })
            .route("/*", &[], 0)
            .start();
        let of = |user: u32| {
            let value = format!("{name}{user}");
            (0..3).flat_map(|_| who(gateway.address(), "/", &[(header, &value)])).collect::<BTreeSet<_>>()
        };
        let homes: Vec<_> = (0..20).map(of).collect();
        assert!(homes.iter().all(|home| home.len() == 1), "{header}: {homes:?}");
        assert!(homes.into_iter().flatten().collect::<BTreeSet<_>>().len() >= 4, "they are spread");
    }
    let gateway = builder()
        .service(&addresses)
        .balance(Balance::Hash)
        .hash(HashPolicy { by: HashKey::Path, bound: 0 })
        .route("/*", &[], 0)
        .start();
    let homes: BTreeSet<_> =
        (0..5).flat_map(|query| who(gateway.address(), &format!("/a?{query}"), &[])).collect();
    assert_eq!(homes.len(), 1, "the query is no part of it");
}

#[test]
fn a_replica_that_fails_gets_nothing_for_a_while() {
    let is_sick = Arc::new(AtomicBool::new(true));
    let sick = Arc::clone(&is_sick);
    let first =
        Upstream::start(move |_| Reply::now(if sick.load(Ordering::Relaxed) { 500 } else { 200 }, "first"));
    let second = Upstream::always(200, "second");
    let gateway = builder()
        .service(&[first.address(), second.address()])
        .route("/*", &[], 0)
        .outlier(OutlierPolicy {
            consecutive: 3,
            base: Duration::from_millis(500),
            ..OutlierPolicy::default()
        })
        .one_worker()
        .start();
    let ask = || client::get(gateway.address(), "/").expect("an answer");
    let statuses: Vec<_> = (0..20).map(|_| ask().status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 3, "{statuses:?}");
    assert_eq!(gateway.workers.metrics().services[0].ejections, 1);
    is_sick.store(false, Ordering::Relaxed);
    eventually_blocking(PATIENCE, "it comes back", || ask().text() == "first");
}

#[test]
fn the_one_that_answers_first_gets_most() {
    let slow = Upstream::start(|_| Reply::Answer {
        status: 200,
        body: "slow".into(),
        after: Duration::from_millis(40),
    });
    let quick = Upstream::always(200, "quick");
    let gateway = builder()
        .service(&[slow.address(), quick.address()])
        .balance(Balance::PeakEwma)
        .route("/*", &[], 0)
        .one_worker()
        .start();
    let answers: Vec<_> =
        (0..40).map(|_| client::get(gateway.address(), "/").expect("an answer").text()).collect();
    let slow = answers.iter().filter(|answer| *answer == "slow").count();
    assert!((1..=4).contains(&slow), "{slow} of 40");
}

#[test]
fn a_part_of_a_route_goes_to_another_service() {
    let (_servers, addresses) = numbered(3);
    let header = |value: Option<&str>| HeaderIs { name: "x-canary".into(), value: value.map(Into::into) };
    let gateway = builder()
        .service(&addresses[..1])
        .service(&addresses[1..2])
        .service(&addresses[2..])
        .route("/asked", &[], 0)
        .split(1, 0, Some(header(Some("yes"))))
        .split(2, 0, Some(header(None)))
        .route("/drawn", &[], 0)
        .split(1, 30, None)
        .start();
    for (headers, expected) in
        [(&[][..], "0"), (&[("X-Canary", "yes")][..], "1"), (&[("X-Canary", "no")][..], "2")]
    {
        assert_eq!(who(gateway.address(), "/asked", headers), [expected; 2], "{headers:?}");
    }
    let answers: Vec<_> = (0..200).flat_map(|_| who(gateway.address(), "/drawn", &[])).collect();
    let drawn = answers.iter().filter(|answer| *answer == "1").count();
    assert!((60..=180).contains(&drawn), "{drawn} of 400, and 120 were meant");
    assert!(!answers.iter().any(|answer| answer == "2"));
    let requests: Vec<_> = gateway.workers.metrics().routes.iter().map(|route| route.requests[2]).collect();
    assert_eq!(requests, [6, 400, 0], "they count for their route");
}

#[test]
fn a_backup_gets_requests_while_nobody_else_can() {
    let (_servers, addresses) = numbered(3);
    let gateway = builder().service(&addresses).backups(1).route("/*", &[], 0).start();
    let homes = || (0..6).flat_map(|_| who(gateway.address(), "/", &[])).collect::<BTreeSet<_>>();
    let named = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(homes(), named(&["0", "1"]));
    gateway.publish(|_, slot| if slot < 2 { EndpointState::Unhealthy } else { EndpointState::Ready });
    assert_eq!(homes(), named(&["2"]));
    gateway.publish(|_, slot| if slot == 0 { EndpointState::Unhealthy } else { EndpointState::Ready });
    assert_eq!(homes(), named(&["1"]));
}

#[test]
fn requests_stay_in_the_zone_as_long_as_enough_of_it_is_there() {
    let (_servers, addresses) = numbered(4);
    let gateway = builder().service(&addresses).near(2).one_worker().route("/*", &[], 0).start();
    let stayed = || {
        let homes = (0..25).flat_map(|_| who(gateway.address(), "/", &[]));
        homes.filter(|home| ["0", "1"].contains(&home.as_str())).count()
    };
    assert_eq!(stayed(), 50);
    gateway.publish(|_, slot| if slot == 1 { EndpointState::Unhealthy } else { EndpointState::Ready });
    assert_eq!(stayed(), 35, "1.4 times the half that is left");
    gateway.publish(|_, slot| if slot < 2 { EndpointState::Unhealthy } else { EndpointState::Ready });
    assert_eq!(stayed(), 0);
}
