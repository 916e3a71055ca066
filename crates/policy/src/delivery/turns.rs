//! Which of a subscription's messages may start now: those of one key one after another, in order.
//!
//! ```text
//! offer ─▶ its key is free (or it has none) ─▶ starts ─▶ ended ─▶ the next of the key starts, in its place
//!      └─▶ its key has one under way ─▶ waits behind it
//! ```
//! Who waits takes no place among those under way, so one key that stands still holds up no other until as
//! many wait behind it as are kept in memory.

use alloc::collections::{BTreeMap, VecDeque};

/// What is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages under way at once; at least 1.
    pub in_flight_max: usize,
    /// Messages that wait for one of their key.
    pub waiting_max: usize,
    /// Bytes of messages that wait; those that were offered together may exceed it.
    pub waiting_bytes_max: usize,
}

/// The messages of one subscription, under way and waiting.
#[derive(Debug)]
pub struct Turns<K, M> {
    bounds: Bounds,
    /// Keys of which one is under way, and who waits behind it.
    keys: BTreeMap<K, VecDeque<(usize, M)>>,
    under_way: usize,
    waiting: usize,
    waiting_bytes: usize,
}

// === impl Turns ===

impl<K: Ord, M> Turns<K, M> {
    /// Nothing is under way.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, keys: BTreeMap::new(), under_way: 0, waiting: 0, waiting_bytes: 0 }
    }

    /// How many messages may be offered now.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.waiting_bytes >= self.bounds.waiting_bytes_max {
            return 0;
        }
        let free = self.bounds.in_flight_max.max(1).saturating_sub(self.under_way);
        free.min(self.bounds.waiting_max.saturating_sub(self.waiting))
    }

    /// Takes a message of so many bytes; gives it back if it starts now.
    pub fn offer(&mut self, key: Option<K>, bytes: usize, message: M) -> Option<M> {
        if let Some(key) = key {
            if let Some(waiting) = self.keys.get_mut(&key) {
                waiting.push_back((bytes, message));
                self.waiting += 1;
                self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
                return None;
            }
            self.keys.insert(key, VecDeque::new());
        }
        self.under_way += 1;
        Some(message)
    }

    /// One that started is over and settled; says who starts in its place.
    pub fn ended(&mut self, key: Option<&K>) -> Option<M> {
        if let Some((key, waiting)) = key.and_then(|key| Some((key, self.keys.get_mut(key)?))) {
            if let Some((bytes, message)) = waiting.pop_front() {
                self.waiting -= 1;
                self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
                return Some(message);
            }
            self.keys.remove(key);
        }
        self.under_way = self.under_way.saturating_sub(1);
        None
    }

    /// How many are under way.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    const BOUNDS: Bounds = Bounds { in_flight_max: 4, waiting_max: 8, waiting_bytes_max: 100 };

    /// What a performer sees: who is under way, by key and number.
    struct World {
        turns: Turns<u8, u32>,
        under_way: Vec<(Option<u8>, u32)>,
        started: Vec<(Option<u8>, u32)>,
        offered: Vec<(Option<u8>, u32)>,
    }

    impl World {
        fn new() -> Self {
            let (turns, offered) = (Turns::new(BOUNDS), Vec::new());
            Self { turns, under_way: Vec::new(), started: Vec::new(), offered }
        }

        fn offer(&mut self, key: Option<u8>) {
            let number = u32::try_from(self.offered.len()).unwrap();
            self.offered.push((key, number));
            let starts = self.turns.offer(key, 10, number);
            self.start(key, starts);
        }

        fn end(&mut self, at: usize) {
            let (key, _) = self.under_way.swap_remove(at);
            let starts = self.turns.ended(key.as_ref());
            self.start(key, starts);
        }

        fn start(&mut self, key: Option<u8>, number: Option<u32>) {
            self.under_way.extend(number.map(|number| (key, number)));
            self.started.extend(number.map(|number| (key, number)));
        }
    }

    fn of_key(all: &[(Option<u8>, u32)], key: u8) -> Vec<u32> {
        all.iter().filter(|(found, _)| *found == Some(key)).map(|(_, number)| *number).collect()
    }

    proptest! {
        #[test]
        fn one_of_a_key_at_a_time_in_order_and_nothing_is_lost(
            steps in vec((proptest::bool::ANY, proptest::option::of(0..4u8), 0..64usize), 0..200),
        ) {
            let mut world = World::new();
            for (is_offer, key, at) in steps {
                if is_offer && world.turns.room() > 0 {
                    world.offer(key);
                } else if !world.under_way.is_empty() {
                    world.end(at % world.under_way.len());
                }
                prop_assert_eq!(world.turns.under_way(), world.under_way.len());
                prop_assert!(world.under_way.len() <= BOUNDS.in_flight_max);
                let waiting = world.offered.len() - world.started.len();
                prop_assert!(waiting <= BOUNDS.waiting_max);
                for key in 0..4 {
                    let under_way = of_key(&world.under_way, key);
                    prop_assert!(under_way.len() <= 1, "{under_way:?} of key {key}");
                    let (offered, started) = (of_key(&world.offered, key), of_key(&world.started, key));
                    prop_assert_eq!(&offered[..started.len()], &started[..]);
                    // Nobody waits for nobody.
                    prop_assert!(!under_way.is_empty() || offered.len() == started.len());
                }
            }
            while !world.under_way.is_empty() {
                world.end(0);
            }
            prop_assert_eq!(world.started.len(), world.offered.len());
            prop_assert_eq!(world.turns.room(), BOUNDS.in_flight_max);
            prop_assert!(world.turns.keys.is_empty(), "keys are kept that nobody has");
        }
    }

    #[test]
    fn a_key_that_stands_still_holds_up_no_other() {
        let mut turns = Turns::new(BOUNDS);
        assert_eq!(turns.offer(Some(1), 1, "stuck"), Some("stuck"));
        for _ in 0..7 {
            assert_eq!(turns.offer(Some(1), 1, "behind it"), None);
        }
        assert_eq!(turns.room(), 1);
        assert_eq!(turns.offer(Some(2), 1, "another"), Some("another"));
        assert_eq!(turns.offer(None, 1, "of none"), Some("of none"));
        assert_eq!(turns.ended(Some(&2)), None);
        assert_eq!(turns.room(), 1);
        assert_eq!(turns.offer(Some(1), 1, "the last"), None);
        assert_eq!(turns.room(), 0, "as many wait as are kept");
        assert_eq!(turns.ended(Some(&1)), Some("behind it"));
        assert_eq!(turns.room(), 1);
    }

    #[test]
    fn large_messages_that_wait_are_bounded_by_their_bytes() {
        let mut turns = Turns::new(BOUNDS);
        assert_eq!(turns.offer(Some(1), 1000, "under way"), Some("under way"));
        assert_eq!(turns.offer(Some(1), 99, "waits"), None);
        assert_eq!(turns.room(), 3);
        assert_eq!(turns.offer(Some(1), 1, "waits too"), None);
        assert_eq!(turns.room(), 0);
        assert_eq!(turns.ended(Some(&1)), Some("waits"));
        assert_eq!(turns.room(), 3);
    }
}
