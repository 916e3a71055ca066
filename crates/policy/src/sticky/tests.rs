use core::net::SocketAddr;
use core::time::Duration;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::collection::vec;
use proptest::sample::Index;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::{Names, Secret, Session, SetCookie, StickyPolicy, Token};
use crate::admission::Class;
use crate::balance::Balance;
use crate::cluster::Cluster;
use crate::exchange::{Action, AttemptId, Event, Exchange, Facts, Failure};
use crate::hedge::{HedgePolicy, Late};
use crate::membership::{EndpointId, EndpointState, Member, Membership, ServiceId, Weight};
use crate::rng::Rng;
use crate::snapshot::test_support::{CALL, snapshot};
use crate::snapshot::{CallPolicy, HedgeId};
use crate::time::Time;

const SERVICE: ServiceId = ServiceId(0);
const SECRET: &str = "0123456789abcdef";

fn policy(names: Names) -> StickyPolicy {
    let secret = Some(Secret::new(SECRET));
    StickyPolicy { cookie: "fw-api".into(), ttl: None, secret, names }
}

fn member(slot: u16, state: EndpointState) -> Member {
    Member {
        id: EndpointId { service: SERVICE, slot, incarnation: 0 },
        address: SocketAddr::from(([127, 0, 0, 1], 1_000 + slot)),
        weight: Weight::ONE,
        state,
        is_backup: false,
        zone: None,
    }
}

/// A service with sticky sessions.
struct World {
    policy: StickyPolicy,
    cluster: Cluster,
    rng: Rng,
    now: Time,
    call: CallPolicy,
}

impl World {
    fn new(endpoints: u16, change: impl FnOnce(&mut StickyPolicy)) -> Self {
        let mut policy = policy(Names::Number);
        change(&mut policy);
        let mut snapshot = snapshot(Balance::RoundRobin);
        snapshot.services[0].sticky = Some(policy.clone());
        let hedge = HedgePolicy { after: Late::After(Duration::from_millis(10)), share: 1_000_000 };
        snapshot.hedges.push(hedge);
        let mut rng = Rng::new(11);
        let cluster = Cluster::new(&snapshot, 1, &mut rng);
        let mut world = Self { policy, cluster, rng, now: Time::ZERO, call: CALL };
        world.are((0..endpoints).map(|slot| member(slot, EndpointState::Ready)).collect());
        world
    }

    fn are(&mut self, members: Vec<Member>) {
        self.cluster.apply(&Membership { services: std::vec![members] }, self.now);
    }

    fn begin(&self, session: Session) -> Exchange {
        let (idempotent, repeatable, gives_up) = (true, true, Time::NEVER);
        Exchange::new(
            self.call,
            Facts { key: 1, session, idempotent, repeatable, class: Class::NORMAL, gives_up },
        )
    }

    /// Where a step sends the request to.
    fn step(&mut self, exchange: &mut Exchange, event: Event) -> Option<(AttemptId, u16)> {
        let mut actions = exchange.step(event, self.now, &mut self.rng, &mut self.cluster);
        actions.find_map(|action| match action {
            Action::Send { attempt, endpoint, .. } => Some((attempt, endpoint.slot)),
            _ => None,
        })
    }

    /// Who answers a request at once, and what its client is told.
    fn ask(&mut self, session: Session) -> (u16, Option<String>) {
        let mut exchange = self.begin(session);
        let (attempt, slot) = self.step(&mut exchange, Event::Arrived).expect("one is ready");
        (slot, self.answered(&mut exchange, attempt))
    }

    fn answered(&mut self, exchange: &mut Exchange, attempt: AttemptId) -> Option<String> {
        self.step(exchange, Event::Replied { attempt, status: 200 });
        let told = exchange.token();
        self.step(exchange, Event::Finished);
        told.map(|token| value(&self.policy, token))
    }

    /// What a client with this cookie says.
    fn session(&self, value: &str) -> Session {
        let header = format!("a=b; {}={value}", self.policy.cookie);
        self.policy.session([header.as_bytes()])
    }

    /// The cookie of each endpoint.
    fn cookies(&mut self, endpoints: u16) -> Vec<String> {
        let mut cookies = std::vec![String::new(); usize::from(endpoints)];
        for _ in 0..endpoints {
            let (slot, told) = self.ask(Session::New);
            cookies[usize::from(slot)] = told.expect("a session begins");
        }
        cookies
    }
}

fn value(policy: &StickyPolicy, token: Token) -> String {
    let text = SetCookie { policy, token, is_secure: false }.to_string();
    let pair = text.split(';').next().expect("a pair");
    pair.strip_prefix("fw-api=").expect("its name").to_string()
}

#[test]
fn a_cookie_is_an_hmac_that_others_can_make_too() {
    let told = World::new(1, |_| ()).ask(Session::New).1;
    assert_eq!(told.as_deref(), Some("9a1791258f9e8e47a169e1ba1a34f518"));
    let told = World::new(1, |policy| policy.names = Names::Address).ask(Session::New).1;
    assert_eq!(told.as_deref(), Some("d3589d03e863d35a8506e4ef4418180c"));
}

#[test]
fn a_cookie_says_how_it_is_to_be_kept() {
    let token = Token::parse(b"00112233445566778899aabbccddeeff").unwrap();
    let text = |ttl, is_secure| {
        let policy = StickyPolicy { ttl, ..policy(Names::Number) };
        SetCookie { policy: &policy, token, is_secure }.to_string()
    };
    let plain = "fw-api=00112233445566778899aabbccddeeff; Path=/; HttpOnly; SameSite=Lax";
    assert_eq!(text(None, false), plain);
    assert_eq!(text(Some(Duration::from_hours(1)), true), format!("{plain}; Max-Age=3600; Secure"));
    assert_eq!(text(Some(Duration::from_millis(1)), false), format!("{plain}; Max-Age=1"));
}

#[test]
fn only_its_own_cookie_is_taken_out() {
    let policy = policy(Names::Number);
    let others = |cookies: &'static str| {
        let others: Vec<_> = policy.others(cookies.as_bytes()).collect();
        (policy.is_in(cookies.as_bytes()), String::from_utf8(others.join(&b"; "[..])).unwrap())
    };
    assert_eq!(others("a=b; fw-api=x; c=d"), (true, "a=b; c=d".into()));
    assert_eq!(others("fw-api = x;fw-api=;fw-api"), (true, String::new()));
    assert_eq!(
        others("xfw-api=x; fw-apix=y; FW-API=z; a=fw-api=x"),
        (false, "xfw-api=x; fw-apix=y; FW-API=z; a=fw-api=x".into())
    );
}

#[test]
fn what_cannot_be_a_token_is_none() {
    let world = World::new(1, |_| ());
    let good = "00112233445566778899aabbccddeeff";
    assert!(matches!(world.session(good), Session::At(_)));
    let shorter = good.get(1..).unwrap();
    for bad in ["", "0", shorter, &format!("{good}0"), &good.to_uppercase(), &format!("{shorter}g")] {
        assert_eq!(world.session(bad), Session::New, "{bad}");
    }
    let two = format!("fw-api=; fw-api={good}");
    assert_eq!(world.policy.session([&b"a=b"[..], two.as_bytes()]), world.session(good));
}

#[test]
fn secrets_are_not_shown() {
    assert!(!format!("{:?}", policy(Names::Number)).contains(SECRET));
    assert!(!format!("{:?}", World::new(2, |_| ()).cluster).contains(SECRET));
}

proptest! {
    /// Whatever a client sends: its own cookie is taken out, nothing else is, and the rest says what it said.
    #[test]
    fn taking_the_cookie_out_leaves_the_rest(
        pairs in vec(("(fw-api|fw-ap|xfw-api|a)", "[ \t]{0,2}=?[ \t]{0,2}", "[0-9a-f]{0,3}|[0-9a-f]{32}|.{0,5}"), 0..6),
    ) {
        let policy = policy(Names::Number);
        let parts = pairs.iter().map(|(name, equals, value)| format!("{name}{equals}{value}"));
        let header = parts.collect::<Vec<_>>().join(";");
        let others = policy.others(header.as_bytes()).collect::<Vec<_>>().join(&b"; "[..]);
        prop_assert!(!policy.is_in(&others));
        prop_assert_eq!(policy.session([&others[..]]), Session::New);
        let mut rest = policy.others(&others);
        prop_assert!(policy.others(header.as_bytes()).all(|pair| rest.next() == Some(pair)));
        if !policy.is_in(header.as_bytes()) {
            prop_assert_eq!(policy.session([header.as_bytes()]), Session::New);
        }
    }

    /// A client stays as long as its endpoint takes requests; else it is told of another, and stays there.
    #[test]
    fn a_session_stays_while_its_endpoint_takes_requests(
        states in vec(0_usize..5, 2..20),
        home in proptest::prelude::any::<Index>(),
        of_address in proptest::bool::ANY,
    ) {
        const STATES: [EndpointState; 5] = [
            EndpointState::Ready,
            EndpointState::Draining,
            EndpointState::Unhealthy,
            EndpointState::Dead,
            EndpointState::Starting,
        ];
        let endpoints = u16::try_from(states.len()).unwrap();
        let mut world = World::new(endpoints, |policy| {
            policy.names = if of_address { Names::Address } else { Names::Number };
        });
        let home = u16::try_from(home.index(states.len())).unwrap();
        let cookie = world.cookies(endpoints)[usize::from(home)].clone();
        for _ in 0..3 {
            prop_assert_eq!(world.ask(world.session(&cookie)), (home, None));
        }
        let now: Vec<_> = (0..).zip(&states).map(|(slot, state)| member(slot, STATES[*state])).collect();
        let is_there = states[usize::from(home)] == 0;
        if states.contains(&0) {
            world.are(now);
            let (slot, told) = world.ask(world.session(&cookie));
            prop_assert_eq!(slot == home, is_there);
            prop_assert_eq!(told.is_none(), is_there);
            if let Some(told) = told {
                prop_assert_eq!(world.ask(world.session(&told)), (slot, None));
            }
        }
    }

    /// Whatever a cookie says that the gateway has not made: the request goes where one without would.
    #[test]
    fn a_cookie_that_was_not_made_here_is_none(
        endpoints in 1_u16..10,
        of in proptest::prelude::any::<Index>(),
        place in 0_usize..32,
        by in 1_u32..16,
    ) {
        let mut world = World::new(endpoints, |_| ());
        let cookies = world.cookies(endpoints);
        let mut forged = cookies[of.index(cookies.len())].clone().into_bytes();
        let digit = char::from(forged[place]).to_digit(16).unwrap();
        forged[place] = u8::try_from(char::from_digit(digit ^ by, 16).unwrap()).unwrap();
        let forged = String::from_utf8(forged).unwrap();
        let mut foreign = World::new(endpoints, |policy| policy.secret = Some(Secret::new("another secret ...")));
        for cookie in [forged, foreign.cookies(endpoints)[0].clone()] {
            let session = world.session(&cookie);
            prop_assert!(matches!(session, Session::At(_)));
            let (mut one, mut other) = (world.cluster.clone(), world.cluster.clone());
            let seed = Rng::new(u64::from(by));
            let begin = |cluster: &mut Cluster, session| {
                cluster.begin(SERVICE, (1, session), &[], Time::ZERO, &mut seed.clone())
            };
            prop_assert_eq!(begin(&mut one, session), begin(&mut other, Session::New));
            prop_assert!(world.ask(session).1.is_some(), "and its client is told a good one");
        }
    }

    /// Another process with the same secret knows the cookies, in whatever order its addresses are.
    #[test]
    fn a_session_outlives_the_process(endpoints in 1_u16..10, turn in 0_usize..10) {
        let by_address = |policy: &mut StickyPolicy| policy.names = Names::Address;
        let cookies = World::new(endpoints, by_address).cookies(endpoints);
        let mut next = World::new(endpoints, by_address);
        let mut members: Vec<_> = (0..endpoints).map(|slot| member(slot, EndpointState::Ready)).collect();
        members.rotate_left(turn % usize::from(endpoints));
        for (slot, member) in (0..).zip(&mut members) {
            member.id.slot = slot;
        }
        next.are(members.clone());
        for (cookie, port) in cookies.iter().zip(1_000..) {
            let (slot, told) = next.ask(next.session(cookie));
            prop_assert_eq!((members[usize::from(slot)].address.port(), told), (port, None));
        }
    }
}

#[test]
fn a_replica_that_was_started_again_keeps_its_sessions() {
    let mut world = World::new(3, |_| ());
    let cookie = world.cookies(3)[1].clone();
    let mut members: Vec<_> = (0..3).map(|slot| member(slot, EndpointState::Ready)).collect();
    let leaving = Member { state: EndpointState::Draining, ..members[1].clone() };
    members[1].id.incarnation = 1;
    members[1].address.set_port(7);
    members.push(leaving);
    world.are(members);
    assert_eq!(world.ask(world.session(&cookie)), (1, None));
}

#[test]
fn without_a_secret_that_of_the_node_counts_and_without_that_nobody_is_told() {
    let mut none = World::new(2, |policy| policy.secret = None);
    assert_eq!(none.ask(Session::New).1, None);
    let sealed = |secret: &str| {
        let mut snapshot = snapshot(Balance::RoundRobin);
        snapshot.services[0].sticky = Some(StickyPolicy { secret: None, ..policy(Names::Number) });
        let cluster = Cluster::new(&snapshot, 1, &mut Rng::new(5)).sealed_by(&snapshot, &Secret::new(secret));
        let mut world = World { cluster, ..World::new(0, |policy| policy.secret = None) };
        world.are((0..2).map(|slot| member(slot, EndpointState::Ready)).collect());
        world
    };
    let cookies = sealed("one secret of a node").cookies(2);
    let mut same = sealed("one secret of a node");
    assert_eq!(same.ask(same.session(&cookies[1])), (1, None));
    let mut next = sealed("that of its next start");
    assert!(next.ask(next.session(&cookies[1])).1.is_some());
}

#[test]
fn a_session_moves_with_a_retry() {
    let mut world = World::new(2, |_| ());
    let cookies = world.cookies(2);
    let mut exchange = world.begin(world.session(&cookies[0]));
    let (attempt, slot) = world.step(&mut exchange, Event::Arrived).unwrap();
    assert_eq!(slot, 0);
    let failure = Failure::ConnectRefused;
    let (attempt, slot) = world.step(&mut exchange, Event::Failed { attempt, failure }).unwrap();
    assert_eq!(slot, 1);
    assert_eq!(world.answered(&mut exchange, attempt), Some(cookies[1].clone()));
}

#[test]
fn a_session_stays_where_another_is_only_quicker() {
    let mut world = World::new(2, |_| ());
    let cookies = world.cookies(2);
    world.call.hedge = Some(HedgeId(0));
    let hedged = |world: &mut World, session| {
        let mut exchange = world.begin(session);
        let first = world.step(&mut exchange, Event::Arrived).unwrap().1;
        world.now = world.now.after(Duration::from_millis(10));
        let (attempt, second) = world.step(&mut exchange, Event::Woke).expect("a second try");
        assert_ne!(first, second);
        (second, world.answered(&mut exchange, attempt))
    };
    for (home, cookie) in (0_u16..).zip(&cookies) {
        let session = world.session(cookie);
        assert_eq!(hedged(&mut world, session), (1 - home, None));
    }
    let (slot, told) = hedged(&mut world, Session::New);
    assert_eq!(told, Some(cookies[usize::from(slot)].clone()), "a new one begins where it was answered");
}

#[test]
fn nobody_is_told_where_there_are_no_sessions() {
    let mut world = World::new(2, |_| ());
    assert_eq!(world.ask(Session::None).1, None);
}
