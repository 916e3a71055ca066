//! One replica's life: start, probe, restart when it dies, drain when told.
//!
//! ```text
//!        ┌──────────── pause (backoff) ◀── died
//!        ▼                                  │
//!      start ──▶ live (probe, wait) ────────┤
//!        ▲                                  ▼
//!        └──── parked (taken out) ◀── drained, or stop: over
//! ```

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use floodway_policy::health::Health;
use floodway_policy::retry::{Backoff, Restart};
use floodway_policy::{EndpointId, EndpointState, Rng, ServiceId, Time};
use floodway_system::{Run, Service, Source};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use super::board::{Board, Phase};
use super::ports::{self, ApiPorts, Ports};
use super::probe::{Asked, probe};
use super::process::{self, Process, ending};
use super::{Surroundings, Then};

/// Waits before a replica that died is started again.
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(10) };
/// A replica that lived this long starts with a clean record.
const FORGIVE: Duration = Duration::from_secs(10);
/// Deaths in a row after which the log names the error page.
const DEATHS_TOLD: u32 = 3;
/// A replica that dies before it was ever ready, with its port taken by another, lost a race for the
/// port. After so many races in a row a death is a death.
const RACES_MAX: u32 = 5;
/// Time for a fresh process to become ready before the one in its place is ended.
const READY_MAX: Duration = Duration::from_mins(1);
/// Pause between two looks at what is in flight on a draining replica.
const LOOK: Duration = Duration::from_millis(10);

/// Characters that are told of what a probe met: it may be what a service says.
const WHY_MAX: usize = 200;

const STARTING: Phase = Phase::Is(EndpointState::Starting);

/// What a replica can be told.
#[derive(Debug)]
pub(super) enum Order {
    /// Finish, stop, and then start again or not.
    Drain {
        /// What comes after.
        then: Then,
        /// Told when the process is gone (and the next one started), or why that cannot be.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Let a fresh process take the place once it is ready, and only then end the present one.
    Replace {
        /// Told when the old process is gone, or why it stays.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// The node is stopping.
    Stop,
}

/// A process of a replica, from its start to its end.
#[derive(Debug)]
struct Life {
    process: Process,
    port: u16,
    started: Time,
}

/// What became of a life.
#[derive(Debug)]
enum Lived {
    Over(Next),
    /// It goes on, perhaps in another process.
    GoesOn(Box<Life>),
}

/// What comes first while a fresh process gets ready beside the old one.
#[derive(Debug)]
enum First {
    Ready,
    Failed(String),
    OldDied,
    Stop,
}

/// What a replica is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) place: ServiceId,
    pub(super) slot: u16,
    pub(super) spec: Arc<Service>,
    pub(super) api: Option<ApiPorts>,
    pub(super) board: Arc<Board>,
    pub(super) ports: Arc<Ports>,
    pub(super) surroundings: Surroundings,
}

/// One replica through all its incarnations.
#[derive(Debug)]
pub(super) struct Replica {
    parts: Parts,
    orders: mpsc::Receiver<Order>,
    rng: Rng,
    /// As in `order/0`.
    name: Arc<str>,
    incarnation: u32,
    restart: Restart,
    races: u32,
}

/// What a replica does next.
#[derive(Debug)]
enum Next {
    Start,
    Pause(Duration),
    Park,
    End,
}

/// What ended a life.
#[derive(Debug)]
enum Ending {
    Died(io::Result<ExitStatus>),
    Told(Order),
}

// === impl Replica ===

impl Replica {
    pub(super) fn new(parts: Parts, orders: mpsc::Receiver<Order>, rng: Rng) -> Self {
        let name = Arc::from(format!("{}/{}", parts.spec.name, parts.slot));
        let restart = Restart::new(BACKOFF, FORGIVE);
        Self { parts, orders, rng, name, incarnation: 0, restart, races: 0 }
    }

    /// Runs until it is told to stop.
    pub(super) async fn run(mut self) {
        let spec = Arc::clone(&self.parts.spec);
        let mut next = Next::Start;
        loop {
            next = match (next, &spec.source) {
                (Next::Start, Source::Run(run)) => self.start_and_live(run).await,
                (Next::Start, Source::At(_)) => self.watch_from_afar().await,
                (Next::Pause(pause), _) => self.pause(pause).await,
                (Next::Park, _) => self.park().await,
                (Next::End, _) => return,
            };
        }
    }

    fn id(&self) -> EndpointId {
        let Parts { place, slot, .. } = self.parts;
        EndpointId { service: place, slot, incarnation: self.incarnation }
    }

    fn now(&self) -> Time {
        self.parts.surroundings.clock.now()
    }

    async fn start_and_live(&mut self, run: &Run) -> Next {
        let mut life = match self.start(run) {
            Ok(life) => life,
            Err(error) => {
                tracing::error!(replica = &*self.name, %error, "could not be started");
                return Next::Pause(self.restart.died(Duration::ZERO, &mut self.rng));
            }
        };
        self.parts.board.enter(self.id(), process::loopback(life.port), Some(life.process.id()));
        loop {
            let port = life.port;
            match Box::pin(self.live(run, life)).await {
                Lived::GoesOn(next) => {
                    if next.port != port {
                        self.parts.ports.give_back(port);
                    }
                    life = *next;
                }
                Lived::Over(next) => {
                    self.parts.ports.give_back(port);
                    self.incarnation += 1;
                    return next;
                }
            }
        }
    }

    fn start(&self, run: &Run) -> io::Result<Life> {
        let started = self.now();
        let port = self.parts.ports.lend()?;
        let Surroundings { guard, output, .. } = &self.parts.surroundings;
        let process =
            self.command(run, port).and_then(|command| Process::spawn(guard, command, &self.name, output));
        match process {
            Ok(process) => Ok(Life { process, port, started }),
            Err(error) => {
                self.parts.ports.give_back(port);
                Err(error)
            }
        }
    }

    fn command(&self, run: &Run, port: u16) -> io::Result<Command> {
        let Parts { spec, slot, api, surroundings, .. } = &self.parts;
        let (word, arguments) =
            run.command.split_first().ok_or_else(|| io::Error::other("`run` is empty"))?;
        let path = process::resolve(&spec.name, word, &run.dir).map_err(io::Error::other)?;
        let mut command = surroundings.guard.command(&path, arguments)?;
        command
            .current_dir(&run.dir)
            .env("PORT", port.to_string())
            .env("FLOODWAY_REPLICA", slot.to_string())
            .env("FLOODWAY_SERVICE", &spec.name)
            .env("FLOODWAY_SYSTEM", &surroundings.system);
        if let Some(api) = api {
            command.envs(api.env());
        }
        if let Some(token) = &surroundings.api_token {
            command.env("DAPR_API_TOKEN", token);
        }
        command.envs(run.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    async fn live(&mut self, run: &Run, life: Life) -> Lived {
        let Life { mut process, port, started } = life;
        let address = process::loopback(port);
        let watched = watch(self.id(), &self.parts, &self.name, address);
        let ending = tokio::select! {
            biased;
            status = process.wait() => Ending::Died(status),
            order = self.orders.recv() => Ending::Told(order.unwrap_or(Order::Stop)),
            never = watched => match never {},
        };
        match ending {
            Ending::Died(status) => {
                let is_new = self.parts.board.phase(self.id()) == Some(STARTING);
                self.parts.board.update(self.id(), |row| {
                    row.phase = Phase::Is(EndpointState::Dead);
                    row.pid = None;
                });
                process.bury().await;
                let may_be_race = is_new && self.races < RACES_MAX && ports::is_taken(port);
                Lived::Over(if may_be_race {
                    self.race(port)
                } else {
                    self.after_death(&status, self.now().since(started))
                })
            }
            Ending::Told(Order::Replace { done }) => {
                Box::pin(self.replace(run, Life { process, port, started }, done)).await
            }
            Ending::Told(order) => Lived::Over(self.retire(process, order).await),
        }
    }

    /// Starts a fresh process beside `old`, gives it the place once it is ready, and ends `old`. Where it
    /// does not get ready, `old` stays as it was.
    async fn replace(
        &mut self,
        run: &Run,
        mut old: Life,
        done: oneshot::Sender<Result<(), String>>,
    ) -> Lived {
        tracing::info!(replica = &*self.name, "a fresh process is to take its place");
        let mut fresh = match self.start(run) {
            Ok(fresh) => fresh,
            Err(error) => {
                tell(done, Err(format!("{}: no fresh process could be started: {error}", self.name)));
                return Lived::GoesOn(Box::new(old));
            }
        };
        match Box::pin(self.first(&mut old, &mut fresh)).await {
            First::Ready => {
                self.take_over(old, &mut fresh).await;
                tell(done, Ok(()));
                Lived::GoesOn(Box::new(fresh))
            }
            First::OldDied => {
                old.process.bury().await;
                self.incarnation += 1;
                let address = process::loopback(fresh.port);
                self.parts.board.enter(self.id(), address, Some(fresh.process.id()));
                tell(done, Ok(()));
                Lived::GoesOn(Box::new(fresh))
            }
            First::Failed(why) => {
                self.discard(fresh).await;
                tracing::error!(replica = &*self.name, why, "was not replaced: the old process stays");
                tell(done, Err(format!("{} was not replaced, its old process stays: {why}", self.name)));
                Lived::GoesOn(Box::new(old))
            }
            First::Stop => {
                self.discard(fresh).await;
                tell(done, Err("the node is stopping".into()));
                Lived::Over(self.retire(old.process, Order::Stop).await)
            }
        }
    }

    async fn first(&mut self, old: &mut Life, fresh: &mut Life) -> First {
        let watched = watch(self.id(), &self.parts, &self.name, process::loopback(old.port));
        let ready = until_ready(&self.parts, process::loopback(fresh.port));
        let (mut watched, mut ready) = (std::pin::pin!(watched), std::pin::pin!(ready));
        let mut late = std::pin::pin!(tokio::time::sleep(READY_MAX));
        loop {
            let order = tokio::select! {
                biased;
                status = fresh.process.wait() => {
                    return First::Failed(format!("the fresh process ended ({})", ending(&status)));
                }
                _ = old.process.wait() => return First::OldDied,
                order = self.orders.recv() => order.unwrap_or(Order::Stop),
                () = &mut ready => return First::Ready,
                () = &mut late => {
                    return First::Failed(format!("the fresh process was not ready after {READY_MAX:?}"));
                }
                never = &mut watched => match never {},
            };
            match order {
                Order::Stop => return First::Stop,
                Order::Drain { done, .. } | Order::Replace { done } => {
                    tell(done, Err(format!("{} is being replaced", self.name)));
                }
            }
        }
    }

    /// From here new requests go to `fresh`; `old` finishes what it has, within the grace.
    async fn take_over(&mut self, mut old: Life, fresh: &mut Life) {
        let grace = self.parts.surroundings.grace;
        let leaving = self.id();
        self.incarnation += 1;
        let (name, board) = (&*self.name, &self.parts.board);
        board.take_over(self.id(), process::loopback(fresh.port), fresh.process.id());
        tracing::info!(replica = name, "the fresh process has taken over; the old one drains");
        let end = async {
            self.wait_until_quiet(leaving, grace, &mut old.process).await;
            let status = old.process.stop(grace).await;
            old.process.bury().await;
            tracing::info!(replica = name, ending = ending(&status), "the old process stopped");
        };
        let mut end = std::pin::pin!(end);
        tokio::select! {
            () = &mut end => {}
            _ = fresh.process.wait() => {
                board.set_phase(self.id(), Phase::Is(EndpointState::Dead));
                end.await;
            }
        }
        board.update(self.id(), |row| row.leaving = None);
    }

    /// Ends a process that never took a request.
    async fn discard(&self, mut fresh: Life) {
        fresh.process.end_group();
        fresh.process.bury().await;
        self.parts.ports.give_back(fresh.port);
    }

    fn race(&mut self, port: u16) -> Next {
        self.races += 1;
        tracing::info!(
            replica = &*self.name,
            port,
            "another process took its port: starting it on another one"
        );
        Next::Start
    }

    fn after_death(&mut self, status: &io::Result<ExitStatus>, lived: Duration) -> Next {
        let replica = &*self.name;
        self.races = 0;
        let pause = self.restart.died(lived, &mut self.rng);
        let ending = ending(status);
        let (lived, again) = (format!("{:.1} s", lived.as_secs_f64()), format!("{} ms", pause.as_millis()));
        if self.restart.deaths() >= DEATHS_TOLD {
            let deaths = self.restart.deaths();
            tracing::error!(replica, ending, lived, again_in = again, deaths, "keeps dying [FW-2006]");
        } else {
            tracing::warn!(replica, ending, lived, again_in = again, "died");
        }
        Next::Pause(pause)
    }

    /// Takes a living replica out as `order` says.
    async fn retire(&mut self, mut process: Process, order: Order) -> Next {
        let grace = self.parts.surroundings.grace;
        self.parts.board.set_phase(self.id(), Phase::Is(EndpointState::Draining));
        if matches!(order, Order::Drain { .. }) {
            tracing::info!(replica = &*self.name, "draining");
            self.wait_until_quiet(self.id(), grace, &mut process).await;
        }
        let status = process.stop(grace).await;
        process.bury().await;
        let taken_out = matches!(order, Order::Drain { then: Then::StayOut, .. } | Order::Stop);
        self.parts.board.update(self.id(), |row| {
            row.phase = if taken_out { Phase::Stopped } else { Phase::Is(EndpointState::Dead) };
            row.pid = None;
        });
        tracing::info!(replica = &*self.name, ending = ending(&status), "stopped");
        conclude(order)
    }

    /// Until nothing is in flight on it, or it has ended by itself, or the grace is over.
    async fn wait_until_quiet(&self, id: EndpointId, grace: Duration, process: &mut Process) {
        let quiet = async {
            while self.parts.board.in_flight(id).await > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = quiet => {}
            ended = process.wait() => tracing::warn!(
                replica = &*self.name,
                ending = ending(&ended),
                "ended while it drained"
            ),
            () = tokio::time::sleep(grace) => {
                tracing::warn!(replica = &*self.name, ?grace, "requests did not end within the grace");
            }
        }
    }

    async fn pause(&mut self, pause: Duration) -> Next {
        let order = tokio::select! {
            () = tokio::time::sleep(pause) => return Next::Start,
            order = self.orders.recv() => order.unwrap_or(Order::Stop),
        };
        self.settle_without_process(order)
    }

    async fn park(&mut self) -> Next {
        loop {
            match self.orders.recv().await.unwrap_or(Order::Stop) {
                // Whoever took it out wants it out.
                Order::Replace { done } => tell(done, Ok(())),
                order => return self.settle_without_process(order),
            }
        }
    }

    fn settle_without_process(&self, order: Order) -> Next {
        if matches!(order, Order::Drain { then: Then::StayOut, .. } | Order::Stop) {
            self.parts.board.set_phase(self.id(), Phase::Stopped);
        }
        conclude(order)
    }

    /// Probes an endpoint that others started, until the node stops.
    async fn watch_from_afar(&mut self) -> Next {
        let Source::At(addresses) = &self.parts.spec.source else { return Next::End };
        let address = addresses[usize::from(self.parts.slot)];
        let id = self.id();
        self.parts.board.enter(id, address, None);
        let mut watched = std::pin::pin!(watch(id, &self.parts, &self.name, address));
        loop {
            let order = tokio::select! {
                order = self.orders.recv() => order.unwrap_or(Order::Stop),
                never = &mut watched => match never {},
            };
            match order {
                Order::Drain { done, .. } | Order::Replace { done } => {
                    tell(done, Err(format!("{} was not started by this node", self.name)));
                }
                Order::Stop => return Next::End,
            }
        }
    }
}

async fn ask(parts: &Parts, address: SocketAddr) -> io::Result<()> {
    let Parts { spec, place, surroundings, .. } = parts;
    let tls = surroundings.backs.get(usize::from(place.0)).and_then(Option::as_ref);
    let asked = Asked { probe: &spec.health.probe, protocol: spec.protocol, tls };
    probe(asked, address, spec.health.policy.timeout).await
}

/// Probes one incarnation for as long as it is polled, and enters the verdicts.
async fn watch(id: EndpointId, parts: &Parts, name: &str, address: SocketAddr) -> Infallible {
    let Parts { spec, board, surroundings, .. } = parts;
    let clock = surroundings.clock;
    let mut health = Health::new(spec.health.policy, clock.now());
    let mut rng = probe_rng(id.service, id.slot);
    loop {
        let outcome = ask(parts, address).await;
        let before = health.state();
        let pause = health.observe(outcome.is_ok(), clock.now(), &mut rng);
        let is_new = health.state() != before;
        match outcome {
            Err(error) if health.state() == EndpointState::Unhealthy => {
                let why: String = error.to_string().chars().take(WHY_MAX).collect();
                if is_new {
                    tracing::warn!(replica = name, %address, why, "unhealthy: gets no requests");
                }
                board.set_unhealthy(id, why);
            }
            _ if is_new => {
                tracing::info!(replica = name, %address, state = %health.state(), "probed");
                board.set_phase(id, Phase::Is(health.state()));
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
    }
}

/// Another for each replica, so that not all are probed at the same moments.
fn probe_rng(service: ServiceId, slot: u16) -> Rng {
    Rng::new(u64::from(std::process::id()) << 32 | u64::from(service.0) << 16 | u64::from(slot))
}

/// Returns once one that just started is well.
async fn until_ready(parts: &Parts, address: SocketAddr) {
    let Parts { spec, surroundings, .. } = parts;
    let clock = surroundings.clock;
    let mut health = Health::new(spec.health.policy, clock.now());
    let mut rng = probe_rng(parts.place, parts.slot);
    loop {
        let is_well = ask(parts, address).await.is_ok();
        let pause = health.observe(is_well, clock.now(), &mut rng);
        if health.state() == EndpointState::Ready {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Answers whoever gave an order that was carried out, and says what follows.
fn conclude(order: Order) -> Next {
    match order {
        Order::Stop => Next::End,
        Order::Replace { done } => {
            tell(done, Ok(()));
            Next::Start
        }
        Order::Drain { then, done } => {
            tell(done, Ok(()));
            match then {
                Then::StartAgain => Next::Start,
                Then::StayOut => Next::Park,
            }
        }
    }
}

fn tell(done: oneshot::Sender<Result<(), String>>, outcome: Result<(), String>) {
    if done.send(outcome).is_err() {
        tracing::debug!("whoever gave the order has left");
    }
}
