//! Room for one request in flight: sends requests one after the other over a connection of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use floodway_workload::{Attempt, Failure, Observation, Rng};
use tokio::time::{Sleep, sleep};

use crate::link::{Answer, Link, Sent};
use crate::request::Prepared;
use crate::shared::{Ended, Job, Next, Shared};

/// A slot, with the connection that it keeps between requests.
#[derive(Debug)]
pub(crate) struct Slot {
    shared: Arc<Shared>,
    link: Option<Link>,
    /// Kept from attempt to attempt: putting a timer off is cheaper than setting a new one.
    deadline: Pin<Box<Sleep>>,
}

// === impl Slot ===

impl Slot {
    /// Without a connection yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let deadline = Box::pin(sleep(shared.timeout));
        Self { shared, link: None, deadline }
    }

    /// Sends a job and those that follow, until there are none. Dropping the future stops it midway.
    pub(crate) async fn work(mut self, mut job: Job) {
        loop {
            let ended = self.perform(&job).await;
            job = match self.shared.ended(&ended) {
                Next::Send(job) => job,
                Next::Wait(waiter) => match self.idle(waiter).await {
                    Ok(job) => job,
                    Err(_all_sent) => return,
                },
                Next::End => return,
            };
        }
    }

    /// All attempts of one request.
    async fn perform(&mut self, job: &Job) -> Ended {
        let started = self.shared.clock.now();
        let mut rng = Rng::new(job.request.row);
        let mut attempts = 1;
        loop {
            let answer = self.attempt(&job.request).await;
            let attempt = answer.as_ref().map_or(Attempt::Failed, |answer| Attempt::Answered {
                status: answer.status,
                retry_after: answer.retry_after,
            });
            if let Some(wait) = self.shared.retry.wait(attempts, attempt, &mut rng) {
                self.idle(sleep(wait)).await;
                attempts += 1;
                continue;
            }
            let seen = Observation {
                status: answer.as_ref().map(|answer| answer.status),
                attempts,
                intended: job.intended,
                started,
                ended: self.shared.clock.now(),
                late: started.since(job.room_since),
            };
            return Ended {
                row: job.request.row,
                seen,
                body: answer.map(|answer| answer.body).unwrap_or_default(),
            };
        }
    }

    /// One attempt; `None` and counted if there was no answer.
    async fn attempt(&mut self, request: &Prepared) -> Option<Answer> {
        let Self { shared, link, deadline } = self;
        let now = shared.clock.now();
        deadline.as_mut().reset(shared.clock.instant(now, shared.timeout));
        let mut exchange = std::pin::pin!(exchange(shared, link.take(), request));
        let done = poll_fn(|cx| match exchange.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => deadline.as_mut().poll(cx).map(|()| Err(Failure::TimedOut)),
        });
        match done.await {
            Ok((answer, reusable)) => {
                *link = reusable;
                Some(answer)
            }
            Err(failure) => {
                shared.failed(failure);
                None
            }
        }
    }

    /// Waits for something else while the connection is kept open.
    async fn idle<T>(&mut self, wait: impl Future<Output = T>) -> T {
        match self.link.take() {
            None => wait.await,
            Some(link) => {
                let (out, link) = link.idle(wait).await;
                self.link = link;
                out
            }
        }
    }
}

/// Sends over a kept link, or over a new one where that was closed in the meantime: the server has seen
/// nothing of the request then, so it is the same attempt (RFC 9112 §9.5).
async fn exchange(
    shared: &Shared,
    kept: Option<Link>,
    prepared: &Prepared,
) -> Result<(Answer, Option<Link>), Failure> {
    let mut request = prepared.to_request();
    if let Some(link) = kept {
        match link.send(request, shared.keep_bytes).await {
            Sent::Answered(answer, link) => return Ok((answer, link)),
            Sent::Broken(error) => return Err(broken(prepared, &error)),
            Sent::Unsent(back) => request = *back,
        }
    }
    let link = Link::connect(shared.target).await.map_err(|error| {
        tracing::debug!(row = prepared.row, %error, "could not connect");
        Failure::Connect
    })?;
    match link.send(request, shared.keep_bytes).await {
        Sent::Answered(answer, link) => Ok((answer, link)),
        Sent::Broken(error) => Err(broken(prepared, &error)),
        Sent::Unsent(_) => Err(Failure::Broken),
    }
}

fn broken(prepared: &Prepared, error: &hyper::Error) -> Failure {
    tracing::debug!(row = prepared.row, %error, "connection broke");
    Failure::Broken
}
