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
use super::ports::{self, Ports, Reserved};
use super::probe::{Asked, probe};
use super::process::{self, Process, ending};
use super::{Surroundings, Then};
use crate::error::NodeError;

/// Waits before a replica that died is started again.
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(10) };
/// A replica that lived this long starts with a clean record.
const FORGIVE: Duration = Duration::from_secs(10);
/// Deaths in a row after which the log names the error page.
const DEATHS_TOLD: u32 = 3;
/// A replica that dies before it was ever ready, with its port taken by another, lost a race for the
/// port. After so many races in a row a death is a death.
const RACES_MAX: u32 = 5;
/// Pause between two looks at what is in flight on a draining replica.
const LOOK: Duration = Duration::from_millis(10);

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
    /// The node is stopping.
    Stop,
}

/// What a replica is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) place: ServiceId,
    pub(super) slot: u16,
    pub(super) spec: Arc<Service>,
    pub(super) api_port: Option<u16>,
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
    /// Kept for the gRPC API, which is not served yet.
    grpc: Reserved,
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
    pub(super) fn new(parts: Parts, orders: mpsc::Receiver<Order>, rng: Rng) -> Result<Self, NodeError> {
        let grpc =
            ports::reserve().map_err(|source| NodeError::System { attempt: "reserve a port", source })?;
        let name = Arc::from(format!("{}/{}", parts.spec.name, parts.slot));
        let restart = Restart::new(BACKOFF, FORGIVE);
        Ok(Self { parts, orders, rng, name, grpc, incarnation: 0, restart, races: 0 })
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
        let started = self.now();
        let (process, port) = match self.start(run) {
            Ok(running) => running,
            Err(error) => {
                tracing::error!(replica = &*self.name, %error, "could not be started");
                return Next::Pause(self.restart.died(Duration::ZERO, &mut self.rng));
            }
        };
        let next = self.live(process, port, started).await;
        self.parts.ports.give_back(port);
        self.incarnation += 1;
        next
    }

    fn start(&self, run: &Run) -> io::Result<(Process, u16)> {
        let port = self.parts.ports.lend()?;
        let Surroundings { guard, output, .. } = &self.parts.surroundings;
        let started =
            self.command(run, port).and_then(|command| Process::spawn(guard, command, &self.name, output));
        match started {
            Ok(process) => {
                self.parts.board.enter(self.id(), process::loopback(port), Some(process.id()));
                Ok((process, port))
            }
            Err(error) => {
                self.parts.ports.give_back(port);
                Err(error)
            }
        }
    }

    fn command(&self, run: &Run, port: u16) -> io::Result<Command> {
        let Parts { spec, slot, api_port, surroundings, .. } = &self.parts;
        let (word, arguments) =
            run.command.split_first().ok_or_else(|| io::Error::other("`run` is empty"))?;
        let path = process::resolve(&spec.name, word, &run.dir).map_err(io::Error::other)?;
        let mut command = surroundings.guard.command(&path, arguments)?;
        command
            .current_dir(&run.dir)
            .env("PORT", port.to_string())
            .env("DAPR_GRPC_PORT", self.grpc.port.to_string())
            .env("FLOODWAY_REPLICA", slot.to_string())
            .env("FLOODWAY_SERVICE", &spec.name)
            .env("FLOODWAY_SYSTEM", &surroundings.system);
        if let Some(api_port) = api_port {
            command.env("DAPR_HTTP_PORT", api_port.to_string());
        }
        if let Some(token) = &surroundings.api_token {
            command.env("DAPR_API_TOKEN", token);
        }
        command.envs(run.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    async fn live(&mut self, mut process: Process, port: u16, started: Time) -> Next {
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
                if may_be_race {
                    self.race(port)
                } else {
                    self.after_death(&status, self.now().since(started))
                }
            }
            Ending::Told(order) => self.retire(process, order).await,
        }
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
            self.wait_until_quiet(grace, &mut process).await;
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
    async fn wait_until_quiet(&self, grace: Duration, process: &mut Process) {
        let quiet = async {
            while self.parts.board.in_flight(self.id()).await > 0 {
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
        let order = self.orders.recv().await.unwrap_or(Order::Stop);
        self.settle_without_process(order)
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
                Order::Drain { done, .. } => {
                    tell(done, Err(format!("{} was not started by this node", self.name)));
                }
                Order::Stop => return Next::End,
            }
        }
    }
}

/// Probes one incarnation for as long as it is polled, and enters the verdicts.
async fn watch(id: EndpointId, parts: &Parts, name: &str, address: SocketAddr) -> Infallible {
    let Parts { spec, board, surroundings, .. } = parts;
    let clock = surroundings.clock;
    let mut health = Health::new(spec.health.policy, clock.now());
    loop {
        let tls = surroundings.backs.get(usize::from(id.service.0)).and_then(Option::as_ref);
        let asked = Asked { probe: &spec.health.probe, protocol: spec.protocol, tls };
        let is_well = probe(asked, address, spec.health.policy.timeout).await;
        let before = health.state();
        let pause = health.observe(is_well, clock.now());
        if health.state() != before {
            board.set_phase(id, Phase::Is(health.state()));
            report(name, address, health.state());
        }
        tokio::time::sleep(pause).await;
    }
}

fn report(replica: &str, address: SocketAddr, state: EndpointState) {
    if state == EndpointState::Unhealthy {
        tracing::warn!(replica, %address, "unhealthy: gets no requests");
    } else {
        tracing::info!(replica, %address, %state, "probed");
    }
}

/// Answers whoever gave an order that was carried out, and says what follows.
fn conclude(order: Order) -> Next {
    match order {
        Order::Stop => Next::End,
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
