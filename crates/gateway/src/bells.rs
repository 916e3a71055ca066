//! Wakes the connections that wait for a request, once there will be none.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::worker::Worker;

/// The connections of one worker that can be woken.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    places: RefCell<Places>,
}

#[derive(Debug, Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// One connection's place, for as long as it lasts. It costs nothing per request: a connection is one task, whose
/// waker stays the same.
#[derive(Debug)]
pub(crate) struct Bell {
    worker: Rc<Worker>,
    place: usize,
}

impl Bells {
    pub(crate) fn ring(&self) {
        let places = self.places.borrow();
        places.wakers.iter().flatten().for_each(Waker::wake_by_ref);
    }
}

impl Bell {
    pub(crate) fn hang(worker: &Rc<Worker>, cx: &Context<'_>) -> Self {
        let mut places = worker.bells.places.borrow_mut();
        let free = places.free.pop();
        let place = free.unwrap_or(places.wakers.len());
        if free.is_none() {
            places.wakers.push(None);
        }
        places.wakers[place] = Some(cx.waker().clone());
        Self { worker: Rc::clone(worker), place }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut places = self.worker.bells.places.borrow_mut();
        places.wakers[self.place] = None;
        places.free.push(self.place);
    }
}
