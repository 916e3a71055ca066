//! The shop's file is a good one.

use std::time::Duration;

use floodway_policy::balance::Balance;
use floodway_policy::routing::Routed;
use floodway_system::{Probe, Source, load};
use floodway_workload::Rows;

use crate::support::{CATALOGUE, root_folder};

fn shop() -> floodway_system::System {
    let read = load(&root_folder().join("cases/shop"), None, &|_| None, CATALOGUE);
    read.map_err(|mistakes| mistakes.to_string()).expect("the shop's file is a good one")
}

#[test]
fn reads_the_shop() {
    let shop = shop();
    assert_eq!(shop.name, "shop");
    assert!(shop.node.data.ends_with("cases/shop/.floodway"), "{:?}", shop.node.data);
    let names: Vec<_> = shop.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["order", "inventory", "payment"]);
    let Source::Run(run) = &shop.services[0].source else { panic!("the shop starts its services") };
    assert_eq!(run.command, ["target/release/shop", "order"]);
    assert_eq!(run.replicas, 2);
    assert_eq!(shop.services[0].health.probe, Probe::Http("/healthz".into()));
    assert_eq!(shop.stores[0].outbox.as_ref().map(|outbox| outbox.topics.as_str()), Some("events"));
    let load = shop.load("purchases").unwrap();
    assert!(matches!(&load.load.rows, Rows::Replay(path) if path.is_file()));
    assert_eq!(load.expect.accepted, Some(69_659));
    assert_eq!(shop.load("flash-sale").unwrap().expect.rejected[&409], 9000);
}

#[test]
fn compiles_the_shop() {
    let shop = shop();
    let snapshot = shop.compile();
    assert_eq!(snapshot.services.len(), 3);
    assert_eq!(snapshot.services[0].balance, Balance::LeastRequests);
    assert_eq!(snapshot.service("payment").map(|id| id.0), Some(2));
    let Routed::To(route) = snapshot.router.find(None, "/orders", "POST") else { panic!("a route") };
    let route = snapshot.route(route).unwrap();
    assert_eq!(route.body_max, 64 << 10);
    assert_eq!(route.call.service, snapshot.service("order").unwrap());
    assert_eq!(route.call.timeout, Duration::from_secs(30));
    assert_eq!(snapshot.topics[0].delivery.backoff.max, Duration::from_secs(5));
    assert_eq!(snapshot.limits, floodway_policy::snapshot::Limits::default());
}
