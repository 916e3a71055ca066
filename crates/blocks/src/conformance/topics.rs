//! Cases of the topics port.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::clock::wall;
use super::{Broken, Outcome, case, ensure, equal, unique};
use crate::topics::{Forget, KEY_MAX, Once, Outgoing, Received, Settlement, Subscription, Topics};

/// Runs all cases of the topics port. Panics with the name of the first that does not hold.
pub async fn topics(topics: &dyn Topics) {
    case("delivers_in_order", in_order(topics)).await;
    case("delivers_a_batch", batch(topics)).await;
    case("delivers_at_most_as_many_as_asked_for", at_most(topics)).await;
    case("a_waiting_receiver_is_woken", woken(topics)).await;
    case("each_group_gets_every_message", each_group(topics)).await;
    case("each_topic_has_its_own_messages", own_messages(topics)).await;
    case("the_first_group_has_all_that_is_kept_and_a_later_one_what_follows", starts_when_opened(topics))
        .await;
    case("unsettled_messages_come_again_after_reopening", come_again(topics)).await;
    case("settled_messages_do_not_come_again", stay_settled(topics)).await;
    case("a_closed_subscription_leaves_the_others_working", close_one(topics)).await;
    case("a_dead_letter_moves_to_its_topic", dead_letter(topics)).await;
    case("a_cancelled_receive_loses_nothing", cancelled(topics)).await;
    case("settling_twice_changes_nothing", twice(topics)).await;
    case("an_expiry_travels_with_the_message", expiry(topics)).await;
    case("a_key_travels_with_the_message", key(topics)).await;
    case("a_message_for_later_comes_when_it_is_due", later(topics)).await;
    case("a_message_is_published_once_within_its_time", once(topics)).await;
    case("a_forgotten_group_begins_anew", forgotten(topics)).await;
}

type Open = Box<dyn Subscription>;

/// How long nothing must arrive before it counts as silence.
const SILENCE: Duration = Duration::from_millis(200);

fn message(text: impl AsRef<str>) -> Outgoing {
    Outgoing::new(Bytes::copy_from_slice(text.as_ref().as_bytes()))
}

async fn publish(topics: &dyn Topics, topic: &str, texts: impl IntoIterator<Item = String>) -> Outcome {
    for text in texts {
        topics.publish(topic, vec![message(text)]).await?;
    }
    Ok(())
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("message {index}")).collect()
}

/// Receives this many messages without settling them.
async fn receive(subscription: &mut Open, count: usize) -> Result<Vec<Received>, Broken> {
    let mut messages = Vec::new();
    while messages.len() < count {
        messages.extend(subscription.receive(count - messages.len()).await?);
    }
    Ok(messages)
}

async fn consume(subscription: &mut Open, count: usize) -> Result<Vec<String>, Broken> {
    let messages = receive(subscription, count).await?;
    for message in &messages {
        subscription.settle(message.position, Settlement::Done).await?;
    }
    Ok(read(&messages))
}

fn read(messages: &[Received]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}

async fn is_silent(subscription: &mut Open) -> Outcome {
    match tokio::time::timeout(SILENCE, subscription.receive(1)).await {
        Err(_elapsed) => Ok(()),
        Ok(messages) => Err(Broken(format!("{:?} arrived, expected nothing", read(&messages?)))),
    }
}

async fn in_order(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    publish(topics, &topic, texts(10)).await?;
    let messages = receive(&mut group, 10).await?;
    equal("the messages", &read(&messages), &texts(10))?;
    let ascending = messages.windows(2).all(|pair| pair[0].position < pair[1].position);
    ensure(ascending, "the positions do not grow")
}

async fn batch(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    topics.publish(&topic, texts(50).into_iter().map(message).collect()).await?;
    equal("the messages", &consume(&mut group, 50).await?, &texts(50))?;
    topics.publish(&topic, Vec::new()).await?;
    is_silent(&mut group).await
}

async fn at_most(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    topics.publish(&topic, texts(10).into_iter().map(message).collect()).await?;
    let first = group.receive(3).await?;
    ensure((1..=3).contains(&first.len()), format_args!("{} messages, expected 1 to 3", first.len()))?;
    let rest = receive(&mut group, 10 - first.len()).await?;
    equal("all messages", &[read(&first), read(&rest)].concat(), &texts(10))
}

async fn woken(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    let waiting = consume(&mut group, 1);
    let publishing = async {
        tokio::task::yield_now().await;
        publish(topics, &topic, texts(1)).await
    };
    let (found, published) = tokio::join!(waiting, publishing);
    published?;
    equal("the messages", &found?, &texts(1))
}

async fn each_group(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut one = topics.subscribe(&topic, "one").await?;
    let mut two = topics.subscribe(&topic, "two").await?;
    publish(topics, &topic, texts(10)).await?;
    equal("the messages of one", &consume(&mut one, 10).await?, &texts(10))?;
    equal("the messages of two", &consume(&mut two, 10).await?, &texts(10))
}

async fn own_messages(topics: &dyn Topics) -> Outcome {
    let (left, right) = (unique("topic"), unique("topic"));
    let mut from_left = topics.subscribe(&left, "group").await?;
    let mut from_right = topics.subscribe(&right, "group").await?;
    for index in 0..10 {
        publish(topics, &left, [format!("left {index}")]).await?;
        publish(topics, &right, [format!("right {index}")]).await?;
    }
    let expected = |side: &str| (0..10).map(|index| format!("{side} {index}")).collect::<Vec<_>>();
    equal("the left messages", &consume(&mut from_left, 10).await?, &expected("left"))?;
    equal("the right messages", &consume(&mut from_right, 10).await?, &expected("right"))?;
    is_silent(&mut from_left).await
}

async fn starts_when_opened(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    publish(topics, &topic, ["before all".to_owned()]).await?;
    let mut first = topics.subscribe(&topic, "first").await?;
    equal("what was there", &consume(&mut first, 1).await?, &vec!["before all".to_owned()])?;
    let mut group = topics.subscribe(&topic, "group").await?;
    publish(topics, &topic, texts(2)).await?;
    equal("the messages", &consume(&mut group, 2).await?, &texts(2))?;
    drop(group);
    publish(topics, &topic, ["while away".to_owned()]).await?;
    let mut group = topics.subscribe(&topic, "group").await?;
    equal("the message", &consume(&mut group, 1).await?, &vec!["while away".to_owned()])
}

async fn come_again(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    publish(topics, &topic, texts(4)).await?;
    let messages = receive(&mut group, 4).await?;
    group.settle(messages[1].position, Settlement::Done).await?;
    group.settle(messages[2].position, Settlement::Done).await?;
    drop(group);
    let mut group = topics.subscribe(&topic, "group").await?;
    let again = receive(&mut group, 2).await?;
    equal("the messages", &read(&again), &vec!["message 0".to_owned(), "message 3".to_owned()])?;
    is_silent(&mut group).await
}

async fn stay_settled(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    publish(topics, &topic, texts(10)).await?;
    consume(&mut group, 10).await?;
    is_silent(&mut group).await?;
    drop(group);
    is_silent(&mut topics.subscribe(&topic, "group").await?).await
}

async fn close_one(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let one = topics.subscribe(&topic, "one").await?;
    let mut two = topics.subscribe(&topic, "two").await?;
    drop(one);
    publish(topics, &topic, texts(3)).await?;
    equal("the messages of two", &consume(&mut two, 3).await?, &texts(3))
}

async fn dead_letter(topics: &dyn Topics) -> Outcome {
    let (topic, dead) = (unique("topic"), unique("dead"));
    let mut group = topics.subscribe(&topic, "group").await?;
    let mut letters = topics.subscribe(&dead, "group").await?;
    publish(topics, &topic, texts(3)).await?;
    let messages = receive(&mut group, 3).await?;
    group.settle(messages[1].position, Settlement::DeadLetter { topic: dead.clone() }).await?;
    let buried = receive(&mut letters, 1).await?;
    equal("the dead letters", &read(&buried), &vec!["message 1".to_owned()])?;
    equal("their expiry", &buried[0].expires, &None)?;
    letters.settle(buried[0].position, Settlement::Done).await?;
    drop(group);
    let mut group = topics.subscribe(&topic, "group").await?;
    let again: BTreeSet<String> = read(&receive(&mut group, 2).await?).into_iter().collect();
    equal("what comes again", &again, &BTreeSet::from(["message 0".to_owned(), "message 2".to_owned()]))?;
    is_silent(&mut letters).await
}

async fn cancelled(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    for index in 0..20 {
        let expected = format!("message {index}");
        // Cancelled while the message arrives, unless it is there first.
        let early = tokio::select! {
            biased;
            messages = group.receive(1) => Some(messages?),
            published = publish(topics, &topic, [expected.clone()]) => published.map(|()| None)?,
        };
        let messages = match early {
            Some(messages) => messages,
            None => receive(&mut group, 1).await?,
        };
        equal("the messages", &read(&messages), &vec![expected])?;
        group.settle(messages[0].position, Settlement::Done).await?;
    }
    Ok(())
}

async fn twice(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    publish(topics, &topic, texts(2)).await?;
    let messages = receive(&mut group, 2).await?;
    group.settle(messages[0].position, Settlement::Done).await?;
    group.settle(messages[0].position, Settlement::Done).await?;
    drop(group);
    let mut group = topics.subscribe(&topic, "group").await?;
    equal("what comes again", &read(&receive(&mut group, 1).await?), &vec!["message 1".to_owned()])
}

async fn expiry(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    let expires = std::time::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let outgoing = Outgoing { expires: Some(expires), ..message("dated") };
    topics.publish(&topic, vec![outgoing, message("undated")]).await?;
    let found: Vec<_> = receive(&mut group, 2).await?.iter().map(|message| message.expires).collect();
    equal("the expiries", &found, &vec![Some(expires), None])
}

async fn key(topics: &dyn Topics) -> Outcome {
    let (topic, dead) = (unique("topic"), unique("dead"));
    let mut group = topics.subscribe(&topic, "group").await?;
    let mut letters = topics.subscribe(&dead, "group").await?;
    let keyed = Outgoing { key: Some("order/1".into()), ..message("keyed") };
    topics.publish(&topic, vec![keyed, message("free")]).await?;
    let messages = receive(&mut group, 2).await?;
    let keys: Vec<_> = messages.iter().map(|message| message.key.as_deref()).collect();
    equal("the keys", &keys, &vec![Some("order/1"), None])?;
    group.settle(messages[0].position, Settlement::DeadLetter { topic: dead.clone() }).await?;
    let buried = receive(&mut letters, 1).await?;
    equal("the dead letter's key", &buried[0].key.as_deref(), &Some("order/1"))?;
    let long = Outgoing { key: Some("k".repeat(KEY_MAX + 1).into()), ..message("long") };
    let refused = topics.publish(&topic, vec![message("with it"), long]).await;
    ensure(refused.is_err(), "a key beyond the bound is taken")?;
    group.settle(messages[1].position, Settlement::Done).await?;
    is_silent(&mut group).await
}

async fn later(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    let mut group = topics.subscribe(&topic, "group").await?;
    let (due, far) = (wall() + SILENCE, Duration::from_hours(1));
    let for_later = |text: &str, due| Outgoing { due: Some(due), key: Some("k".into()), ..message(text) };
    topics.publish(&topic, vec![for_later("never", due + far), for_later("later", due)]).await?;
    topics.publish(&topic, vec![message("now"), for_later("past", due - far)]).await?;
    let was_early = wall() < due;
    let mut messages = Vec::new();
    while messages.len() < 3 {
        let received = receive(&mut group, 1).await?.remove(0);
        let early = due.duration_since(wall()).unwrap_or_default();
        // The wall clock is read in milliseconds.
        let is_early = received.payload == "later" && early > Duration::from_millis(1);
        ensure(!is_early, format_args!("it came {early:?} early"))?;
        messages.push(received);
    }
    let came = read(&messages);
    if was_early {
        equal("the messages", &came, &["now", "past", "later"].map(str::to_owned).to_vec())?;
    }
    let keyed = messages.iter().find(|message| message.payload == "later");
    equal("its key", &keyed.and_then(|message| message.key.as_deref()), &Some("k"))?;
    is_silent(&mut group).await
}

async fn once(topics: &dyn Topics) -> Outcome {
    let (topic, other) = (unique("topic"), unique("topic"));
    let mut group = topics.subscribe(&topic, "group").await?;
    let mut others = topics.subscribe(&other, "group").await?;
    let named =
        |text: &str, id: &str, keep| Outgoing { once: Some(Once { id: id.into(), keep }), ..message(text) };
    let hour = Duration::from_hours(1);
    topics.publish(&topic, vec![named("one", "a", hour), named("two", "a", hour), message("three")]).await?;
    topics.publish(&topic, vec![named("four", "a", hour)]).await?;
    topics.publish(&topic, vec![named("five", "b", hour)]).await?;
    topics.publish(&other, vec![named("six", "a", hour)]).await?;
    equal(
        "the messages",
        &consume(&mut group, 3).await?,
        &["one", "three", "five"].map(str::to_owned).to_vec(),
    )?;
    equal("another topic's", &consume(&mut others, 1).await?, &vec!["six".to_owned()])?;
    is_silent(&mut group).await?;
    topics.publish(&topic, vec![named("before", "c", SILENCE)]).await?;
    consume(&mut group, 1).await?;
    while tokio::time::timeout(SILENCE / 4, group.receive(1)).await.is_err() {
        topics.publish(&topic, vec![named("after", "c", SILENCE)]).await?;
    }
    let long = named("long", &"i".repeat(KEY_MAX + 1), hour);
    ensure(topics.publish(&topic, vec![long]).await.is_err(), "an id beyond the bound is taken")
}

async fn forgotten(topics: &dyn Topics) -> Outcome {
    let topic = unique("topic");
    equal("what was not there", &topics.forget(&topic, "group").await?, &Forget::Unknown)?;
    let mut group = topics.subscribe(&topic, "group").await?;
    let mut other = topics.subscribe(&topic, "other").await?;
    publish(topics, &topic, texts(3)).await?;
    consume(&mut group, 1).await?;
    equal("what is open", &topics.forget(&topic, "group").await?, &Forget::InUse)?;
    equal("what it still gets", &consume(&mut group, 2).await?, &texts(3)[1..].to_vec())?;
    drop(group);
    equal("what is closed", &topics.forget(&topic, "group").await?, &Forget::Done)?;
    equal("what is gone", &topics.forget(&topic, "group").await?, &Forget::Unknown)?;
    let mut group = topics.subscribe(&topic, "group").await?;
    publish(topics, &topic, ["after".to_owned()]).await?;
    equal("what a new group gets", &consume(&mut group, 1).await?, &vec!["after".to_owned()])?;
    equal("what the other gets", &consume(&mut other, 4).await?.len(), &4)
}
