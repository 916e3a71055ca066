//! The workers of one thread over time: the one that takes connections, and those before it, each with what was
//! decided by when their connections were taken.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::worker::Worker;

/// Begins with one worker; whenever the configuration changes, another takes its place.
#[derive(Debug)]
pub(crate) struct Generations {
    present: RefCell<Rc<Worker>>,
    /// Those that may still have connections.
    before: RefCell<Vec<Weak<Worker>>>,
}

impl Generations {
    pub(crate) fn new(first: Worker) -> Self {
        Self { present: RefCell::new(Rc::new(first)), before: RefCell::default() }
    }

    /// The one that takes connections.
    pub(crate) fn present(&self) -> Rc<Worker> {
        Rc::clone(&self.present.borrow())
    }

    /// From now on connections are taken by `next`; those that are open end with their next answer.
    pub(crate) fn follow(&self, next: Worker) {
        let last = self.present.replace(Rc::new(next));
        last.retire();
        let mut before = self.before.borrow_mut();
        before.retain(|worker| worker.strong_count() > 0);
        before.push(Rc::downgrade(&last));
    }

    /// All that have connections or may get some.
    pub(crate) fn all(&self) -> impl Iterator<Item = Rc<Worker>> {
        let before: Vec<_> = self.before.borrow().iter().filter_map(Weak::upgrade).collect();
        before.into_iter().chain([self.present()])
    }
}
