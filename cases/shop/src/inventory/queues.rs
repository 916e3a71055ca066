//! Who waits for which product, so that one transaction can serve all who wait for the same one.
//!
//! ```text
//! push(sku, a) → First   caller starts a worker for sku ─▶ take → [a]        (transaction)
//! push(sku, b) → Behind                                                      b, c gather
//! push(sku, c) → Behind                                    take → [b, c]     (one transaction)
//!                                                          take → []         worker ends
//! ```
//! A product has a queue exactly as long as it has a worker.

use std::collections::{HashMap, VecDeque};

use crate::contract::Sku;

/// Items in wait, by product.
#[derive(Debug)]
pub(crate) struct Queues<T> {
    by_sku: HashMap<Sku, VecDeque<T>>,
    waiting: usize,
    waiting_max: usize,
    batch_max: usize,
}

/// Where an item was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Into a new queue: the caller starts a worker that takes until nothing is left.
    First,
    /// Behind others: a worker is there.
    Behind,
    /// Nowhere: too many wait.
    Full,
}

// === impl Queues ===

impl<T> Queues<T> {
    /// Queues that hold `waiting_max` items together and give out `batch_max` at once.
    pub(crate) fn new(waiting_max: usize, batch_max: usize) -> Self {
        Self { by_sku: HashMap::new(), waiting: 0, waiting_max, batch_max }
    }

    pub(crate) fn push(&mut self, sku: &Sku, item: T) -> Pushed {
        if self.waiting == self.waiting_max {
            return Pushed::Full;
        }
        self.waiting += 1;
        if let Some(queue) = self.by_sku.get_mut(sku) {
            queue.push_back(item);
            return Pushed::Behind;
        }
        self.by_sku.insert(sku.clone(), VecDeque::from([item]));
        Pushed::First
    }

    /// The longest waiting items of a product, in order. Nothing means that its queue is gone, and the
    /// worker must end.
    pub(crate) fn take(&mut self, sku: &Sku) -> Vec<T> {
        let Some(queue) = self.by_sku.get_mut(sku) else { return Vec::new() };
        let count = queue.len().min(self.batch_max);
        let batch: Vec<T> = queue.drain(..count).collect();
        self.waiting -= batch.len();
        if batch.is_empty() {
            self.by_sku.remove(sku);
        }
        batch
    }

    /// All waiting items of a product whose worker is no more.
    pub(crate) fn abandon(&mut self, sku: &Sku) -> VecDeque<T> {
        let queue = self.by_sku.remove(sku).unwrap_or_default();
        self.waiting -= queue.len();
        queue
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sku(text: &str) -> Sku {
        Sku::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn gathers_what_arrives_while_a_batch_is_under_way() {
        let mut queues = Queues::new(10, 10);
        let flash = sku("flash-1");
        assert_eq!(queues.push(&flash, 1), Pushed::First);
        assert_eq!(queues.take(&flash), [1]);
        assert_eq!(queues.push(&flash, 2), Pushed::Behind);
        assert_eq!(queues.push(&flash, 3), Pushed::Behind);
        assert_eq!(queues.take(&flash), [2, 3]);
        assert!(queues.take(&flash).is_empty());
        assert_eq!(queues.push(&flash, 4), Pushed::First);
    }

    #[test]
    fn refuses_at_its_bound_and_takes_again_below_it() {
        let mut queues = Queues::new(2, 1);
        let (a, b) = (sku("a"), sku("b"));
        assert_eq!(queues.push(&a, 1), Pushed::First);
        assert_eq!(queues.push(&a, 2), Pushed::Behind);
        assert_eq!(queues.push(&b, 3), Pushed::Full);
        assert_eq!(queues.take(&a), [1]);
        assert_eq!(queues.push(&b, 3), Pushed::First);
    }

    #[test]
    fn begins_anew_after_a_worker_is_gone() {
        let mut queues = Queues::new(2, 1);
        let a = sku("a");
        assert_eq!(queues.push(&a, 1), Pushed::First);
        assert_eq!(queues.push(&a, 2), Pushed::Behind);
        assert_eq!(queues.abandon(&a), [1, 2]);
        assert_eq!(queues.push(&a, 3), Pushed::First);
        assert_eq!(queues.push(&a, 4), Pushed::Behind);
    }

    proptest! {
        /// However pushes and takes mix: each item comes out once, in order, and only while a worker is there.
        #[test]
        fn hands_out_every_item_once_and_in_order(steps in prop::collection::vec(any::<bool>(), 0..200)) {
            let mut queues = Queues::new(16, 3);
            let flash = sku("flash-1");
            let (mut next, mut pushed, mut taken, mut has_worker) = (0, Vec::new(), Vec::new(), false);
            for is_push in steps {
                if is_push {
                    let place = queues.push(&flash, next);
                    prop_assert_eq!(place == Pushed::Full, pushed.len() - taken.len() == 16);
                    if place != Pushed::Full {
                        prop_assert_eq!(place == Pushed::Behind, has_worker);
                        has_worker = true;
                        pushed.push(next);
                        next += 1;
                    }
                } else if has_worker {
                    let batch = queues.take(&flash);
                    prop_assert!(batch.len() <= 3);
                    has_worker = !batch.is_empty();
                    taken.extend(batch);
                }
            }
            while has_worker {
                let batch = queues.take(&flash);
                has_worker = !batch.is_empty();
                taken.extend(batch);
            }
            prop_assert_eq!(pushed, taken);
        }
    }
}
