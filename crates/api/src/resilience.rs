//! Performs what `policy::operation` decides: tries, waits, and gives up what takes too long.
//!
//! ```text
//! block ─▶ port ─▶ Guarded<port> ─▶ Ward::run ⇄ policy::operation ─▶ engine      (components)
//! call ──────────▶ calls::call ───▶ Ward::run ⇄ policy::operation ─▶ Invoke      (services)
//! ```
//! A replica's ports, HTTP and gRPC, share what they know of a target. Where no policy is for a target, nothing of
//! this stands on its way.

pub(crate) mod calls;
pub(crate) mod inbound;
pub(crate) mod ports;
mod replay;

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use floodway_blocks::Failure;
use floodway_policy::operation::{Action, Answer, Event, Failed, Operation, OperationPolicy, Target};
use floodway_policy::{Rng, Time};

use crate::clock::Clock;

/// One target, as one replica knows it. All who ask are on one thread, so nobody waits for the lock.
#[derive(Debug)]
pub(crate) struct Ward {
    name: String,
    timeout: Option<Duration>,
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    target: Target,
    rng: Rng,
}

/// Why there is nothing that a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The last try took longer than this.
    TimedOut(Duration),
    /// The target is left alone for so long.
    LeftAlone(Duration),
}

/// A try that is under way; dropped, it was abandoned.
struct UnderWay<'a>(Option<&'a Ward>);

// === impl Ward ===

impl Ward {
    pub(crate) fn new(name: &str, policy: OperationPolicy, seed: u64) -> Self {
        let timeout = policy.timeout;
        // A replica is one caller: nobody shares its budget.
        let known = Known { target: Target::new(policy, 1), rng: Rng::new(seed) };
        Self { name: name.to_owned(), timeout, clock: Clock::start(), known: Mutex::new(known) }
    }

    /// Whether what is asked may be asked again.
    pub(crate) fn retries(&self) -> bool {
        self.known().target.retries()
    }

    /// Asks until the policy is content. `judge` says what a try came to, `None` being one without an answer in time.
    /// Dropping the future abandons what is under way.
    pub(crate) async fn run<T, F: Future<Output = T>>(
        &self,
        mut attempt: impl FnMut() -> F,
        judge: impl Fn(Option<&T>) -> Event,
    ) -> Result<T, Stopped> {
        let mut operation = Operation::default();
        let mut event = Event::Asked;
        let mut last = Err(Stopped::LeftAlone(Duration::ZERO));
        loop {
            match self.step(&mut operation, event) {
                Action::Try { until } => {
                    let mut under_way = UnderWay(Some(self));
                    let ended = self.within(until, attempt()).await;
                    under_way.0 = None;
                    event = judge(ended.as_ref());
                    last = ended.ok_or_else(|| Stopped::TimedOut(self.timeout.unwrap_or_default()));
                }
                Action::WakeAt(time) => {
                    tracing::debug!(target = self.name, "what is asked failed, and is asked again");
                    tokio::time::sleep(time.since(self.clock.now())).await;
                    event = Event::Woke;
                }
                Action::Done => return last,
                Action::Refuse { until } => return Err(Stopped::LeftAlone(until.since(self.clock.now()))),
            }
        }
    }

    fn step(&self, operation: &mut Operation, event: Event) -> Action {
        let now = self.clock.now();
        let Known { target, rng } = &mut *self.known();
        let was_open = target.is_open(now);
        let action = operation.step(event, now, rng, target);
        if target.is_open(now) && !was_open {
            tracing::warn!(target = self.name, "it fails, and is left alone for a while");
        }
        action
    }

    async fn within<T>(&self, until: Time, attempt: impl Future<Output = T>) -> Option<T> {
        if until == Time::NEVER {
            return Some(attempt.await);
        }
        tokio::time::timeout(until.since(self.clock.now()), attempt).await.ok()
    }

    /// As the failure of a component.
    fn failure(&self, stopped: Stopped) -> Failure {
        let component = self.name.clone();
        match stopped {
            Stopped::TimedOut(after) => Failure::TimedOut { component, after },
            Stopped::LeftAlone(retry_after) => Failure::LeftAlone { component, retry_after },
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(ward) = self.0 {
            ward.known().target.abandon();
        }
    }
}

/// A try without a good answer, of something that may be asked again.
pub(crate) const UNANSWERED: Event = Event::Failed(Failed { answer: Answer::None, repeatable: true });
