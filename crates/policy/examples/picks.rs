//! What a decision costs: the nanoseconds of policy in one request, from its arrival to its end, by balance and number
//! of endpoints. The column for one endpoint is what a decision costs without a choice; the rival is round robin.
//!
//! ```text
//! cargo run --release -p floodway-policy --example picks -- 1000000
//! ```
//! So many requests are made for each figure, 64 in flight at a time where nothing else is said. They are made in 25
//! runs, of which the best counts, as whatever disturbs one makes it longer.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::print_stdout, reason = "it is a command")]

use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use floodway_policy::admission::Class;
use floodway_policy::balance::{Balance, HashPolicy};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::exchange::{AttemptId, Event, Exchange, Facts};
use floodway_policy::guard::GuardPolicy;
use floodway_policy::health::ProbePolicy;
use floodway_policy::retry::RetryPolicy;
use floodway_policy::snapshot::{BudgetId, CallPolicy, Protocol, ServicePolicy};
use floodway_policy::sticky::{Names, Secret, Session, StickyPolicy};
use floodway_policy::{
    Cluster, EndpointId, EndpointState, Member, Membership, Rng, ServiceId, Snapshot, Time, Weight, ZoneId,
};

const ENDPOINTS: [u16; 4] = [1, 4, 64, 1000];
const IN_FLIGHT: usize = 64;
/// So many that nobody is idle.
const BUSY: usize = 4_000;
const RUNS: u32 = 25;
const SERVICE: ServiceId = ServiceId(0);

/// One worker and what is asked of it.
struct World {
    call: CallPolicy,
    cluster: Cluster,
    rng: Rng,
    now: Time,
    sessions: Vec<Session>,
    /// Requests that have no answer yet.
    in_flight: VecDeque<Exchange>,
    in_flight_max: usize,
}

/// A row of the table.
struct Row {
    name: &'static str,
    balance: Balance,
    change: Change,
    is_sticky: bool,
    in_flight: usize,
}

type Change = fn(&mut Snapshot);

fn main() -> Result<(), Box<dyn Error>> {
    let requests: u32 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    println!("ns of policy per request, {requests} requests for each figure\n");
    println!("{}{:>9}", line("endpoints", ENDPOINTS), "ratio");
    let mut rival = None;
    for row in rows() {
        let costs = ENDPOINTS.map(|endpoints| row.cost(endpoints, requests).round());
        let last = costs[ENDPOINTS.len() - 1];
        let ratio = last / *rival.get_or_insert(last);
        println!("{}{ratio:>9.2}", line(row.name, costs));
    }
    Ok(())
}

fn line<const N: usize>(name: &str, figures: [impl ToString; N]) -> String {
    let figures = figures.map(|figure| format!("{:>9}", figure.to_string()));
    format!("{name:24}{}", figures.concat())
}

fn rows() -> Vec<Row> {
    let plain = |name, balance| Row { name, balance, change: |_| (), is_sticky: false, in_flight: IN_FLIGHT };
    let mut rows: Vec<_> = Balance::NAMED.iter().map(|(name, balance)| plain(*name, *balance)).collect();
    let busy = Row { in_flight: BUSY, ..plain("least-requests, busy", Balance::LeastRequests) };
    let bound: Change = |snapshot| snapshot.services[0].hash.bound = 125;
    let zones: Change = |snapshot| snapshot.zone = Some(ZoneId(0));
    let sticky: Change = |snapshot| {
        let secret = Some(Secret::new("sixteen letters."));
        let names = Names::Number;
        snapshot.services[0].sticky = Some(StickyPolicy { cookie: "fw".into(), ttl: None, secret, names });
    };
    rows.push(busy);
    rows.push(Row { change: bound, ..plain("hash, bound: 125", Balance::Hash) });
    rows.push(Row { change: zones, ..plain("round-robin, zones", Balance::RoundRobin) });
    rows.push(Row { change: sticky, is_sticky: true, ..plain("round-robin, sticky", Balance::RoundRobin) });
    rows
}

impl Row {
    fn cost(&self, endpoints: u16, requests: u32) -> f64 {
        let mut world = World::new(self, endpoints);
        let of_run = requests.div_ceil(RUNS);
        let best = (0..RUNS).map(|_| world.time(of_run)).min().unwrap_or_default();
        best.as_nanos() as f64 / f64::from(of_run)
    }
}

impl World {
    fn new(row: &Row, endpoints: u16) -> Self {
        let (mut snapshot, mut rng) = (snapshot(row.balance), Rng::new(7));
        (row.change)(&mut snapshot);
        let call = snapshot.services[0].call;
        let mut cluster = Cluster::new(&snapshot, 1, &mut rng);
        cluster.apply(&membership(endpoints), Time::ZERO);
        let mut world = Self {
            call,
            cluster,
            rng,
            now: Time::ZERO,
            sessions: vec![Session::None],
            in_flight: VecDeque::with_capacity(row.in_flight),
            in_flight_max: row.in_flight,
        };
        if row.is_sticky {
            world.sessions = vec![Session::New];
            world.sessions = (0..endpoints).map(|_| world.begin_session()).collect();
        }
        world
    }

    fn begin_session(&mut self) -> Session {
        let mut exchange = self.arrive(0);
        self.reply(&mut exchange);
        exchange.token().map_or(Session::New, Session::At)
    }

    fn time(&mut self, requests: u32) -> Duration {
        while self.in_flight.len() < self.in_flight_max {
            let exchange = self.arrive(0);
            self.in_flight.push_back(exchange);
        }
        let began = Instant::now();
        for key in 0..requests {
            if let Some(mut oldest) = self.in_flight.pop_front() {
                self.reply(&mut oldest);
            }
            let exchange = self.arrive(key.into());
            self.in_flight.push_back(exchange);
        }
        began.elapsed()
    }

    fn arrive(&mut self, key: u64) -> Exchange {
        let session = self.sessions[usize::try_from(key).unwrap_or_default() % self.sessions.len()];
        let facts = Facts {
            key,
            session,
            idempotent: true,
            repeatable: true,
            class: Class::NORMAL,
            gives_up: Time::NEVER,
        };
        let mut exchange = Exchange::new(self.call, facts);
        self.step(&mut exchange, Event::Arrived);
        exchange
    }

    fn reply(&mut self, exchange: &mut Exchange) {
        self.step(exchange, Event::Replied { attempt: AttemptId(0), status: 200 });
        self.step(exchange, Event::Finished);
    }

    fn step(&mut self, exchange: &mut Exchange, event: Event) {
        self.now = self.now.after(Duration::from_micros(1));
        let actions = exchange.step(event, self.now, &mut self.rng, &mut self.cluster);
        std::hint::black_box(actions);
    }
}

fn membership(endpoints: u16) -> Membership {
    let member = |slot| Member {
        id: EndpointId { service: SERVICE, slot, incarnation: 0 },
        address: SocketAddr::from(([127, 0, 0, 1], 1_000 + slot)),
        weight: Weight::new(1 + u32::from(slot % 3)).unwrap_or(Weight::ONE),
        state: EndpointState::Ready,
        is_backup: false,
        zone: Some(ZoneId(slot % 2)),
    };
    Membership { services: vec![(0..endpoints).map(member).collect()] }
}

fn snapshot(balance: Balance) -> Snapshot {
    let call = CallPolicy {
        service: SERVICE,
        timeout: Duration::from_secs(30),
        total_timeout: None,
        connect_timeout: Duration::from_secs(1),
        retry: RetryPolicy::default(),
        budget: BudgetId(0),
        hedge: None,
        tells_time: false,
    };
    let service = ServicePolicy {
        name: "service".into(),
        balance,
        hash: HashPolicy::default(),
        sticky: None,
        slow_start: Duration::ZERO,
        outlier: None,
        protocol: Protocol::Http1,
        probe: ProbePolicy::default(),
        call,
        guard: GuardPolicy::default(),
    };
    Snapshot { services: vec![service], budgets: vec![BudgetPolicy::default()], ..Snapshot::default() }
}
