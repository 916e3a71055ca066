//! Deliveries to an app behind a breaker. How often and how long they are tried is `policy::delivery`'s to decide.

use std::future::Future;
use std::time::Duration;

use floodway_policy::operation::{Answer, Event, OperationPolicy, Retried};
use http::StatusCode;

use super::{Stopped, UNANSWERED, Ward};

/// What stands before an app where messages come in.
#[derive(Debug)]
pub(crate) struct Inbound {
    breaker: Option<Ward>,
    retried: Retried,
}

impl Inbound {
    pub(crate) fn new(topics: &str, policy: &OperationPolicy, seed: u64) -> Self {
        let alone = |breaker| OperationPolicy { breaker: Some(breaker), ..OperationPolicy::default() };
        let breaker = policy.breaker.clone().map(|breaker| Ward::new(topics, alone(breaker), seed));
        let retried = policy.retry.as_ref().map_or_else(Retried::default, |retry| retry.after);
        Self { breaker, retried }
    }

    /// Delivers, if the app is not left alone; else for how long it is. `is_well` says whether the app is well.
    pub(crate) async fn deliver<T>(
        &self,
        delivery: impl Future<Output = T>,
        is_well: impl Fn(&T) -> bool,
    ) -> Result<T, Duration> {
        let Some(breaker) = &self.breaker else { return Ok(delivery.await) };
        let mut delivery = Some(delivery);
        // Without retries there is one try.
        let attempt = || delivery.take().expect("one try");
        let judge = |came: Option<&T>| if came.is_some_and(&is_well) { Event::Succeeded } else { UNANSWERED };
        breaker.run(attempt, judge).await.map_err(|stopped| match stopped {
            Stopped::LeftAlone(left) => left,
            Stopped::TimedOut(_) => Duration::ZERO,
        })
    }

    /// Whether a message is to come again that was answered so.
    pub(crate) fn retries(&self, status: StatusCode) -> bool {
        self.retried.contains(Answer::Http(status.as_u16()))
    }
}
