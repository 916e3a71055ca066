//! Requests that wait for room at a service. Who goes next is decided by `policy`; here they are woken.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

use floodway_policy::ServiceId;
use floodway_policy::admission::Ticket;

/// One worker's waiting requests.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: RefCell<HashMap<(ServiceId, Ticket), Waker>>,
}

/// Takes a waiting request off, however its wait ends.
struct Waiting<'a> {
    queue: &'a Queue,
    place: (ServiceId, Ticket),
}

impl Queue {
    /// Waits until the ticket is called or the time is there.
    pub(crate) async fn wait(&self, place: (ServiceId, Ticket), until: tokio::time::Instant) {
        let waiting = Waiting { queue: self, place };
        let mut sleep = pin!(tokio::time::sleep_until(until));
        let mut is_new = true;
        poll_fn(|cx| {
            let mut queue = waiting.queue.waiting.borrow_mut();
            let was_called = !std::mem::take(&mut is_new) && !queue.contains_key(&place);
            if was_called {
                return Poll::Ready(());
            }
            queue.insert(place, cx.waker().clone());
            sleep.as_mut().poll(cx)
        })
        .await;
    }

    /// Wakes the request that has this ticket.
    pub(crate) fn call(&self, service: ServiceId, ticket: Ticket) {
        if let Some(waker) = self.waiting.borrow_mut().remove(&(service, ticket)) {
            waker.wake();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.waiting.borrow_mut().remove(&self.place);
    }
}
