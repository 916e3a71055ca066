//! Topics: which there are, their recent messages, and their groups.
//!
//! Messages live in the log. In memory is a bounded tail of recent ones, and per group a cursor and what
//! it holds beyond: nothing grows with the backlog.

pub(crate) mod group;
pub(crate) mod later;
pub(crate) mod port;
pub(crate) mod reader;
pub(crate) mod subscription;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, RwLock};

use floodway_blocks::Failure;
use floodway_blocks::topics::{Position, Received};
use tokio::sync::Notify;

use self::group::Group;
use crate::error::{overloaded, refused};
use crate::options::Durability;
use crate::sync::{lock, read, write};

/// Names a topic in memory; another one after every opening of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicId(u32);

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) component: Arc<Component>,
    pub(crate) name: String,
    state: Mutex<State>,
    /// Wakes receivers.
    pub(crate) published: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Every visible message from `tail_from` on.
    tail: VecDeque<Received>,
    tail_from: u64,
    groups: Vec<Arc<Group>>,
}

/// What a look at the tail found.
#[derive(Debug)]
pub(crate) enum Recent {
    /// Messages from the asked position on; none if there are no newer ones.
    Here(Vec<Received>),
    /// The tail begins later: what is before this position must be read from the log.
    From(u64),
}

impl Topic {
    /// Shows a message, and keeps it in memory if a group may want it. Says how many bytes that took.
    pub(crate) fn append(&self, message: Received) -> usize {
        let mut state = lock(&self.state);
        if state.groups.is_empty() {
            state.tail.clear();
            state.tail_from = message.position.0 + 1;
            return 0;
        }
        let bytes = message.payload.len() + size_of::<Received>();
        state.tail.push_back(message);
        bytes
    }

    /// Forgets the oldest message in memory.
    pub(crate) fn evict(&self) {
        let mut state = lock(&self.state);
        if let Some(message) = state.tail.pop_front() {
            state.tail_from = message.position.0 + 1;
        }
        if state.tail.is_empty() {
            state.tail.shrink_to_fit();
        }
    }

    /// Messages from `position` on, at most `most`.
    pub(crate) fn recent(&self, position: u64, most: usize) -> Recent {
        let state = lock(&self.state);
        if position < state.tail_from {
            return Recent::From(state.tail_from);
        }
        let start = state.tail.partition_point(|message| message.position.0 < position);
        Recent::Here(state.tail.range(start..).take(most).cloned().collect())
    }

    /// Nothing before this position is in memory.
    pub(crate) fn starts_after(&self, position: u64) {
        lock(&self.state).tail_from = position + 1;
    }

    /// The group of that name.
    pub(crate) fn group(&self, name: &str) -> Option<Arc<Group>> {
        lock(&self.state).groups.iter().find(|group| group.name == name).cloned()
    }

    /// All groups.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        lock(&self.state).groups.clone()
    }

    /// After which position a group starts that is opened by operation `number`: the first of a topic has
    /// all that is kept, a later one what comes after it.
    pub(crate) fn start_of_group(&self, number: u64) -> u64 {
        if lock(&self.state).groups.is_empty() { 0 } else { number }
    }

    /// Takes a group away.
    pub(crate) fn remove_group(&self, name: &str) {
        lock(&self.state).groups.retain(|group| group.name != name);
    }

    /// Adds a group, unless it is known.
    pub(crate) fn add_group(self: &Arc<Self>, name: &str, cursor: u64, beyond: Vec<u64>) {
        let mut state = lock(&self.state);
        if state.groups.iter().all(|group| group.name != name) {
            state.groups.push(Arc::new(Group::new(Arc::clone(self), name, cursor, beyond)));
        }
    }
}

/// A topics component of the system file.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) durability: Durability,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Registry {
    limit: usize,
    tables: RwLock<Tables>,
}

type ByName = HashMap<String, Arc<Topic>>;

#[derive(Debug, Default)]
struct Tables {
    components: Vec<(Arc<Component>, ByName)>,
    topics: Vec<Arc<Topic>>,
}

impl Registry {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, tables: RwLock::default() }
    }

    /// The component of that name, added if need be.
    pub(crate) fn component(&self, name: &str, durability: Durability) -> Arc<Component> {
        let mut tables = write(&self.tables);
        if let Some((component, _)) = tables.components.iter().find(|(component, _)| component.name == name) {
            return Arc::clone(component);
        }
        let component = Arc::new(Component { name: name.to_owned(), durability });
        tables.components.push((Arc::clone(&component), HashMap::new()));
        component
    }

    /// The component of that name, if there is one.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<Component>> {
        let tables = read(&self.tables);
        tables.components.iter().map(|(component, _)| component).find(|known| known.name == name).cloned()
    }

    /// The topic of that name, if there is one.
    pub(crate) fn known_topic(&self, component: &Arc<Component>, name: &str) -> Option<Arc<Topic>> {
        find(&read(&self.tables), component, name)
    }

    /// The topic of that name, which exists from now on. Refuses names that could not be stored.
    pub(crate) fn topic(&self, component: &Arc<Component>, name: &str) -> Result<Arc<Topic>, Failure> {
        if let Some(topic) = find(&read(&self.tables), component, name) {
            return Ok(topic);
        }
        check_name("topic", name)?;
        let mut tables = write(&self.tables);
        if let Some(topic) = find(&tables, component, name) {
            return Ok(topic);
        }
        if tables.topics.len() >= self.limit {
            return Err(overloaded());
        }
        Ok(tables.add(component, name))
    }

    /// The topic as the log names it, whatever the limits are now.
    pub(crate) fn restore(&self, component: &str, name: &str) -> Arc<Topic> {
        let component = self.component(component, Durability::Fsync);
        let mut tables = write(&self.tables);
        find(&tables, &component, name).unwrap_or_else(|| tables.add(&component, name))
    }

    /// The topic of that number.
    pub(crate) fn by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        read(&self.tables).topics.get(id.0 as usize).cloned()
    }

    /// All topics.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        read(&self.tables).topics.clone()
    }
}

fn find(tables: &Tables, component: &Arc<Component>, name: &str) -> Option<Arc<Topic>> {
    let (_, topics) = tables.components.iter().find(|(known, _)| Arc::ptr_eq(known, component))?;
    topics.get(name).cloned()
}

impl Tables {
    fn add(&mut self, component: &Arc<Component>, name: &str) -> Arc<Topic> {
        let id = TopicId(u32::try_from(self.topics.len()).expect("the number of topics is bounded"));
        let topic = Arc::new(Topic {
            id,
            component: Arc::clone(component),
            name: name.to_owned(),
            state: Mutex::default(),
            published: Notify::new(),
        });
        self.topics.push(Arc::clone(&topic));
        for (known, topics) in &mut self.components {
            if Arc::ptr_eq(known, component) {
                topics.insert(name.to_owned(), Arc::clone(&topic));
            }
        }
        topic
    }
}

/// Refuses names that are empty, longer than 1024 bytes, or hold a zero byte.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.len() > 1024 || name.contains('\0') {
        let why = format!("the name of a {what} must have 1 to 1024 bytes, none of them zero");
        return Err(refused(format!("take the {what} {name:?}"), why));
    }
    Ok(())
}

/// A bound on the memory of all tails together: the oldest message goes first.
#[derive(Debug)]
pub(crate) struct TailBudget {
    limit: usize,
    bytes: usize,
    order: VecDeque<(Arc<Topic>, usize)>,
}

impl TailBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, order: VecDeque::new() }
    }

    /// Shows a message of the topic and stays within the bound.
    pub(crate) fn append(&mut self, topic: &Arc<Topic>, message: Received) {
        let bytes = topic.append(message);
        if bytes == 0 {
            return;
        }
        self.order.push_back((Arc::clone(topic), bytes));
        self.bytes += bytes;
        while self.bytes > self.limit {
            let Some((oldest, bytes)) = self.order.pop_front() else { break };
            oldest.evict();
            self.bytes -= bytes;
        }
    }
}

/// A message as it is handed out.
pub(crate) fn received(position: u64, payload: bytes::Bytes, expires: u64, key: &str) -> Received {
    let key = (!key.is_empty()).then(|| key.into());
    Received { position: Position(position), payload, expires: crate::clock::expiry(expires), key }
}
