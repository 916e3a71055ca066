//! Cases of the lock port.

use std::time::Duration;

use super::{Broken, Outcome, case, ensure, equal, eventually, unique};
use crate::lock::{FencingToken, Locks, Renewal, TryLock, Unlock};

/// Runs all cases of the lock port. Panics with the name of the first that does not hold.
pub async fn locks(locks: &dyn Locks) {
    case("a_free_lock_is_granted", granted(locks)).await;
    case("a_held_lock_is_refused_to_its_owner_too", refused(locks)).await;
    case("only_the_owner_gives_it_back", given_back(locks)).await;
    case("a_lock_expires", expires(locks)).await;
    case("an_expired_lock_is_not_held", expired(locks)).await;
    case("every_grant_has_a_higher_token", tokens_grow(locks)).await;
    case("of_many_owners_one_wins", one_wins(locks)).await;
    case("who_waits_has_it_when_it_is_given_back", waits(locks)).await;
    case("who_waits_has_it_when_it_expires", waits_for_expiry(locks)).await;
    case("waiting_ends", waits_in_vain(locks)).await;
    case("those_who_wait_come_in_turn", in_turn(locks)).await;
    case("who_leaves_the_queue_is_passed_over", leaves(locks)).await;
    case("a_renewed_lock_is_held_on", renewed(locks)).await;
}

const LONG: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_secs(1);

async fn take(locks: &dyn Locks, resource: &str, owner: &str, ttl: Duration) -> Result<FencingToken, Broken> {
    match locks.try_lock(resource, owner, ttl).await? {
        TryLock::Granted(token) => Ok(token),
        TryLock::Held => Err(Broken(format!("{resource} is held, expected it to be free"))),
    }
}

async fn granted(locks: &dyn Locks) -> Outcome {
    let (one, two) = (unique("lock"), unique("lock"));
    take(locks, &one, "owner", LONG).await?;
    take(locks, &two, "owner", SHORT).await.map(drop)
}

async fn refused(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    take(locks, &lock, "owner", LONG).await?;
    equal("the same owner's try", &locks.try_lock(&lock, "owner", LONG).await?, &TryLock::Held)?;
    equal("another owner's try", &locks.try_lock(&lock, "other", LONG).await?, &TryLock::Held)
}

async fn given_back(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    equal("an unknown lock", &locks.unlock(&lock, "owner").await?, &Unlock::NotHeld)?;
    take(locks, &lock, "owner", LONG).await?;
    equal("another's lock", &locks.unlock(&lock, "other").await?, &Unlock::NotOwner)?;
    equal("the own lock", &locks.unlock(&lock, "owner").await?, &Unlock::Done)?;
    equal("the lock given back", &locks.unlock(&lock, "owner").await?, &Unlock::NotHeld)?;
    take(locks, &lock, "other", LONG).await.map(drop)
}

async fn expires(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    take(locks, &lock, "owner", SHORT).await?;
    equal("a try at once", &locks.try_lock(&lock, "other", LONG).await?, &TryLock::Held)?;
    let taken = || async { Ok(locks.try_lock(&lock, "other", LONG).await? != TryLock::Held) };
    eventually("the lock can be taken again", SHORT * 5, taken).await
}

async fn expired(locks: &dyn Locks) -> Outcome {
    let (lock, marker) = (unique("lock"), unique("lock"));
    take(locks, &lock, "owner", SHORT).await?;
    take(locks, &marker, "owner", SHORT).await?;
    let gone = || async { Ok(locks.try_lock(&marker, "other", LONG).await? != TryLock::Held) };
    eventually("the marker has expired", SHORT * 5, gone).await?;
    equal("the expired lock", &locks.unlock(&lock, "owner").await?, &Unlock::NotHeld)
}

async fn tokens_grow(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    let mut last = None;
    for round in 0..10 {
        let token = take(locks, &lock, "owner", LONG).await?;
        ensure(Some(token) > last, format_args!("round {round}: {token:?} after {last:?}"))?;
        last = Some(token);
        equal("giving back", &locks.unlock(&lock, "owner").await?, &Unlock::Done)?;
    }
    Ok(())
}

async fn one_wins(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    let tries = tokio::join!(
        locks.try_lock(&lock, "a", LONG),
        locks.try_lock(&lock, "b", LONG),
        locks.try_lock(&lock, "c", LONG),
        locks.try_lock(&lock, "d", LONG),
    );
    let tries = [tries.0?, tries.1?, tries.2?, tries.3?];
    let won = tries.iter().filter(|answer| **answer != TryLock::Held).count();
    equal("the number of winners", &won, &1)
}

/// Waits for a lock that is given back when so many wait.
async fn wait(locks: &dyn Locks, resource: &str, owner: &str) -> Result<FencingToken, Broken> {
    match locks.lock(resource, owner, LONG, LONG).await? {
        TryLock::Granted(token) => Ok(token),
        TryLock::Held => Err(Broken(format!("{owner} waited for {resource} in vain"))),
    }
}

async fn waits(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    let first = take(locks, &lock, "a", LONG).await?;
    let (second, unlocked) = tokio::join!(wait(locks, &lock, "b"), locks.unlock(&lock, "a"));
    equal("giving back", &unlocked?, &Unlock::Done)?;
    ensure(second? > first, format_args!("no later token than {first:?}"))?;
    equal("the next one's", &locks.unlock(&lock, "b").await?, &Unlock::Done)?;
    take(locks, &lock, "c", LONG).await.map(drop)
}

async fn waits_for_expiry(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    let first = take(locks, &lock, "a", SHORT).await?;
    let second = wait(locks, &lock, "b").await?;
    ensure(second > first, format_args!("{second:?} after {first:?}"))?;
    equal("the late owner's", &locks.unlock(&lock, "a").await?, &Unlock::NotOwner)
}

async fn waits_in_vain(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    take(locks, &lock, "a", LONG).await?;
    let waited = locks.lock(&lock, "b", LONG, Duration::from_millis(50)).await?;
    equal("the lock of another", &waited, &TryLock::Held)?;
    equal("giving back", &locks.unlock(&lock, "a").await?, &Unlock::Done)?;
    take(locks, &lock, "c", LONG).await.map(drop)
}

async fn in_turn(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    take(locks, &lock, "first", LONG).await?;
    let next = async |owner: &'static str| {
        let token = wait(locks, &lock, owner).await?;
        equal("giving back", &locks.unlock(&lock, owner).await?, &Unlock::Done)?;
        Ok::<_, Broken>(token)
    };
    // Joined futures are polled in order, so they come in order.
    let (a, b, c, first) = tokio::join!(next("a"), next("b"), next("c"), locks.unlock(&lock, "first"));
    equal("giving back", &first?, &Unlock::Done)?;
    let (a, b, c) = (a?, b?, c?);
    ensure(a < b && b < c, format_args!("{a:?}, {b:?}, {c:?} are not in turn"))
}

async fn leaves(locks: &dyn Locks) -> Outcome {
    let lock = unique("lock");
    take(locks, &lock, "a", LONG).await?;
    let left = tokio::time::timeout(Duration::from_millis(20), locks.lock(&lock, "gone", LONG, LONG)).await;
    ensure(left.is_err(), format_args!("{left:?}: it is held"))?;
    let (next, unlocked) = tokio::join!(wait(locks, &lock, "b"), locks.unlock(&lock, "a"));
    equal("giving back", &unlocked?, &Unlock::Done)?;
    next.map(drop)
}

async fn renewed(locks: &dyn Locks) -> Outcome {
    let (lock, marker) = (unique("lock"), unique("lock"));
    equal("a free lock", &locks.renew(&lock, "a", LONG).await?, &Renewal::NotHeld)?;
    take(locks, &lock, "a", SHORT).await?;
    equal("another's lock", &locks.renew(&lock, "b", LONG).await?, &Renewal::NotOwner)?;
    equal("the own lock", &locks.renew(&lock, "a", LONG).await?, &Renewal::Done)?;
    take(locks, &marker, "a", SHORT).await?;
    let gone = || async { Ok(locks.try_lock(&marker, "b", LONG).await? != TryLock::Held) };
    eventually("the marker has expired", SHORT * 5, gone).await?;
    equal("a try after its first time", &locks.try_lock(&lock, "b", LONG).await?, &TryLock::Held)?;
    equal("giving back", &locks.unlock(&lock, "a").await?, &Unlock::Done)
}
