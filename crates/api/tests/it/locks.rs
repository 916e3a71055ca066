use std::time::Duration;

use serde_json::Value;

use crate::support::{api, error_of};

#[test]
fn a_lock_is_held_by_one_owner_until_it_is_given_back_or_runs_out() {
    let api = api();
    let lock = |resource: &str, owner: &str, seconds: u32| -> Value {
        let body =
            format!(r#"{{"resourceId":"{resource}","lockOwner":"{owner}","expiryInSeconds":{seconds}}}"#);
        let answer = api.send("POST", "/v1.0-alpha1/lock/locks", &body);
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).expect("JSON")
    };
    let unlock = |resource: &str, owner: &str| {
        let body = format!(r#"{{"resourceId":"{resource}","lockOwner":"{owner}"}}"#);
        api.send("POST", "/v1.0-alpha1/unlock/locks", &body).text()
    };
    let first = lock("a", "one", 60);
    assert_eq!(first["success"], true);
    let token = first["fencingToken"].as_u64().expect("a token");
    assert_eq!(lock("a", "one", 60), serde_json::json!({"success": false}), "not even for its owner");
    assert_eq!(unlock("b", "one"), r#"{"status":1}"#);
    assert_eq!(unlock("a", "two"), r#"{"status":2}"#);
    assert_eq!(unlock("a", "one"), r#"{"status":0}"#);
    let second = lock("a", "two", 1);
    assert!(second["fencingToken"].as_u64().expect("a token") > token);
    floodway_kit::eventually_blocking(Duration::from_secs(4), "it runs out", || {
        lock("a", "three", 60)["success"] == true
    });
}

#[test]
fn what_is_wrong_is_named_in_daprs_words() {
    let api = api();
    let body = r#"{"resourceId":"a","lockOwner":"b","expiryInSeconds":1}"#;
    let unknown = api.send("POST", "/v1.0-alpha1/lock/other", body);
    assert_eq!(error_of(&unknown), (400, "ERR_LOCK_STORE_NOT_FOUND".to_owned()));
    for body in [
        r#"{"lockOwner":"b","expiryInSeconds":1}"#,
        r#"{"resourceId":"a","expiryInSeconds":1}"#,
        r#"{"resourceId":"a","lockOwner":"b","expiryInSeconds":0}"#,
        r#"{"resourceId":"a","lockOwner":"b","expiryInSeconds":-3}"#,
        "nonsense",
    ] {
        let answer = api.send("POST", "/v1.0-alpha1/lock/locks", body);
        assert_eq!(error_of(&answer), (400, "ERR_MALFORMED_REQUEST".to_owned()), "{body}");
    }
}

#[test]
fn who_waits_has_a_lock_once_it_is_given_back() {
    let api = api();
    let lock = |owner: &str, wait: &str| {
        let body = format!(
            r#"{{"resourceId":"a","lockOwner":"{owner}","expiryInSeconds":60,"waitInSeconds":{wait}}}"#
        );
        let answer = api.send("POST", "/v1.0-alpha1/lock/locks", &body);
        serde_json::from_slice::<serde_json::Value>(&answer.body).expect("JSON")
    };
    let ask = |path: &str, owner: &str| {
        let body = format!(r#"{{"resourceId":"a","lockOwner":"{owner}","expiryInSeconds":60}}"#);
        api.send("POST", path, &body).text()
    };
    let (renew, unlock) = ("/v1.0-floodway/lock/locks/renew", "/v1.0-alpha1/unlock/locks");
    assert_eq!(ask(renew, "one"), r#"{"status":1}"#);
    let first = lock("one", "0")["fencingToken"].as_u64().expect("a token");
    assert_eq!(lock("two", "0.05"), serde_json::json!({"success": false}));
    assert_eq!((ask(renew, "one"), ask(renew, "two")), (r#"{"status":0}"#.into(), r#"{"status":2}"#.into()));
    std::thread::scope(|threads| {
        let waiting = threads.spawn(|| lock("two", "10"));
        assert_eq!(ask(unlock, "two"), r#"{"status":2}"#);
        assert_eq!(ask(unlock, "one"), r#"{"status":0}"#);
        let second = waiting.join().expect("an answer");
        assert!(second["fencingToken"].as_u64() > Some(first), "{second}");
    });
    for wrong in ["-1", "3601", "1e300"] {
        assert_eq!(lock("one", wrong)["errorCode"], "ERR_MALFORMED_REQUEST", "{wrong}");
    }
}
