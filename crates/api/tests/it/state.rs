use std::time::Duration;

use crate::support::{api, api_with, error_of, is_rich};

#[test]
fn a_value_is_kept_as_it_was_written() {
    let api = api();
    let value = r#"{"n":12345678901234567890.10,"t":"ü"}"#;
    let saved = api.send("POST", "/v1.0/state/plain", &format!(r#"[{{"key":"a","value":{value}}}]"#));
    assert_eq!((saved.status, saved.body.len()), (204, 0));
    let got = api.get("/v1.0/state/plain/a");
    assert_eq!((got.status, got.text().as_str()), (200, value));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.header("etag").is_some_and(|etag| !etag.is_empty() && !etag.contains('"')));
}

#[test]
fn an_absent_key_is_204_and_removing_it_too() {
    let api = api();
    assert_eq!(api.get("/v1.0/state/plain/none").status, 204);
    assert_eq!(api.send("DELETE", "/v1.0/state/plain/none", "").status, 204);
    assert_eq!(api.send("PUT", "/v1.0/state/plain?", "[]").status, 204);
}

#[test]
fn a_write_with_an_old_etag_is_409() {
    let api = api();
    let save = |etag: &str, value: u32| {
        let body = format!(r#"[{{"key":"a","value":{value},"etag":"{etag}","options":{{}}}}]"#);
        api.send("POST", "/v1.0/state/plain", &body)
    };
    assert_eq!(save("", 1).status, 204);
    let old = api.get("/v1.0/state/plain/a").header("etag").expect("an etag").to_owned();
    assert_eq!(save(&old, 2).status, 204);
    assert_eq!(error_of(&save(&old, 3)), (409, "ERR_STATE_SAVE".to_owned()));
    let removed = api.send_with("DELETE", "/v1.0/state/plain/a", &[("if-match", &old)], "");
    assert_eq!(error_of(&removed), (409, "ERR_STATE_DELETE".to_owned()));
    assert_eq!(api.get("/v1.0/state/plain/a").text(), "2");
    let new = api.get("/v1.0/state/plain/a").header("etag").expect("an etag").to_owned();
    assert_eq!(api.send_with("DELETE", "/v1.0/state/plain/a", &[("if-match", &new)], "").status, 204);
    assert_eq!(api.get("/v1.0/state/plain/a").status, 204);
}

#[test]
fn the_first_write_wins_where_asked() {
    let api = api();
    let body = r#"[{"key":"a","value":1,"options":{"concurrency":"first-write"}}]"#;
    assert_eq!(api.send("POST", "/v1.0/state/plain", body).status, 204);
    assert_eq!(api.send("POST", "/v1.0/state/plain", body).status, 409);
}

#[test]
fn a_bulk_read_has_an_item_for_each_key() {
    let api = api();
    api.send("POST", "/v1.0/state/plain", r#"[{"key":"a","value":1.50},{"key":"b","value":"x"}]"#);
    let got = api.send("POST", "/v1.0/state/plain/bulk", r#"{"keys":["b","none","a"],"parallelism":3}"#);
    assert_eq!(got.status, 200);
    let text = got.text();
    assert!(text.starts_with(r#"[{"key":"b","data":"x","etag":""#), "{text}");
    assert!(text.contains(r#"},{"key":"none"},{"key":"a","data":1.50,"#), "{text}");
}

#[test]
fn a_time_to_live_is_told_kept_and_removed() {
    let api = api();
    let save = |ttl: &str| {
        let body = format!(r#"[{{"key":"a","value":1,"metadata":{{"ttlInSeconds":"{ttl}"}}}}]"#);
        api.send("POST", "/v1.0/state/plain", &body).status
    };
    assert_eq!(save("3600"), 204);
    assert!(
        api.get("/v1.0/state/plain/a").header("metadata.ttlexpiretime").is_some_and(|t| t.ends_with('Z'))
    );
    assert_eq!(save("-1"), 204);
    assert_eq!(api.get("/v1.0/state/plain/a").header("metadata.ttlexpiretime"), None);
    assert_eq!(save("foo"), 400);
    assert_eq!(save("1"), 204);
    floodway_kit::eventually_blocking(Duration::from_secs(4), "it is gone", || {
        api.get("/v1.0/state/plain/a").status == 204
    });
}

#[test]
fn a_transaction_is_made_in_order_and_whole() {
    let api = api();
    api.send("POST", "/v1.0/state/plain", r#"[{"key":"k1","value":1}]"#);
    let body = r#"{"operations":[
        {"operation":"delete","request":{"key":"k1"}},
        {"operation":"upsert","request":{"key":"k2","value":2}},
        {"operation":"delete","request":{"key":"k2"}},
        {"operation":"upsert","request":{"key":"k3","value":3}}]}"#;
    assert_eq!(api.send("POST", "/v1.0/state/plain/transaction", body).status, 204);
    let statuses = ["k1", "k2", "k3"].map(|key| api.get(&format!("/v1.0/state/plain/{key}")).status);
    assert_eq!(statuses, [204, 204, 200]);
    let lost = r#"{"operations":[
        {"operation":"upsert","request":{"key":"k4","value":4}},
        {"operation":"upsert","request":{"key":"k3","value":5,"etag":"1"}}]}"#;
    let lost = api.send("POST", "/v1.0/state/plain/transaction", lost);
    assert_eq!(error_of(&lost), (409, "ERR_STATE_TRANSACTION".to_owned()));
    assert_eq!(api.get("/v1.0/state/plain/k4").status, 204);
    let unknown = r#"{"operations":[{"operation":"increment","request":{"key":"k"}}]}"#;
    let unknown = api.send("POST", "/v1.0/state/plain/transaction", unknown);
    assert_eq!(error_of(&unknown), (400, "ERR_NOT_SUPPORTED_STATE_OPERATION".to_owned()));
    assert_eq!(api.send("POST", "/v1.0/state/plain/transaction", r#"{"operations":[]}"#).status, 204);
}

#[test]
fn a_lost_race_can_answer_as_dapr_does() {
    let transaction_mismatch = http::StatusCode::INTERNAL_SERVER_ERROR;
    let options =
        floodway_api::ServerOptions { transaction_mismatch, ..floodway_api::ServerOptions::default() };
    let api = api_with(&[], options, None);
    let body = r#"{"operations":[{"operation":"upsert","request":{"key":"k","value":5,"etag":"1"}}]}"#;
    let lost = api.send("POST", "/v1.0/state/plain/transaction", body);
    assert_eq!(error_of(&lost), (500, "ERR_STATE_TRANSACTION".to_owned()));
}

#[test]
fn what_is_wrong_is_named_in_daprs_words() {
    let api = api();
    let unknown = api.get("/v1.0/state/other/a");
    assert_eq!(error_of(&unknown), (400, "ERR_STATE_STORE_NOT_FOUND".to_owned()));
    assert!(is_rich(&unknown));
    let illegal = api.get("/v1.0/state/plain/a%7C%7Cb");
    assert_eq!(error_of(&illegal), (400, "ERR_MALFORMED_REQUEST".to_owned()));
    assert!(is_rich(&illegal));
    for body in ["", "{", r#"[{"value":1}]"#, r#"[{"key":"","value":1}]"#, r#"{"key":"a"}"#] {
        let answer = api.send("POST", "/v1.0/state/plain", body);
        assert_eq!(error_of(&answer), (400, "ERR_MALFORMED_REQUEST".to_owned()), "{body}");
        assert!(!is_rich(&answer));
    }
}
