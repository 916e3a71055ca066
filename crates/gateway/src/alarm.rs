//! A timer for what comes one after the other. It is set for each request and goes off for few, so
//! setting it costs a store: the runtime's timer is moved only to go off earlier.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use floodway_policy::Time;
use tokio::time::Sleep;

use crate::clock::Clock;

#[derive(Debug)]
pub(crate) struct Alarm {
    clock: Clock,
    due: Time,
    armed: Time,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    pub(crate) const fn new(clock: Clock) -> Self {
        Self { clock, due: Time::NEVER, armed: Time::NEVER, sleep: None }
    }

    /// From now on it goes off then.
    pub(crate) const fn set(&mut self, due: Time) {
        self.due = due;
    }

    /// Ready once its time has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.due == Time::NEVER {
            return Poll::Pending;
        }
        let due = self.clock.instant(self.due);
        let sleep = self.sleep.get_or_insert_with(|| {
            self.armed = self.due;
            Box::pin(tokio::time::sleep_until(due))
        });
        if self.armed > self.due {
            self.armed = self.due;
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if self.armed >= self.due {
                return Poll::Ready(());
            }
            self.armed = self.due;
            sleep.as_mut().reset(due);
        }
    }
}
