use floodway_kit::{Upstream, http};
use floodway_policy::EndpointState;
use floodway_policy::balance::Balance;

use crate::support::{builder, gateway};

#[test]
fn each_path_goes_to_its_service() {
    let (orders, rest) = (Upstream::always(200, "orders"), Upstream::always(200, "rest"));
    let gateway = builder()
        .service(&[orders.address()])
        .service(&[rest.address()])
        .route("/orders/*", &["GET"], 0)
        .route("/*", &["GET"], 1)
        .start();
    assert_eq!(http::get(gateway.address(), "/orders/7").expect("an answer").text(), "orders");
    assert_eq!(http::get(gateway.address(), "/other?a=b").expect("an answer").text(), "rest");
    assert_eq!(rest.seen()[0].head.uri, "/other?a=b");
}

#[test]
fn an_unknown_path_and_a_wrong_method_are_told_apart() {
    let server = Upstream::always(200, "x");
    let gateway = builder().service(&[server.address()]).route("/orders", &["POST"], 0).start();
    let unknown = http::get(gateway.address(), "/nothing").expect("an answer");
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.header("content-type"), Some("application/problem+json"));
    assert!(unknown.text().contains("FW-3404"), "{}", unknown.text());
    assert!(unknown.text().contains(unknown.header("x-request-id").expect("an id")));
    let wrong = http::get(gateway.address(), "/orders").expect("an answer");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    assert!(server.seen().is_empty());
}

#[test]
fn requests_go_round_the_replicas() {
    let servers: Vec<_> = (0..3).map(|_| Upstream::always(200, "x")).collect();
    let addresses: Vec<_> = servers.iter().map(Upstream::address).collect();
    let gateway = builder().service(&addresses).route("/*", &[], 0).one_worker().start();
    for _ in 0..30 {
        assert_eq!(http::get(gateway.address(), "/").expect("an answer").status, 200);
    }
    assert!(servers.iter().all(|server| server.seen().len() == 10));
}

#[test]
fn one_client_stays_with_one_replica_under_ip_hash() {
    let servers: Vec<_> = (0..4).map(|_| Upstream::always(200, "x")).collect();
    let addresses: Vec<_> = servers.iter().map(Upstream::address).collect();
    let gateway = builder().service(&addresses).balance(Balance::IpHash).route("/*", &[], 0).start();
    for _ in 0..20 {
        http::get(gateway.address(), "/").expect("an answer");
    }
    let used = servers.iter().filter(|server| !server.seen().is_empty()).count();
    assert_eq!(used, 1);
}

#[test]
fn a_replica_that_is_not_ready_gets_nothing() {
    let (bad, good) = (Upstream::always(200, "bad"), Upstream::always(200, "good"));
    let gateway = gateway(&[bad.address(), good.address()]);
    gateway.publish(|_, slot| if slot == 0 { EndpointState::Unhealthy } else { EndpointState::Ready });
    for _ in 0..10 {
        assert_eq!(http::get(gateway.address(), "/").expect("an answer").text(), "good");
    }
    gateway.publish(|_, _| EndpointState::Draining);
    let none = http::get(gateway.address(), "/").expect("an answer");
    assert_eq!((none.status, none.header("retry-after")), (503, Some("1")));
    assert!(none.text().contains("FW-3503") && bad.seen().is_empty());
}
