//! One worker in front of the given servers, for measuring: `bare_gateway LISTEN UPSTREAM…`. With `TLS_CERT`
//! and `TLS_KEY` in the environment, which name PEM files, clients speak TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use floodway_gateway::{
    Front, FrontOptions, KeyPair, Listen, Memberships, Stores, TlsError, Workers, WorkersOptions,
};
use floodway_policy::balance::{Balance, HashPolicy};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::guard::GuardPolicy;
use floodway_policy::health::ProbePolicy;
use floodway_policy::retry::RetryPolicy;
use floodway_policy::routing::{Methods, PathPattern, Pattern, RouteId, Router};
use floodway_policy::snapshot::{BudgetId, CallPolicy, Protocol, RoutePolicy, ServicePolicy};
use floodway_policy::{EndpointId, EndpointState, Member, Membership, ServiceId, Snapshot, Weight};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// TLS with clients, if it is wanted.
fn front() -> Result<Option<Front>, TlsError> {
    let file = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    let Some((cert, key)) = file("TLS_CERT").zip(file("TLS_KEY")) else { return Ok(None) };
    Front::load(FrontOptions { certificates: vec![KeyPair { cert, key }], client: None }).map(Some)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addresses: Vec<SocketAddr> =
        std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let (listen, upstreams) = addresses.split_first().ok_or("usage: bare_gateway LISTEN UPSTREAM…")?;
    let service = ServiceId(0);
    let call = CallPolicy {
        service,
        timeout: Duration::from_secs(30),
        total_timeout: None,
        connect_timeout: Duration::from_secs(2),
        retry: RetryPolicy::default(),
        budget: BudgetId(0),
        hedge: None,
        tells_time: false,
    };
    let path = PathPattern::parse("/*").ok_or("a pattern")?;
    let snapshot = Snapshot {
        services: vec![ServicePolicy {
            name: "backend".to_owned(),
            balance: Balance::RoundRobin,
            protocol: Protocol::Http1,
            probe: ProbePolicy::default(),
            call,
            guard: GuardPolicy::default(),
            hash: HashPolicy::default(),
            sticky: None,
            slow_start: Duration::ZERO,
            outlier: None,
        }],
        router: Router::new([(Pattern { host: None, path, methods: Methods::ALL }, RouteId(0))]),
        routes: vec![RoutePolicy {
            name: "/*".to_owned(),
            call,
            body_max: 10 << 20,
            cache: None,
            priority: None,
            fallback: None,
            rate_limit: None,
            idempotency: None,
            split: None,
        }],
        budgets: vec![BudgetPolicy::default()],
        ..Snapshot::default()
    };
    let members = (0_u16..).zip(upstreams).map(|(slot, &address)| Member {
        id: EndpointId { service, slot, incarnation: 0 },
        address,
        weight: Weight::ONE,
        state: EndpointState::Ready,
        is_backup: false,
        zone: None,
    });
    let memberships = Memberships::default();
    memberships.publish(Membership { services: vec![members.collect()] });
    let options = WorkersOptions {
        count: 1,
        listen: vec![Listen { tls: front()?, ..(*listen).into() }],
        snapshot: Arc::new(snapshot),
        memberships,
        telemetry: None,
        backs: Arc::default(),
        seed: 1,
        stores: Stores::default(),
    };
    let _workers = Workers::start(&options)?;
    loop {
        std::thread::park();
    }
}
