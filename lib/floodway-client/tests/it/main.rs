//! The client over real sockets: what it sends, and what it makes of answers.

mod server;

use std::time::Duration;

use expect_test::{Expect, expect};
use floodway_client::{Client, Error, Etag, Method, Operation, Removal, StatusCode, Unlocked, Write};

use crate::server::{Server, answer};

/// Calls a server that gives `answer`, and compares what it was sent.
async fn check<R>(answer: String, call: impl AsyncFnOnce(Client) -> R, sent: Expect) -> R {
    let server = Server::start(vec![answer]).await;
    let result = call(Client::new(server.address)).await;
    sent.assert_eq(&server.sent().await.join("\n"));
    result
}

#[tokio::test]
async fn reads_a_value_and_its_version() {
    let found = check(
        answer(200, "etag: 7\r\n", "[1,2]"),
        async |client| client.state("cart s").get::<Vec<u8>>("key/1").await,
        expect!["GET /v1.0/state/cart%20s/key%2F1"],
    );
    let found = found.await.unwrap().unwrap();
    assert_eq!((found.value, found.etag), (vec![1, 2], Etag("7".into())));
}

#[tokio::test]
async fn an_absent_key_is_nothing() {
    let found = check(
        answer(204, "", ""),
        async |client| client.state("carts").get::<u8>("none").await,
        expect!["GET /v1.0/state/carts/none"],
    );
    assert_eq!(found.await.unwrap(), None);
}

#[tokio::test]
async fn a_lost_race_is_a_mismatch() {
    let saved = check(
        answer(409, "", r#"{"errorCode":"ERR_STATE_SAVE","message":"possible etag mismatch"}"#),
        async |client| client.state("carts").save(&[Write::new("a", &1).unwrap().if_absent()]).await,
        expect![[
            r#"POST /v1.0/state/carts [{"key":"a","value":1,"options":{"concurrency":"first-write"}}]"#
        ]],
    );
    assert!(saved.await.unwrap_err().is_mismatch());
}

#[tokio::test]
async fn transacts_in_order() {
    let operations =
        [Operation::Delete(Removal::new("a")), Operation::Upsert(Write::new("a", &"x").unwrap())];
    let done = check(
        answer(204, "", ""),
        async |client| client.state("carts").transact(&operations).await,
        expect![[
            r#"POST /v1.0/state/carts/transaction {"operations":[{"operation":"delete","request":{"key":"a"}},{"operation":"upsert","request":{"key":"a","value":"x"}}]}"#
        ]],
    );
    done.await.unwrap();
}

#[tokio::test]
async fn deletes_only_the_version_it_was_given() {
    let done = check(
        answer(204, "", ""),
        async |client| client.state("carts").delete(&Removal::new("a").if_matches(&Etag("7".into()))).await,
        expect!["DELETE /v1.0/state/carts/a?concurrency=first-write if-match: 7"],
    );
    done.await.unwrap();
}

#[tokio::test]
async fn publishes_to_topics_with_slashes() {
    let done = check(
        answer(204, "", ""),
        async |client| client.publish("events", "orders/new ones", &7).await,
        expect!["POST /v1.0/publish/events/orders/new%20ones 7"],
    );
    done.await.unwrap();
}

#[tokio::test]
async fn hands_on_what_the_callee_answered() {
    let reply = check(
        answer(409, "", r#"{"title":"sold out"}"#),
        async |client| client.invoke("inventory", Method::POST, "reservations?dry=1", Some(&[1])).await,
        expect!["POST /v1.0/invoke/inventory/method/reservations?dry=1 [1]"],
    );
    let reply = reply.await.unwrap();
    assert_eq!(reply.status, StatusCode::CONFLICT);
    assert_eq!(reply.json::<serde_json::Value>().unwrap()["title"], "sold out");
}

#[tokio::test]
async fn takes_a_lock_with_its_fencing_token() {
    let grant = check(
        answer(200, "", r#"{"success":true,"fencingToken":41}"#),
        async |client| client.try_lock("default", "till", "me", Duration::from_millis(1500)).await,
        expect![[
            r#"POST /v1.0-alpha1/lock/default {"resourceId":"till","lockOwner":"me","expiryInSeconds":2}"#
        ]],
    );
    assert_eq!(grant.await.unwrap().unwrap().fencing_token, Some(41));
}

#[tokio::test]
async fn waits_for_a_lock_and_holds_on_to_it() {
    let granted = check(
        answer(200, "", r#"{"success":true,"fencingToken":8}"#),
        async |client| {
            client.lock("default", "till", "me", Duration::from_secs(1), Duration::from_millis(2500)).await
        },
        expect![[
            r#"POST /v1.0-alpha1/lock/default {"resourceId":"till","lockOwner":"me","expiryInSeconds":1,"waitInSeconds":2.5}"#
        ]],
    );
    assert_eq!(granted.await.unwrap().unwrap().fencing_token, Some(8));
    let renewed = check(
        answer(200, "", r#"{"status":2}"#),
        async |client| client.renew("default", "till", "me", Duration::from_secs(1)).await,
        expect![[
            r#"POST /v1.0-floodway/lock/default/renew {"resourceId":"till","lockOwner":"me","expiryInSeconds":1}"#
        ]],
    );
    assert_eq!(renewed.await.unwrap(), Unlocked::NotOwner);
}

#[tokio::test]
async fn a_held_lock_is_not_granted() {
    let grant = check(
        answer(200, "", r#"{"success":false}"#),
        async |client| client.try_lock("default", "till", "me", Duration::from_secs(1)).await,
        expect![[
            r#"POST /v1.0-alpha1/lock/default {"resourceId":"till","lockOwner":"me","expiryInSeconds":1}"#
        ]],
    );
    assert_eq!(grant.await.unwrap(), None);
}

#[tokio::test]
async fn says_what_became_of_an_unlock() {
    let unlocked = check(
        answer(200, "", r#"{"status":2}"#),
        async |client| client.unlock("default", "till", "me").await,
        expect![[r#"POST /v1.0-alpha1/unlock/default {"resourceId":"till","lockOwner":"me"}"#]],
    );
    assert_eq!(unlocked.await.unwrap(), Unlocked::NotOwner);
}

#[tokio::test]
async fn shows_its_token() {
    let done = check(
        answer(204, "", ""),
        async |client| client.with_token("secret").unwrap().publish("events", "orders", &7).await,
        expect!["POST /v1.0/publish/events/orders dapr-api-token: secret 7"],
    );
    done.await.unwrap();
}

#[tokio::test]
async fn keeps_its_connection() {
    let server = Server::start(vec![answer(204, "", ""), answer(204, "", "")]).await;
    let client = Client::new(server.address);
    client.publish("events", "orders", &1).await.unwrap();
    client.clone().publish("events", "orders", &2).await.unwrap();
    // The server takes one connection only.
    assert_eq!(server.sent().await.len(), 2);
}

#[tokio::test]
async fn gives_up_after_its_timeout() {
    let server = Server::start(vec![]).await;
    let client = Client::new(server.address).with_timeout(Duration::from_millis(20));
    let error = client.publish("events", "orders", &1).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn says_when_nobody_listens() {
    let address = Server::start(vec![]).await.stop().await;
    let error = Client::new(address).publish("events", "orders", &1).await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn says_when_the_answer_breaks_off() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[1,".to_owned();
    let server = Server::start(vec![half]).await;
    let store = Client::new(server.address).state("carts");
    let error = store.get::<Vec<u8>>("a").await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
}
