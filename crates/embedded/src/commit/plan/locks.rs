//! What a commit does about locks.

use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::Failure;
use floodway_blocks::lock::{Renewal, TryLock, Unlock};

use super::Plan;
use crate::commit::request::{Answer, Reply};
use crate::error::overloaded;
use crate::locks::{Claim, Waiter, release_edit};
use crate::op::Op;

impl Plan<'_> {
    /// Grants a lock, or has its claimant wait for it that long.
    pub(super) fn lock(&mut self, claim: Claim, wait: Duration, reply: Reply<TryLock>) {
        let name = (Arc::clone(&claim.locks), claim.resource.clone());
        // Its lease may have run out: then it is the turn of who waits.
        if self.leases.queue.has(&name) {
            self.hand_over(&claim.locks, &claim.resource);
        }
        let verdict = self.grant(&claim);
        if !matches!(verdict, Ok(TryLock::Held)) || wait.is_zero() {
            return self.effects.answers.push(Answer::Lock(reply, verdict));
        }
        if self.leases.queue.is_full() {
            return self.effects.answers.push(Answer::Lock(reply, Err(overloaded())));
        }
        let waiter = Waiter::new(claim, self.due(wait), reply);
        let held_until = self.leases.held_until([&name.0, &name.1], self.now_ms);
        self.note_due(held_until.map_or(waiter.until, |held_until| held_until.min(waiter.until)));
        self.leases.queue.push(waiter);
    }

    fn grant(&mut self, claim: &Claim) -> Result<TryLock, Failure> {
        let Claim { locks, resource, owner, ttl } = claim;
        let (number, expires) = (self.next(), self.due(*ttl));
        let granted = self.leases.try_lock([locks, resource], owner.clone(), number, expires, self.now_ms)?;
        let Some((token, edit)) = granted else { return Ok(TryLock::Held) };
        self.frame.push(&Op::Grant { locks, resource, owner, expires });
        self.effects.edits.push(edit);
        self.effects.sync = true;
        Ok(TryLock::Granted(token))
    }

    /// The lease is written anew; the token stays that of the grant.
    pub(super) fn renew(&mut self, claim: &Claim) -> Renewal {
        let Claim { locks, resource, owner, ttl } = claim;
        let expires = self.due(*ttl);
        match self.leases.renew([locks, resource], owner, expires, self.now_ms) {
            Ok(edit) => {
                self.frame.push(&Op::Grant { locks, resource, owner, expires });
                self.effects.edits.push(edit);
                self.effects.sync = true;
                Renewal::Done
            }
            Err(refused) => refused,
        }
    }

    /// Gives a lock back, and to the next who waits for it, in one commit.
    pub(super) fn unlock(&mut self, locks: &str, resource: &str, owner: &str) -> Unlock {
        let verdict = self.leases.unlock([locks, resource], owner, self.now_ms);
        if verdict == Unlock::Done {
            self.frame.push(&Op::Release { locks, resource });
            self.effects.edits.push(release_edit([locks, resource]));
            self.effects.sync = true;
            self.hand_over(locks, resource);
        }
        verdict
    }

    /// Grants a lock that nobody holds to the first who waits for it.
    fn hand_over(&mut self, locks: &str, resource: &str) {
        if self.leases.held_until([locks, resource], self.now_ms).is_some() {
            return;
        }
        let name = (Arc::from(locks), resource.to_owned());
        if let Some(Waiter { claim, reply, .. }) = self.leases.queue.pop(&name, self.now_ms) {
            let verdict = self.grant(&claim);
            self.effects.answers.push(Answer::Lock(reply, verdict));
            if self.leases.queue.has(&name)
                && let Some(held_until) = self.leases.held_until([locks, resource], self.now_ms)
            {
                self.note_due(held_until);
            }
        }
    }

    /// Ends the waiting of those whose time is over, and grants what has run out to who is next. When there is more
    /// to do of that.
    pub(super) fn tend_locks(&mut self) -> Option<u64> {
        for Waiter { reply, .. } in self.leases.queue.late(self.now_ms) {
            self.effects.answers.push(Answer::Lock(reply, Ok(TryLock::Held)));
        }
        let names = self.leases.queue.names();
        for (locks, resource) in &names {
            self.hand_over(locks, resource);
        }
        let held = names.iter().filter(|name| self.leases.queue.has(name));
        let held =
            held.filter_map(|(locks, resource)| self.leases.held_until([locks, resource], self.now_ms));
        held.chain(self.leases.queue.first_over()).min()
    }

    fn note_due(&mut self, due: u64) {
        let first_due = &mut self.effects.first_due;
        *first_due = Some(first_due.map_or(due, |first| first.min(due)));
    }
}
