//! The real binary, as far as it goes without a node: its life, and what it answers when the block API
//! is not there.

mod service;

use crate::service::{Service, run};

const ORDER: &str = r#"{"customer":"c","items":[{"sku":"cd-1","quantity":1}],"amount":"11.77"}"#;

#[tokio::test]
async fn is_healthy_and_ends_when_asked() {
    let service = Service::start("order").await;
    assert_eq!(service.request("GET", "/healthz", "", "").await.status, 200);
    assert_eq!(service.terminate().await, Some(0));
}

#[tokio::test]
async fn every_service_says_what_it_subscribes_to() {
    for (name, expected) in [
        ("order", r#"[{"pubsubname":"events","topic":"payments","route":"/events/payments"}]"#),
        ("payment", r#"[{"pubsubname":"events","topic":"orders","route":"/events/orders"}]"#),
    ] {
        let answer = Service::start(name).await.request("GET", "/dapr/subscribe", "", "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected));
    }
    let inventory = Service::start("inventory").await.request("GET", "/dapr/subscribe", "", "").await;
    assert_eq!(inventory.status, 404);
}

#[tokio::test]
async fn refuses_an_order_without_a_key_as_a_problem() {
    let answer = Service::start("order").await.request("POST", "/orders", "", ORDER).await;
    assert_eq!(answer.status, 400);
    assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
    assert!(answer.body.contains("Idempotency-Key is missing"), "{}", answer.body);
}

#[tokio::test]
async fn asks_to_try_again_while_the_block_api_is_away() {
    let service = Service::start("order").await;
    let answer = service.request("POST", "/orders", "Idempotency-Key: k\r\n", ORDER).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
}

#[tokio::test]
async fn wants_events_again_while_the_block_api_is_away() {
    let order = r#"{"id":"7c7a1d4e-93a6-5c39-9f4e-0d5fb0a3a1b2","customer":"c","items":[],"amount_cents":1,"status":"pending"}"#;
    let payment = r#"{"order":"7c7a1d4e-93a6-5c39-9f4e-0d5fb0a3a1b2","amount_cents":1,"status":"captured"}"#;
    for (name, route, data) in [("payment", "/events/orders", order), ("order", "/events/payments", payment)]
    {
        let event = format!(r#"{{"id":"1","data":{data}}}"#);
        let answer = Service::start(name).await.request("POST", route, "", &event).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"RETRY"}"#), "{name}");
    }
}

#[tokio::test]
async fn says_what_its_environment_lacks() {
    let (status, errors) = run(&["order"], &[("DAPR_HTTP_PORT", "1")]).await;
    assert_eq!(status, Some(1));
    assert!(errors.contains("[FW-9001] the environment has no PORT"), "{errors}");

    let (status, errors) = run(&["inventory"], &[("DAPR_HTTP_PORT", "1"), ("INITIAL_STOCK", "cd")]).await;
    assert_eq!(status, Some(1));
    assert!(errors.contains(r#"[FW-9001] INITIAL_STOCK cannot be used: "cd" is no rule"#), "{errors}");
}

#[tokio::test]
async fn an_audit_needs_a_journal_and_an_api() {
    let folder = tempfile::tempdir().unwrap();
    let journal = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let header = "row,status,attempts,latency_us,body\n";
    let bad = journal("bad.csv", "customer,amount\n1,2\n");
    let refused = journal("refused.csv", &format!("{header}1,409,1,300,{{}}\n"));
    for (journal, port, expected_status, expected) in [
        ("no-such-file.csv", "1", 1, "[FW-9002] the journal no-such-file.csv could not be opened"),
        (&bad, "1", 1, "[FW-9002]"),
        (&refused, "many", 1, "[FW-9003]"),
        (&refused, "1", 0, ""),
    ] {
        let (status, errors) = run(&["audit", "--journal", journal], &[("DAPR_HTTP_PORT", port)]).await;
        assert_eq!(status, Some(expected_status), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
}
