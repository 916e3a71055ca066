//! Components behind a [`Ward`]: the same ports, on which what fails is tried again, bounded and left alone as the
//! policy of the component says. What a component refuses for the asker's own doing is no failure of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use floodway_blocks::bindings::{BindingError, Invocation, OutputBinding, Reply};
use floodway_blocks::configuration::{Changes, Configuration, Items};
use floodway_blocks::lock::{Locks, Renewal, TryLock, Unlock};
use floodway_blocks::secrets::{Secret, Secrets};
use floodway_blocks::state::{Change, Item, Store, Transaction, WriteError};
use floodway_blocks::topics::{Forget, Outgoing, Subscription, Topics};
use floodway_blocks::{Failure, PortFuture};
use floodway_policy::operation::Event;

use super::{UNANSWERED, Ward};

/// A component and what stands before it.
pub(crate) struct Guarded<P: ?Sized> {
    inner: Arc<P>,
    ward: Arc<Ward>,
}

impl<P: ?Sized> Guarded<P> {
    pub(crate) const fn new(inner: Arc<P>, ward: Arc<Ward>) -> Self {
        Self { inner, ward }
    }
}

impl<P: ?Sized + fmt::Debug> fmt::Debug for Guarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Ward {
    /// Runs an operation of a port whose every error is a failure of its component, or may become one.
    async fn guard<'a, T, E: From<Failure>>(
        &self,
        attempt: impl FnMut() -> PortFuture<'a, Result<T, E>>,
        is_failure: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let judge = |ended: Option<&Result<T, E>>| match ended {
            Some(Ok(_)) => Event::Succeeded,
            Some(Err(error)) if !is_failure(error) => Event::Succeeded,
            Some(Err(_)) | None => UNANSWERED,
        };
        self.run(attempt, judge).await.unwrap_or_else(|stopped| Err(self.failure(stopped).into()))
    }
}

const fn always(_: &Failure) -> bool {
    true
}

const fn is_failed_write(error: &WriteError) -> bool {
    matches!(error, WriteError::Failed(_))
}

impl Store for Guarded<dyn Store> {
    fn get<'a>(&'a self, key: &'a str) -> PortFuture<'a, Result<Option<Item>, Failure>> {
        Box::pin(self.ward.guard(move || self.inner.get(key), always))
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> PortFuture<'a, Result<Vec<Option<Item>>, Failure>> {
        Box::pin(self.ward.guard(move || self.inner.get_many(keys), always))
    }

    fn write_each(&self, changes: Vec<Change>) -> PortFuture<'_, Vec<Result<(), WriteError>>> {
        Box::pin(self.write_until_done(changes))
    }

    fn transact(&self, transaction: Transaction) -> PortFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            self.ward.guard(|| self.inner.transact(transaction.clone()), is_failed_write).await
        })
    }
}

/// How far writes that stand alone have come.
struct Writes {
    changes: Vec<Change>,
    verdicts: Vec<Option<Result<(), WriteError>>>,
}

impl Writes {
    /// What is not done yet, by its places.
    fn left(&self) -> (Vec<usize>, Vec<Change>) {
        let is_left = |(_, verdict): &(usize, &Option<_>)| match verdict {
            None | Some(Err(WriteError::Failed(_))) => true,
            Some(_) => false,
        };
        let places: Vec<usize> =
            self.verdicts.iter().enumerate().filter(is_left).map(|(place, _)| place).collect();
        let changes = places.iter().map(|place| self.changes[*place].clone()).collect();
        (places, changes)
    }
}

impl Guarded<dyn Store> {
    /// A change that was made, or refused, is not made again with those that failed beside it.
    async fn write_until_done(&self, changes: Vec<Change>) -> Vec<Result<(), WriteError>> {
        let verdicts = changes.iter().map(|_| None).collect();
        let writes = Mutex::new(Writes { changes, verdicts });
        let locked = || writes.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = || async {
            let (places, left) = locked().left();
            let verdicts = self.inner.write_each(left).await;
            let has_failed =
                verdicts.iter().any(|verdict| matches!(verdict, Err(error) if is_failed_write(error)));
            let mut writes = locked();
            for (place, verdict) in places.into_iter().zip(verdicts) {
                writes.verdicts[place] = Some(verdict);
            }
            !has_failed
        };
        let judge = |ended: Option<&bool>| if ended == Some(&true) { Event::Succeeded } else { UNANSWERED };
        let stopped = self.ward.run(attempt, judge).await.err();
        let why = || self.ward.failure(stopped.unwrap_or(super::Stopped::LeftAlone(Duration::ZERO)));
        let Writes { verdicts, .. } = writes.into_inner().unwrap_or_else(PoisonError::into_inner);
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| Err(why().into()))).collect()
    }
}

impl Topics for Guarded<dyn Topics> {
    fn publish<'a>(&'a self, topic: &'a str, messages: Vec<Outgoing>) -> PortFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.ward.guard(|| self.inner.publish(topic, messages.clone()), always).await })
    }

    /// What comes in is bounded and tried again where it is delivered.
    fn subscribe<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
    ) -> PortFuture<'a, Result<Box<dyn Subscription>, Failure>> {
        self.inner.subscribe(topic, group)
    }

    fn forget<'a>(&'a self, topic: &'a str, group: &'a str) -> PortFuture<'a, Result<Forget, Failure>> {
        self.inner.forget(topic, group)
    }
}

impl Locks for Guarded<dyn Locks> {
    fn try_lock<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
    ) -> PortFuture<'a, Result<TryLock, Failure>> {
        Box::pin(self.ward.guard(move || self.inner.try_lock(resource, owner, ttl), always))
    }

    /// As it is: how long it takes is what its caller asked for, and what is asked again would stand last again.
    fn lock<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
        wait: Duration,
    ) -> PortFuture<'a, Result<TryLock, Failure>> {
        self.inner.lock(resource, owner, ttl, wait)
    }

    fn renew<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
    ) -> PortFuture<'a, Result<Renewal, Failure>> {
        Box::pin(self.ward.guard(move || self.inner.renew(resource, owner, ttl), always))
    }

    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str) -> PortFuture<'a, Result<Unlock, Failure>> {
        Box::pin(self.ward.guard(move || self.inner.unlock(resource, owner), always))
    }
}

impl Secrets for Guarded<dyn Secrets> {
    fn get<'a>(&'a self, name: &'a str) -> PortFuture<'a, Result<Option<Secret>, Failure>> {
        Box::pin(self.ward.guard(move || self.inner.get(name), always))
    }

    fn all(&self) -> PortFuture<'_, Result<BTreeMap<String, Secret>, Failure>> {
        Box::pin(self.ward.guard(move || self.inner.all(), always))
    }
}

impl Configuration for Guarded<dyn Configuration> {
    fn get(&self, keys: Vec<String>) -> PortFuture<'_, Result<Items, Failure>> {
        Box::pin(async move { self.ward.guard(|| self.inner.get(keys.clone()), always).await })
    }

    fn watch(&self, keys: Vec<String>) -> PortFuture<'_, Result<Box<dyn Changes>, Failure>> {
        Box::pin(async move { self.ward.guard(|| self.inner.watch(keys.clone()), always).await })
    }
}

impl OutputBinding for Guarded<dyn OutputBinding> {
    fn invoke(&self, invocation: Invocation) -> PortFuture<'_, Result<Reply, BindingError>> {
        let is_failure =
            |error: &BindingError| matches!(error, BindingError::Refused { .. } | BindingError::Failed(_));
        Box::pin(async move { self.ward.guard(|| self.inner.invoke(invocation.clone()), is_failure).await })
    }
}

#[cfg(test)]
mod tests;
