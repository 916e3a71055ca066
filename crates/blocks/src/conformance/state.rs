//! Cases of the state port.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Broken, Outcome, case, ensure, equal, eventually, unique};
use crate::state::{Change, Effect, Etag, Item, Precondition, Store, Transaction, WriteError};

/// Runs all cases of the state port. Panics with the name of the first that does not hold.
pub async fn state(store: &dyn Store) {
    case("reads_back_what_was_written", reads_back(store)).await;
    case("an_absent_key_has_no_value", absent(store)).await;
    case("deletes_present_and_absent_keys", deletes(store)).await;
    case("writes_and_reads_many", many(store)).await;
    case("deletes_many", delete_many(store)).await;
    case("a_transaction_makes_all_changes_in_order", ordered_transaction(store)).await;
    case("a_transaction_may_delete_an_absent_key", transaction_of_absent(store)).await;
    case("a_transaction_with_a_mismatch_changes_nothing", all_or_nothing(store)).await;
    case("a_later_change_sees_the_earlier_ones", later_sees_earlier(store)).await;
    case("a_new_key_has_an_etag", new_etag(store)).await;
    case("a_write_checks_the_etag_and_gives_a_new_one", etag_checked(store)).await;
    case("each_write_has_its_own_verdict", own_verdicts(store)).await;
    case("a_delete_checks_the_etag", delete_checked(store)).await;
    case("an_etag_on_an_absent_key_is_a_mismatch", etag_on_absent(store)).await;
    case("the_first_write_wins_when_asked", first_write(store)).await;
    case("of_concurrent_first_writes_one_wins", concurrent_first_writes(store)).await;
    case("a_value_expires", expires(store)).await;
    case("an_expiry_is_reported", expiry_reported(store)).await;
    case("a_write_without_ttl_removes_the_expiry", expiry_removed(store)).await;
    case("an_expired_key_counts_as_absent", expired_is_absent(store)).await;
}

fn put(key: &str, value: &str) -> Change {
    put_if(key, value, Precondition::None)
}

fn put_if(key: &str, value: &str, precondition: Precondition) -> Change {
    let effect = Effect::Put { value: Bytes::copy_from_slice(value.as_bytes()), ttl: None };
    Change { key: key.to_owned(), effect, precondition }
}

fn put_for(key: &str, value: &str, ttl: Duration) -> Change {
    let effect = Effect::Put { value: Bytes::copy_from_slice(value.as_bytes()), ttl: Some(ttl) };
    Change { key: key.to_owned(), effect, precondition: Precondition::None }
}

fn delete(key: &str) -> Change {
    delete_if(key, Precondition::None)
}

fn delete_if(key: &str, precondition: Precondition) -> Change {
    Change { key: key.to_owned(), effect: Effect::Delete, precondition }
}

async fn write(store: &dyn Store, change: Change) -> Result<(), WriteError> {
    store.write_each(vec![change]).await.pop().unwrap_or(Ok(()))
}

async fn all(store: &dyn Store, changes: Vec<Change>) -> Outcome {
    let count = changes.len();
    let verdicts = store.write_each(changes).await;
    equal("the number of verdicts", &verdicts.len(), &count)?;
    for verdict in verdicts {
        verdict?;
    }
    Ok(())
}

async fn transact(store: &dyn Store, changes: Vec<Change>) -> Result<(), WriteError> {
    store.transact(Transaction { changes, outbox: Vec::new() }).await
}

async fn present(store: &dyn Store, key: &str) -> Result<Item, Broken> {
    store.get(key).await?.ok_or_else(|| Broken(format!("key {key} is absent")))
}

async fn value_is(store: &dyn Store, key: &str, expected: Option<&str>) -> Outcome {
    let found = store.get(key).await?.map(|item| item.value);
    equal(
        &format!("the value of {key}"),
        &found,
        &expected.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    )
}

fn mismatch(what: &str, verdict: &Result<(), WriteError>) -> Outcome {
    let is_mismatch = matches!(verdict, Err(WriteError::Mismatch { .. }));
    ensure(is_mismatch, format_args!("{what}: {verdict:?}, expected a mismatch"))
}

/// An etag of this key in this engine's form that is no longer right.
async fn stale_etag(store: &dyn Store, key: &str, then: &str) -> Result<Etag, Broken> {
    write(store, put(key, "before")).await?;
    let etag = present(store, key).await?.etag;
    write(store, put(key, then)).await?;
    Ok(etag)
}

async fn reads_back(store: &dyn Store) -> Outcome {
    let large = vec![7; 70_000];
    let values: [&[u8]; 8] = [
        b"42",
        b"true",
        b"",
        b"\"text\"",
        b"{\"a\":{\"b\":1.50}}",
        b"\0\xff\xfe",
        "\u{1f30a}".as_bytes(),
        &large,
    ];
    for (index, value) in values.iter().enumerate() {
        let key = unique(&format!("value-{index}"));
        let effect = Effect::Put { value: Bytes::copy_from_slice(value), ttl: None };
        write(store, Change { key: key.clone(), effect, precondition: Precondition::None }).await?;
        let item = present(store, &key).await?;
        ensure(item.value == value, format_args!("value {index} came back different"))?;
    }
    Ok(())
}

async fn absent(store: &dyn Store) -> Outcome {
    value_is(store, &unique("never"), None).await
}

async fn deletes(store: &dyn Store) -> Outcome {
    let (key, never) = (unique("gone"), unique("never"));
    write(store, put(&key, "there")).await?;
    write(store, delete(&key)).await?;
    write(store, delete(&never)).await?;
    value_is(store, &key, None).await?;
    value_is(store, &never, None).await
}

async fn many(store: &dyn Store) -> Outcome {
    let mut keys: Vec<String> = (0..20).map(|index| unique(&format!("many-{index}"))).collect();
    all(store, keys.iter().map(|key| put(key, key)).collect()).await?;
    for key in &keys {
        value_is(store, key, Some(key)).await?;
    }
    keys.insert(7, unique("unknown"));
    let items = store.get_many(&keys).await?;
    equal("the number of items", &items.len(), &keys.len())?;
    for (index, (key, item)) in keys.iter().zip(items).enumerate() {
        let expected = (index != 7).then(|| Bytes::copy_from_slice(key.as_bytes()));
        equal(&format!("item {index}"), &item.map(|item| item.value), &expected)?;
    }
    Ok(())
}

async fn delete_many(store: &dyn Store) -> Outcome {
    let keys: Vec<String> = (0..5).map(|index| unique(&format!("bulk-{index}"))).collect();
    all(store, keys.iter().map(|key| put(key, "there")).collect()).await?;
    all(store, keys.iter().map(|key| delete(key)).collect()).await?;
    let items = store.get_many(&keys).await?;
    equal("the items", &items, &vec![None; keys.len()])
}

async fn ordered_transaction(store: &dyn Store) -> Outcome {
    let [one, two, three] = ["one", "two", "three"].map(unique);
    write(store, put(&one, "1")).await?;
    let changes = vec![delete(&one), put(&two, "2"), delete(&two), put(&three, "3"), put(&three, "three")];
    transact(store, changes).await?;
    value_is(store, &one, None).await?;
    value_is(store, &two, None).await?;
    value_is(store, &three, Some("three")).await?;
    transact(store, vec![put(&one, "again"), delete(&three)]).await?;
    value_is(store, &one, Some("again")).await?;
    value_is(store, &three, None).await
}

async fn transaction_of_absent(store: &dyn Store) -> Outcome {
    Ok(transact(store, vec![delete(&unique("never"))]).await?)
}

async fn all_or_nothing(store: &dyn Store) -> Outcome {
    let [first, guarded, last] = ["first", "guarded", "last"].map(unique);
    let stale = stale_etag(store, &guarded, "kept").await?;
    let changes =
        vec![put(&first, "1"), put_if(&guarded, "2", Precondition::Matches(stale)), put(&last, "3")];
    mismatch("the transaction", &transact(store, changes).await)?;
    value_is(store, &first, None).await?;
    value_is(store, &guarded, Some("kept")).await?;
    value_is(store, &last, None).await
}

async fn later_sees_earlier(store: &dyn Store) -> Outcome {
    let key = unique("twice");
    let twice = vec![put(&key, "1"), put_if(&key, "2", Precondition::Absent)];
    mismatch("a first write after a write", &transact(store, twice).await)?;
    value_is(store, &key, None).await?;
    write(store, put(&key, "0")).await?;
    transact(store, vec![delete(&key), put_if(&key, "3", Precondition::Absent)]).await?;
    value_is(store, &key, Some("3")).await
}

async fn new_etag(store: &dyn Store) -> Outcome {
    let key = unique("etag");
    write(store, put(&key, "1")).await?;
    let item = present(store, &key).await?;
    ensure(!item.etag.0.is_empty(), "the etag is empty")?;
    let items = store.get_many(std::slice::from_ref(&key)).await?;
    equal(
        "the etag read in bulk",
        &items.into_iter().flatten().next().map(|item| item.etag),
        &Some(item.etag),
    )
}

async fn etag_checked(store: &dyn Store) -> Outcome {
    let key = unique("etag");
    let stale = stale_etag(store, &key, "kept").await?;
    let before = present(store, &key).await?;
    let refused = write(store, put_if(&key, "lost", Precondition::Matches(stale))).await;
    mismatch("a write with a stale etag", &refused)?;
    equal("the item", &present(store, &key).await?, &before)?;
    write(store, put_if(&key, "new", Precondition::Matches(before.etag.clone()))).await?;
    let after = present(store, &key).await?;
    equal("the value", &after.value, &Bytes::from_static(b"new"))?;
    ensure(after.etag != before.etag, "the etag did not change")
}

async fn own_verdicts(store: &dyn Store) -> Outcome {
    let [wrong, right] = ["wrong", "right"].map(unique);
    let stale = stale_etag(store, &wrong, "kept").await?;
    write(store, put(&right, "before")).await?;
    let (kept, etag) = (present(store, &wrong).await?, present(store, &right).await?.etag);
    let changes = vec![
        put_if(&wrong, "lost", Precondition::Matches(stale.clone())),
        put_if(&right, "after", Precondition::Matches(etag)),
    ];
    let verdicts = store.write_each(changes).await;
    equal("the number of verdicts", &verdicts.len(), &2)?;
    ensure(
        matches!(&verdicts[0], Err(WriteError::Mismatch { key }) if *key == wrong),
        format_args!("the first verdict is {:?}, expected a mismatch on {wrong}", verdicts[0]),
    )?;
    ensure(verdicts[1].is_ok(), format_args!("the second verdict is {:?}", verdicts[1]))?;
    equal("the guarded item", &present(store, &wrong).await?, &kept)?;
    value_is(store, &right, Some("after")).await?;
    let etag = present(store, &right).await?.etag;
    let deletes =
        vec![delete_if(&wrong, Precondition::Matches(stale)), delete_if(&right, Precondition::Matches(etag))];
    let verdicts = store.write_each(deletes).await;
    mismatch("the first delete", &verdicts[0])?;
    ensure(verdicts[1].is_ok(), format_args!("the second delete: {:?}", verdicts[1]))?;
    equal("the guarded item", &present(store, &wrong).await?, &kept)?;
    value_is(store, &right, None).await
}

async fn delete_checked(store: &dyn Store) -> Outcome {
    let key = unique("etag");
    let stale = stale_etag(store, &key, "kept").await?;
    let refused = write(store, delete_if(&key, Precondition::Matches(stale))).await;
    mismatch("a delete with a stale etag", &refused)?;
    let etag = present(store, &key).await?.etag;
    write(store, delete_if(&key, Precondition::Matches(etag))).await?;
    value_is(store, &key, None).await
}

async fn etag_on_absent(store: &dyn Store) -> Outcome {
    let key = unique("etag");
    write(store, put(&key, "1")).await?;
    let etag = present(store, &key).await?.etag;
    write(store, delete(&key)).await?;
    let write_it = write(store, put_if(&key, "2", Precondition::Matches(etag.clone()))).await;
    mismatch("a write", &write_it)?;
    mismatch("a delete", &write(store, delete_if(&key, Precondition::Matches(etag))).await)?;
    value_is(store, &key, None).await
}

async fn first_write(store: &dyn Store) -> Outcome {
    let key = unique("first");
    write(store, put_if(&key, "first", Precondition::Absent)).await?;
    let second = write(store, put_if(&key, "second", Precondition::Absent)).await;
    mismatch("the second first write", &second)?;
    let etag = present(store, &key).await?.etag;
    write(store, put_if(&key, "third", Precondition::Matches(etag.clone()))).await?;
    let fourth = write(store, put_if(&key, "fourth", Precondition::Matches(etag))).await;
    mismatch("a write with the old etag", &fourth)?;
    value_is(store, &key, Some("third")).await
}

async fn concurrent_first_writes(store: &dyn Store) -> Outcome {
    let key = unique("race");
    let writes = [0; 8].map(|_| ()).into_iter().enumerate().map(|(index, ())| {
        let change = put_if(&key, &index.to_string(), Precondition::Absent);
        store.write_each(vec![change])
    });
    let mut won = 0;
    for verdicts in join_all(writes.collect()).await {
        won += verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    }
    equal("the number of winners", &won, &1)
}

/// Polls all futures until each is done.
async fn join_all<T>(mut futures: Vec<crate::PortFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn expires(store: &dyn Store) -> Outcome {
    let key = unique("ttl");
    write(store, put_for(&key, "short", Duration::from_secs(1))).await?;
    value_is(store, &key, Some("short")).await?;
    let gone = || async { Ok(store.get(&key).await?.is_none()) };
    eventually("the value is gone", Duration::from_secs(4), gone).await?;
    let keys = [key.clone()];
    equal("the bulk read", &store.get_many(&keys).await?, &vec![None])
}

async fn expiry_reported(store: &dyn Store) -> Outcome {
    let (timed, forever) = (unique("ttl"), unique("ttl"));
    all(store, vec![put_for(&timed, "1", Duration::from_hours(1)), put(&forever, "2")]).await?;
    let items = store.get_many(&[timed.clone(), forever.clone()]).await?;
    for item in [Some(present(store, &timed).await?), items[0].clone()].into_iter().flatten() {
        let expires = item.expires.ok_or_else(|| Broken("no expiry is reported".to_owned()))?;
        let left = expires.duration_since(now())?.as_secs();
        ensure((3500..=3601).contains(&left), format_args!("the expiry is {left} s away, expected 3600"))?;
    }
    equal("the expiry of a value without", &present(store, &forever).await?.expires, &None)
}

#[expect(clippy::disallowed_methods, reason = "expiry is reported in wall time")]
fn now() -> SystemTime {
    SystemTime::now()
}

async fn expiry_removed(store: &dyn Store) -> Outcome {
    let (key, marker) = (unique("ttl"), unique("ttl"));
    let ttl = Duration::from_secs(1);
    all(store, vec![put_for(&key, "1", ttl), put(&key, "2"), put_for(&marker, "gone", ttl)]).await?;
    let gone = || async { Ok(store.get(&marker).await?.is_none()) };
    eventually("the marker is gone", Duration::from_secs(4), gone).await?;
    let item = present(store, &key).await?;
    equal("the value", &item.value, &Bytes::from_static(b"2"))?;
    equal("the expiry", &item.expires, &None)
}

async fn expired_is_absent(store: &dyn Store) -> Outcome {
    let key = unique("ttl");
    write(store, put_for(&key, "1", Duration::from_secs(1))).await?;
    let etag = present(store, &key).await?.etag;
    let gone = || async { Ok(store.get(&key).await?.is_none()) };
    eventually("the value is gone", Duration::from_secs(4), gone).await?;
    let late = write(store, put_if(&key, "2", Precondition::Matches(etag))).await;
    mismatch("a write with the expired value's etag", &late)?;
    write(store, put_if(&key, "3", Precondition::Absent)).await?;
    value_is(store, &key, Some("3")).await
}
