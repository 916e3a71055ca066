//! Locks: the table of leases, and the port.

mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::lock::{FencingToken, Locks, Renewal, TryLock, Unlock};
use floodway_blocks::{Failure, PortFuture};

pub(crate) use self::queue::{Queue, Waiter};
use crate::commit::request::Request;
use crate::error::{overloaded, refused};
use crate::shared::Shared;
use crate::topics::check_name;
use crate::view::{Edit, META, named_key};

/// Who holds what. Belongs to the committer.
#[derive(Debug)]
pub(crate) struct Leases {
    limit: usize,
    table: HashMap<String, Lease>,
    /// What this commit replaced, newest last: put back if the commit fails.
    replaced: Vec<(String, Option<Lease>)>,
    /// Who waits for what.
    pub(crate) queue: Queue,
}

/// Who wants which lock, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) locks: Arc<str>,
    pub(crate) resource: String,
    pub(crate) owner: String,
    pub(crate) ttl: Duration,
}

/// A grant that may have run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) owner: String,
    pub(crate) expires: u64,
}

impl Leases {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, table: HashMap::new(), replaced: Vec::new(), queue: Queue::new(limit) }
    }

    /// Takes a lease from the view or the log.
    pub(crate) fn restore(&mut self, name: [&str; 2], lease: Option<Lease>) {
        let key = named_key('l', &name);
        match lease {
            Some(lease) => self.table.insert(key, lease),
            None => self.table.remove(&key),
        };
    }

    /// Grants the lock if nobody holds it; the number of the operation becomes the token.
    pub(crate) fn try_lock(
        &mut self,
        name: [&str; 2],
        owner: String,
        number: u64,
        expires: u64,
        now_ms: u64,
    ) -> Result<Option<(FencingToken, Edit)>, Failure> {
        let key = named_key('l', &name);
        if self.table.get(&key).is_some_and(|lease| lease.expires > now_ms) {
            return Ok(None);
        }
        if self.table.len() >= self.limit && !self.table.contains_key(&key) {
            return Err(overloaded());
        }
        let lease = Lease { owner, expires };
        let edit = Edit { space: META, key: key.as_str().into(), value: Some(encode(&lease).into()) };
        let before = self.table.insert(key.clone(), lease);
        self.replaced.push((key, before));
        Ok(Some((FencingToken(number), edit)))
    }

    /// When the lease of a lock runs out, if somebody holds it.
    pub(crate) fn held_until(&self, name: [&str; 2], now_ms: u64) -> Option<u64> {
        self.table.get(&named_key('l', &name)).map(|lease| lease.expires).filter(|&expires| expires > now_ms)
    }

    /// Lets a lease end then, if this owner holds it.
    pub(crate) fn renew(
        &mut self,
        name: [&str; 2],
        owner: &str,
        expires: u64,
        now_ms: u64,
    ) -> Result<Edit, Renewal> {
        let key = named_key('l', &name);
        match self.table.get_mut(&key) {
            Some(lease) if lease.expires > now_ms && lease.owner == owner => {
                let before = lease.clone();
                lease.expires = expires;
                let edit = Edit { space: META, key: key.as_str().into(), value: Some(encode(lease).into()) };
                self.replaced.push((key, Some(before)));
                Ok(edit)
            }
            Some(lease) if lease.expires > now_ms => Err(Renewal::NotOwner),
            _ => Err(Renewal::NotHeld),
        }
    }

    /// Gives the lock back, if this owner holds it.
    pub(crate) fn unlock(&mut self, name: [&str; 2], owner: &str, now_ms: u64) -> Unlock {
        let key = named_key('l', &name);
        match self.table.get(&key) {
            Some(lease) if lease.expires > now_ms && lease.owner == owner => {
                let before = self.table.remove(&key);
                self.replaced.push((key, before));
                Unlock::Done
            }
            Some(lease) if lease.expires > now_ms => Unlock::NotOwner,
            _ => Unlock::NotHeld,
        }
    }

    /// The commit failed: nothing of it was granted or released.
    pub(crate) fn undo(&mut self) {
        while let Some((key, before)) = self.replaced.pop() {
            match before {
                Some(lease) => self.table.insert(key, lease),
                None => self.table.remove(&key),
            };
        }
    }

    /// The commit is over.
    pub(crate) fn keep(&mut self) {
        self.replaced.clear();
    }

    /// Forgets leases that ran out; says what that changes in the view.
    pub(crate) fn sweep(&mut self, now_ms: u64) -> Vec<Edit> {
        let mut gone: Vec<String> =
            self.table.extract_if(|_, lease| lease.expires <= now_ms).map(|(key, _)| key).collect();
        gone.sort_unstable();
        gone.into_iter().map(|key| Edit { space: META, key: key.into(), value: None }).collect()
    }
}

/// What a release changes in the view.
pub(crate) fn release_edit(name: [&str; 2]) -> Edit {
    Edit { space: META, key: named_key('l', &name).into(), value: None }
}

/// What a grant changes in the view.
pub(crate) fn grant_edit(name: [&str; 2], lease: &Lease) -> Edit {
    Edit { space: META, key: named_key('l', &name).into(), value: Some(encode(lease).into()) }
}

fn encode(lease: &Lease) -> Vec<u8> {
    let mut bytes = lease.expires.to_le_bytes().to_vec();
    bytes.extend_from_slice(lease.owner.as_bytes());
    bytes
}

/// A lease as the view holds it; `None` if it is not one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Lease> {
    let (expires, owner) = bytes.split_at_checked(8)?;
    let expires = u64::from_le_bytes(expires.try_into().ok()?);
    Some(Lease { owner: std::str::from_utf8(owner).ok()?.to_owned(), expires })
}

/// One lock component on the engine.
#[derive(Debug)]
pub(crate) struct EmbeddedLocks {
    pub(crate) core: Arc<Shared>,
    pub(crate) name: Arc<str>,
}

impl EmbeddedLocks {
    fn claim(&self, resource: &str, owner: &str, ttl: Duration) -> Result<Claim, Failure> {
        check_names(resource, owner)?;
        let (locks, resource, owner) = (Arc::clone(&self.name), resource.to_owned(), owner.to_owned());
        Ok(Claim { locks, resource, owner, ttl })
    }
}

impl Locks for EmbeddedLocks {
    fn try_lock<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
    ) -> PortFuture<'a, Result<TryLock, Failure>> {
        self.lock(resource, owner, ttl, Duration::ZERO)
    }

    fn lock<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
        wait: Duration,
    ) -> PortFuture<'a, Result<TryLock, Failure>> {
        Box::pin(async move {
            let claim = self.claim(resource, owner, ttl)?;
            self.core.ask(|reply| Request::Lock { claim, wait, reply }).await?
        })
    }

    fn renew<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
    ) -> PortFuture<'a, Result<Renewal, Failure>> {
        Box::pin(async move {
            let claim = self.claim(resource, owner, ttl)?;
            self.core.ask(|reply| Request::Renew { claim, reply }).await?
        })
    }

    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str) -> PortFuture<'a, Result<Unlock, Failure>> {
        Box::pin(async move {
            check_names(resource, owner)?;
            let (locks, resource, owner) = (Arc::clone(&self.name), resource.to_owned(), owner.to_owned());
            self.core.ask(|reply| Request::Unlock { locks, resource, owner, reply }).await?
        })
    }
}

fn check_names(resource: &str, owner: &str) -> Result<(), Failure> {
    check_name("lock", resource)?;
    if owner.len() > 1024 {
        let why = format!("the owner has {} B, more than the limit of 1024 B", owner.len());
        return Err(refused(format!("take the lock {resource}"), why));
    }
    Ok(())
}
