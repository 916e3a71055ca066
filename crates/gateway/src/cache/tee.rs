//! A body that is stored while it passes.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::invoke::BodyError;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

use super::Store;
use super::flights::{Landing, Lead};
use super::hit::lines;
use super::store::{Cached, Key, Stamp};
use crate::body::ResponseBody;
use crate::perform::Relay;
use crate::worker::Worker;

/// A body that is stored once all of it has passed; if it breaks off or is given up, nothing is.
#[derive(Debug)]
pub(crate) struct Tee {
    relay: Relay,
    filling: Option<Filling>,
}

/// A response whose body is on its way.
#[derive(Debug)]
pub(super) struct Filling {
    cached: Cached,
    passed: Passed,
    key: Key,
    stamp: Stamp,
    lead: Option<Lead>,
}

/// What has passed of a body, counted against the store's bound.
#[derive(Debug)]
pub(super) struct Passed {
    store: Arc<Store>,
    bytes: Vec<u8>,
    bytes_max: u64,
    declared: Option<u64>,
}

impl Tee {
    pub(super) fn new(relay: Relay, filling: Filling) -> Self {
        let mut tee = Self { relay, filling: Some(filling) };
        // A body without bytes is never polled.
        tee.finish_if_over();
        tee
    }

    fn finish_if_over(&mut self) {
        if self.relay.is_end_stream()
            && let Some(filling) = self.filling.take()
        {
            filling.finish();
        }
    }
}

impl Body for Tee {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let tee = self.get_mut();
        match ready!(Pin::new(&mut tee.relay).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let (Some(data), Some(filling)) = (frame.data_ref(), &mut tee.filling)
                    && !filling.passed.push(data)
                    && let Some(filling) = tee.filling.take()
                {
                    filling.give_up();
                }
                tee.finish_if_over();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                tee.filling = None;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                if let Some(filling) = tee.filling.take() {
                    filling.finish();
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.relay.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.relay.size_hint()
    }
}

impl Filling {
    /// `cached` is what is stored once it has its body.
    pub(super) const fn new(
        cached: Cached,
        passed: Passed,
        key: Key,
        stamp: Stamp,
        lead: Option<Lead>,
    ) -> Self {
        Self { cached, passed, key, stamp, lead }
    }

    fn finish(mut self) {
        if self.passed.is_short() {
            return;
        }
        let store = Arc::clone(&self.passed.store);
        self.cached.body = self.passed.take();
        if self.cached.status != StatusCode::NO_CONTENT {
            self.cached.headers.insert(CONTENT_LENGTH, self.cached.body.len().into());
        }
        self.cached.lines = lines(self.cached.status, &self.cached.headers);
        store.insert(&self.key, self.stamp, Arc::new(self.cached));
        if let Some(lead) = self.lead {
            lead.land(Landing::Stored);
        }
    }

    /// It is too large after all.
    fn give_up(self) {
        self.passed.store.pass(&self.key);
        if let Some(lead) = self.lead {
            lead.land(Landing::Unshared);
        }
    }
}

impl Passed {
    /// `None` where the body is larger than may be stored.
    pub(super) fn new(store: &Arc<Store>, bytes_max: u64, declared: Option<u64>) -> Option<Self> {
        if declared.is_some_and(|len| len > bytes_max) {
            return None;
        }
        Some(Self { store: Arc::clone(store), bytes: Vec::new(), bytes_max, declared })
    }

    fn push(&mut self, data: &[u8]) -> bool {
        let len = data.len() as u64;
        if self.bytes.len() as u64 + len > self.bytes_max {
            return false;
        }
        let has_room = self.store.begin_filling(len);
        self.bytes.extend_from_slice(data);
        has_room
    }

    fn is_short(&self) -> bool {
        self.declared.is_some_and(|len| len != self.bytes.len() as u64)
    }

    fn take(&mut self) -> Bytes {
        self.store.end_filling(self.bytes.len() as u64);
        // A box has no room to spare.
        std::mem::take(&mut self.bytes).into_boxed_slice().into()
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        self.store.end_filling(self.bytes.len() as u64);
    }
}

/// Reads a body to its end for the sake of what that does, for at most `time`.
pub(super) async fn drain(worker: &Rc<Worker>, time: Duration, body: ResponseBody) {
    let until = worker.clock.instant(worker.clock.now().after(time));
    let mut body = pin!(body);
    let all =
        async { while let Some(Ok(_)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {} };
    if tokio::time::timeout_at(until, all).await.is_err() {
        tracing::debug!("a response for the cache did not come in time");
    }
}
