//! Files as they lie on a disk.

use std::fs;
use std::path::Path;
use std::time::Duration;

use floodway_policy::balance::{Balance, HashKey, HashPolicy};
use floodway_policy::breaker::BreakerPolicy;
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::hedge::{HedgePolicy, Late};
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::idempotency::{Duplicates, IdempotencyPolicy};
use floodway_policy::outlier::OutlierPolicy;
use floodway_policy::rate_limit::{RateKey, RateLimitPolicy};
use floodway_policy::snapshot::{CallPolicy, TargetName};
use floodway_policy::split::HeaderIs;
use floodway_policy::sticky::{Names, Secret, StickyPolicy};
use floodway_policy::{ServiceId, ZoneId};
use floodway_system::{Code, Mistakes, System, load};

use crate::support::CATALOGUE;

/// A folder with a system file of this text and a CSV file of that.
fn read(text: &[u8], csv: Option<&str>) -> (tempfile::TempDir, Result<System, Mistakes>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("floodway.yaml"), text).expect("a file in it");
    if let Some(csv) = csv {
        fs::write(folder.path().join("rows.csv"), csv).expect("a file in it");
    }
    let system = load(folder.path(), None, &|_| None, CATALOGUE);
    (folder, system)
}

const LOAD: &[u8] =
    b"system: a\nloads: { b: { replay: ./rows.csv, request: { path: '/${row:two, quoted}' } } }\n";

fn codes(result: Result<System, Mistakes>) -> Vec<Code> {
    result.err().iter().flat_map(|mistakes| mistakes.iter().map(|mistake| mistake.code)).collect()
}

#[test]
fn checks_columns_against_the_header_of_the_csv_file() {
    assert_eq!(codes(read(LOAD, Some("one,\"two, quoted\"\r\n1,2\r\n")).1), []);
    assert_eq!(codes(read(LOAD, Some("\u{feff}\"two, quoted\",one\n")).1), []);
    assert_eq!(codes(read(LOAD, Some("one,two\n")).1), [Code::UnknownColumn]);
    assert_eq!(codes(read(LOAD, Some("")).1), [Code::UnreadableRows]);
}

#[test]
fn a_system_can_run_where_the_rows_of_its_loads_are_not() {
    assert_eq!(codes(read(LOAD, None).1), []);
}

#[test]
fn a_route_has_a_cache_where_it_says_so() {
    let text = b"system: a
services: { b: { at: ['127.0.0.1:1'] } }
gateway:
  listen: 127.0.0.1:2
  routes:
    - { match: { path: /plain }, to: b }
    - { match: { path: /all }, to: b, cache: {} }
    - { match: { path: /own }, to: b, cache: { fresh: 30s, stale-while-revalidate: 5m, obey-clients: true } }
";
    let compile = |text: &[u8]| {
        let (_folder, system) = read(text, None);
        system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile()
    };
    let snapshot = compile(text);
    let caches: Vec<_> = snapshot.routes.iter().map(|route| route.cache).collect();
    let own = CachePolicy {
        fresh: Some(Duration::from_secs(30)),
        stale_while_revalidate: Duration::from_mins(5),
        obeys_clients: true,
        ..CachePolicy::default()
    };
    assert_eq!(caches, [None, Some(CachePolicy::default()), Some(own)]);
    assert_eq!(snapshot.cache_bytes_max, Some(256 << 20));
    let without = compile(b"system: a\ngateway: { listen: 127.0.0.1:2, cache: { memory: 1GiB } }\n");
    assert_eq!(without.cache_bytes_max, None, "no route has one");
}

#[test]
fn routes_fall_back_as_they_say() {
    let file = |fallback: &str| {
        format!(
            "system: a
services: {{ b: {{ at: ['127.0.0.1:1'] }}, c: {{ at: ['127.0.0.1:2'] }} }}
gateway: {{ listen: 127.0.0.1:2, routes: [{{ match: {{ path: /a }}, to: b, fallback: {fallback} }}] }}
"
        )
    };
    let fallback = |text: &str| {
        let (_folder, system) = read(file(text).as_bytes(), None);
        let snapshot = system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile();
        let answer = snapshot.routes[0].fallback.as_deref().expect("one").answer.clone().expect("one");
        (answer.status, answer.headers, answer.body)
    };
    assert_eq!(fallback("{}"), (503, vec![], String::new()));
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    let given = fallback("{ status: 200, headers: { content-type: text/plain }, body: none today }");
    assert_eq!(given, (200, headers, "none today".to_owned()));
    let wrong = |text: &str| codes(read(file(text).as_bytes(), None).1);
    assert_eq!(wrong("{ status: 204, body: a }"), [Code::KeysDisagree]);
    assert_eq!(wrong("{ headers: { Content-Length: '3' } }"), [Code::BadHttp]);
    assert_eq!(wrong("{ headers: { x-a: \"b\\r\\nc: d\" } }"), [Code::BadHttp]);
    assert_eq!(wrong("{ status: 101 }"), [Code::OutOfRange]);
    assert_eq!(wrong("{ to: d }"), [Code::UnknownName]);
    assert_eq!(wrong("{ stale: true }"), [Code::KeysDisagree], "there is no cache");
    assert_eq!(wrong("{ stale-for: 1h }"), [Code::KeysDisagree]);
    let both = "{ stale: true }, cache: { stale-if-error: 1h }";
    assert_eq!(wrong(both), [Code::KeysDisagree]);
}

#[test]
fn routes_fall_back_to_others_and_to_what_was() {
    let text = b"system: a
services: { b: { at: ['127.0.0.1:1'] }, c: { at: ['127.0.0.1:2'] } }
gateway:
  listen: 127.0.0.1:2
  routes:
    - { match: { path: /a }, to: b, timeout: 3s, cache: {}, fallback: { stale: true, stale-for: 6h, to: c } }
    - { match: { path: /b }, to: b, fallback: { to: c, status: 200 } }
";
    let (_folder, system) = read(text, None);
    let snapshot = system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile();
    let [a, b] = [0, 1].map(|place| &snapshot.routes[place]);
    assert_eq!(a.cache.expect("one").stale_if_error, Duration::from_hours(6));
    let fallback = a.fallback.as_deref().expect("one");
    let to = fallback.to.as_deref().expect("another");
    assert_eq!((to.call.service.0, to.call.timeout), (1, Duration::from_secs(3)));
    assert!(to.cache.is_none() && to.fallback.is_none() && fallback.answer.is_none());
    assert_eq!(b.fallback.as_deref().and_then(|b| b.answer.as_ref()).map(|answer| answer.status), Some(200));
}

#[test]
fn routes_are_hedged_as_they_say() {
    let text = b"system: a
services: { b: { at: ['127.0.0.1:1'] } }
gateway:
  listen: 127.0.0.1:2
  routes:
    - { match: { path: /plain }, to: b }
    - { match: { path: /learned }, to: b, hedge: {}, deadline: true }
    - { match: { path: /fixed }, to: b, hedge: { after: 50ms, budget: 0.5% } }
";
    let (_folder, system) = read(text, None);
    let snapshot = system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile();
    let of_route = |route: &floodway_policy::snapshot::RoutePolicy| {
        route.call.hedge.map(|hedge| snapshot.hedges[usize::from(hedge.0)])
    };
    let hedges: Vec<_> = snapshot.routes.iter().map(of_route).collect();
    let tells: Vec<_> = snapshot.routes.iter().map(|route| route.call.tells_time).collect();
    assert_eq!(tells, [false, true, false]);
    let fixed = HedgePolicy { after: Late::After(Duration::from_millis(50)), share: 5_000 };
    assert_eq!(hedges, [None, Some(HedgePolicy { after: Late::P95, share: 50_000 }), Some(fixed)]);
    let wrong = String::from_utf8_lossy(text).replace("50ms", "p99");
    assert_eq!(codes(read(wrong.as_bytes(), None).1), [Code::BadDuration]);
}

#[test]
fn a_route_is_limited_as_it_says() {
    let text = b"system: a
services: { b: { at: ['127.0.0.1:1'] } }
gateway:
  listen: 127.0.0.1:2
  limits: { connections-per-client: 7 }
  routes:
    - { match: { path: /plain }, to: b }
    - { match: { path: /short }, to: b, limit: { rate: 90/m } }
    - { match: { path: /all }, to: b, limit: { rate: 100/s, burst: 1, key: route } }
    - { match: { path: /key }, to: b, limit: { rate: 100/s, key: \"header:X-Api-Key\" } }
";
    let (_folder, system) = read(text, None);
    let snapshot = system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile();
    let limits: Vec<_> = snapshot.routes.into_iter().map(|route| route.rate_limit).collect();
    let limit = |rate, per, burst, key| Some(RateLimitPolicy { rate, per, burst, key });
    let second = Duration::from_secs(1);
    let expected = [
        None,
        limit(90, Duration::from_mins(1), 2, RateKey::ClientIp),
        limit(100, second, 1, RateKey::Route),
        limit(100, second, 100, RateKey::Header("x-api-key".into())),
    ];
    assert_eq!(limits, expected);
    assert_eq!(snapshot.limits.connections_per_client_max, Some(7));
}

#[test]
fn a_route_runs_requests_once_where_it_names_a_store() {
    let file = |store: &str| {
        format!(
            "system: a
services: {{ b: {{ at: ['127.0.0.1:1'] }} }}
gateway:
  listen: 127.0.0.1:2
  routes:
    - {{ match: {{ path: '/orders/*', method: [POST, PUT], host: a.example }}, to: b, timeout: 2s, idempotency: {{ store: {store} }} }}
    - {{ match: {{ path: /pay }}, to: b, idempotency: {{ store: keys, header: X-Once, keep: 1h, required: true, duplicates: refuse, body: 2MiB, answer: 64KiB }} }}
stores: {{ keys: {{ engine: embedded }} }}
"
        )
    };
    let (_folder, system) = read(file("keys").as_bytes(), None);
    let snapshot = system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile();
    let policies: Vec<_> = snapshot.routes.iter().filter_map(|route| route.idempotency.as_deref()).collect();
    let two = Duration::from_secs(2);
    let orders = IdempotencyPolicy {
        header: "idempotency-key".into(),
        store: "keys".into(),
        route: "POST,PUT a.example/orders/*".into(),
        keep: Duration::from_hours(24),
        required: false,
        duplicates: Duplicates::Wait(two),
        lease: two + IdempotencyPolicy::LEASE_BEYOND_TIMEOUT,
        body_max: 1 << 20,
        answer_max: 1 << 20,
    };
    let pay = IdempotencyPolicy {
        header: "x-once".into(),
        route: "/pay".into(),
        keep: Duration::from_hours(1),
        required: true,
        duplicates: Duplicates::Refuse,
        lease: Duration::from_secs(40),
        body_max: 2 << 20,
        answer_max: 64 << 10,
        ..orders.clone()
    };
    assert_eq!(policies, [&orders, &pay]);
    assert_eq!(codes(read(file("kees").as_bytes(), None).1), [Code::UnknownName]);
}

#[test]
fn a_service_is_balanced_as_it_says() {
    let text = b"system: a
services:
  plain: { at: ['127.0.0.1:1'] }
  all: { at: ['127.0.0.1:1'], balance: hash, hash: { by: \"header:X-User\", bound: 125 }, slow-start: 30s, outlier: {} }
  cookie: { at: ['127.0.0.1:1'], balance: hash, hash: { by: \"cookie:Id\" }, outlier: { consecutive: 2, time: 1s, slow: 0 } }
  weighed: { at: ['127.0.0.1:1'], balance: peak-ewma, weights: [3] }
";
    let (_folder, system) = read(text, None);
    let snapshot = system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile();
    let [plain, all, cookie, weighed] = &snapshot.services[..] else { panic!("four services") };
    assert_eq!((plain.slow_start, plain.outlier), (Duration::ZERO, None));
    assert_eq!((all.balance, all.slow_start), (Balance::Hash, Duration::from_secs(30)));
    assert_eq!(all.hash, HashPolicy { by: HashKey::Header("x-user".into()), bound: 125 });
    assert_eq!(all.outlier, Some(OutlierPolicy::default()));
    assert_eq!(cookie.hash, HashPolicy { by: HashKey::Cookie("Id".into()), bound: 0 });
    let changed =
        OutlierPolicy { consecutive: 2, base: Duration::from_secs(1), slow: 0, ..OutlierPolicy::default() };
    assert_eq!(cookie.outlier, Some(changed));
    assert_eq!(weighed.balance, Balance::PeakEwma);
}

#[test]
fn sessions_stay_as_a_service_says() {
    let text = b"system: a
services:
  plain: { at: ['127.0.0.1:1'] }
  all: { at: ['127.0.0.1:1'], sticky: {} }
  own: { run: own, sticky: { cookie: fw-replica, ttl: 1h, secret: 'sixteen letters.' } }
";
    let (_folder, system) = read(text, None);
    let system = system.map_err(|mistakes| mistakes.to_string()).expect("a good file");
    assert!(!format!("{system:?}").contains("sixteen"), "a secret is not shown");
    let sticky: Vec<_> = system.compile().services.into_iter().map(|service| service.sticky).collect();
    let all = StickyPolicy { cookie: "fw-all".into(), ttl: None, secret: None, names: Names::Address };
    let own = StickyPolicy {
        cookie: "fw-replica".into(),
        ttl: Some(Duration::from_hours(1)),
        secret: Some(Secret::new("sixteen letters.")),
        names: Names::Number,
    };
    assert_eq!(sticky, [None, Some(all), Some(own)]);
}

#[test]
fn replicas_are_where_the_file_says() {
    let text = b"system: a
node: { zone: here }
services:
  own: { run: own, replicas: 2 }
  plain: { at: ['127.0.0.1:1'] }
  some:
    at:
      - { address: '127.0.0.1:2', zone: there, weight: 3 }
      - '127.0.0.1:3'
      - { address: '127.0.0.1:4', zone: here }
    balance: least-requests
";
    let (_folder, system) = read(text, None);
    let system = system.map_err(|mistakes| mistakes.to_string()).expect("a good file");
    assert_eq!(
        (&system.zones[..], system.compile().zone),
        (&["here".into(), "there".into()][..], Some(ZoneId(0)))
    );
    let [own, plain, some] = &system.services[..] else { panic!("three services") };
    assert_eq!(own.zones, [Some(ZoneId(0)); 2]);
    assert_eq!(plain.zones, [None]);
    assert_eq!(some.zones, [Some(ZoneId(1)), None, Some(ZoneId(0))]);
    assert_eq!(some.weights.iter().map(|weight| weight.get()).collect::<Vec<_>>(), [3, 1, 1]);
    let addresses =
        ["127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"].map(|text| text.parse().expect("an address"));
    assert_eq!(some.source, floodway_system::Source::At(addresses.to_vec()));
}

#[test]
fn paths_begin_at_the_folder_of_the_file() {
    let text =
        b"system: a\nservices: { b: { run: b }, c: { run: c, dir: ../.. } }\nnode: { data: /var/lib/a }\n";
    let (folder, system) = read(text, None);
    let system = system.map_err(|mistakes| mistakes.to_string()).unwrap();
    let dirs: Vec<_> = system
        .services
        .iter()
        .map(|service| match &service.source {
            floodway_system::Source::Run(run) => run.dir.as_path(),
            floodway_system::Source::At(_) => Path::new("none"),
        })
        .collect();
    assert_eq!(dirs, [folder.path(), &folder.path().join("../..")]);
    assert_eq!(system.node.data, Path::new("/var/lib/a"));
    assert_eq!(system.file, folder.path().join("floodway.yaml"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    assert_eq!(codes(read("\u{feff}system: a\n".as_bytes(), None).1), []);
}

#[test]
fn refuses_what_is_not_text_or_too_long() {
    assert_eq!(codes(read(b"system: \xff\n", None).1), [Code::Unreadable]);
    assert_eq!(codes(read(&b"# padding\n".repeat(110_000), None).1), [Code::Unreadable]);
}

#[test]
fn parts_of_routes_go_where_they_say_and_backups_come_last() {
    let text = b"system: a
services:
  b: { at: ['127.0.0.1:1', '127.0.0.1:2'], backups: 1 }
  c: { at: ['127.0.0.1:3'] }
gateway:
  listen: 127.0.0.1:4
  routes:
    - { match: { path: /plain }, to: b }
    - match: { path: /split }
      to: b
      timeout: 7s
      split: [{ to: c, percent: 5 }, { to: c, header: X-Canary, value: 'yes' }]
";
    let (_folder, system) = read(text, None);
    let system = system.map_err(|mistakes| mistakes.to_string()).expect("a good file");
    assert_eq!(system.services.iter().map(|service| service.backups).collect::<Vec<_>>(), [1, 0]);
    let routes = system.compile().routes;
    assert!(routes[0].split.is_none());
    let parts = &routes[1].split.as_ref().expect("it is split").parts;
    let header = HeaderIs { name: "x-canary".into(), value: Some("yes".into()) };
    let said: Vec<_> = parts.iter().map(|part| (part.percent, part.header.clone())).collect();
    assert_eq!(said, [(5, None), (0, Some(header))]);
    for part in parts {
        let expected = CallPolicy { service: ServiceId(1), ..routes[1].call };
        assert_eq!(part.route.call, expected, "all else is the route's");
    }
}

#[test]
fn what_services_ask_is_tried_as_the_file_says() {
    let text = b"system: a
services:
  b: { at: ['127.0.0.1:1'], retry: { max: 4, statuses: [503], budget: 5 } }
stores:
  plain: { engine: embedded }
  kept: { engine: embedded, outbound: { timeout: 2s, retry: { max: 3, pause: 1s, pause-max: 1s }, breaker: {} } }
topics: { events: { engine: embedded, breaker: { open: 7s } } }
jobs: { breaker: {} }
";
    let (_folder, system) = read(text, None);
    let snapshot = system.map_err(|mistakes| mistakes.to_string()).expect("a good file").compile();
    let call = &snapshot.services[0].call;
    assert_eq!((call.retry.max, call.retry.statuses.contains(503)), (4, true));
    assert_eq!(snapshot.budgets[usize::from(call.budget.0)].percent, 5);
    let [kept, events, jobs] = &snapshot.targets[..] else { panic!("{:?}", snapshot.targets) };
    assert_eq!(kept.target, TargetName::Outbound("stores", "kept".to_owned()));
    assert_eq!(events.target, TargetName::Inbound("topics", "events".to_owned()));
    assert_eq!(events.policy.breaker.as_ref().map(|breaker| breaker.open), Some(Duration::from_secs(7)));
    assert_eq!(jobs.target, TargetName::Inbound("jobs", "jobs".to_owned()));
    assert_eq!(kept.policy.timeout, Some(Duration::from_secs(2)));
    assert_eq!(kept.policy.breaker, Some(BreakerPolicy::default()));
    let retry = kept.policy.retry.as_ref().expect("a retry");
    assert_eq!(
        (retry.max, retry.backoff.initial, retry.budget),
        (Some(3), Duration::from_secs(1), BudgetPolicy::default())
    );
}
