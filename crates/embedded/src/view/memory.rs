//! A view in memory that forgets, when it crashes, what was not persisted: for tests that crash.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use fjall::Slice;

use super::{Edit, Pairs, Space, View};
use crate::sync::lock;

type Maps = Vec<(String, BTreeMap<Vec<u8>, Vec<u8>>)>;

#[derive(Debug)]
pub(crate) struct MemoryView {
    now: Mutex<Maps>,
    durable: Mutex<Maps>,
}

impl MemoryView {
    pub(crate) fn new() -> Self {
        let maps = vec![("meta".to_owned(), BTreeMap::new()), ("expiry".to_owned(), BTreeMap::new())];
        Self { now: Mutex::new(maps.clone()), durable: Mutex::new(maps) }
    }

    /// What is left after power was lost.
    pub(crate) fn after_crash(&self) -> Self {
        let durable = lock(&self.durable).clone();
        Self { now: Mutex::new(durable.clone()), durable: Mutex::new(durable) }
    }
}

impl View for MemoryView {
    fn space(&self, store: &str) -> io::Result<Space> {
        let mut maps = lock(&self.now);
        let name = format!("store.{store}");
        if let Some(at) = maps.iter().position(|(known, _)| *known == name) {
            return Ok(Space(at));
        }
        maps.push((name, BTreeMap::new()));
        Ok(Space(maps.len() - 1))
    }

    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Slice>> {
        Ok(lock(&self.now)[space.0].1.get(key).map(|value| value.as_slice().into()))
    }

    fn get_many(&self, space: Space, keys: &[String]) -> io::Result<Vec<Option<Slice>>> {
        keys.iter().map(|key| self.get(space, key.as_bytes())).collect()
    }

    fn range(&self, space: Space, from: &[u8], to: &[u8], most: usize) -> io::Result<Pairs> {
        let maps = lock(&self.now);
        let range = maps[space.0].1.range(from.to_vec()..to.to_vec()).take(most);
        Ok(range.map(|(key, value)| (key.as_slice().into(), value.as_slice().into())).collect())
    }

    fn apply(&self, edits: Vec<Edit>) -> io::Result<()> {
        let mut maps = lock(&self.now);
        for edit in edits {
            let map = &mut maps[edit.space.0].1;
            match edit.value {
                Some(value) => map.insert(edit.key.to_vec(), value.to_vec()),
                None => map.remove(&*edit.key),
            };
        }
        Ok(())
    }

    fn persist(&self) -> io::Result<()> {
        let now = lock(&self.now).clone();
        *lock(&self.durable) = now;
        Ok(())
    }
}
