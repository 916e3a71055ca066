use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use floodway_api::ServerOptions;
use floodway_kit::Upstream;
use floodway_kit::http::{Connection, get};
use serde_json::{Value, json};

use crate::support::{PATIENCE, api, api_for, api_with, error_of};

#[test]
fn a_time_to_live_beyond_all_calendars_is_refused() {
    let api = api();
    for ttl in ["9223372036854775807", "2147483648", "-2"] {
        let body = format!(r#"[{{"key":"a","value":1,"metadata":{{"ttlInSeconds":"{ttl}"}}}}]"#);
        assert_eq!(error_of(&api.send("POST", "/v1.0/state/plain", &body)).0, 400, "{ttl}");
        let publish = format!("/v1.0/publish/events/a?metadata.ttlInSeconds={ttl}");
        assert_eq!(error_of(&api.send("POST", &publish, "1")).0, 400, "{ttl}");
    }
    let body = r#"{"resourceId":"a","lockOwner":"b","expiryInSeconds":9223372036854775807}"#;
    assert_eq!(error_of(&api.send("POST", "/v1.0-alpha1/lock/locks", body)).0, 400);
    assert_eq!(api.get("/v1.0/healthz").status, 204);
}

#[test]
fn a_transaction_has_a_most_of_operations() {
    let options = ServerOptions { operations_max: 2, ..ServerOptions::default() };
    let api = api_with(&[], options, None);
    let transact = |count: usize| {
        let operation =
            |key| json!({"operation": "upsert", "request": {"key": format!("k{key}"), "value": 1}});
        let operations: Vec<_> = (0..count).map(operation).collect();
        let body = json!({ "operations": operations }).to_string();
        api.send("POST", "/v1.0/state/out/transaction", &body)
    };
    assert_eq!(transact(2).status, 204);
    let refused = transact(3);
    assert_eq!(error_of(&refused), (400, "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS".to_owned()));
    let details = serde_json::from_slice::<Value>(&refused.body).unwrap()["details"].clone();
    assert_eq!(details[0]["reason"], "DAPR_STATE_TOO_MANY_TRANSACTIONS");
    assert_eq!(details[0]["metadata"], json!({"currentOpsTransaction": "3", "maxOpsPerTransaction": "2"}));
    assert_eq!(
        (&details[1]["resource_type"], &details[1]["resource_name"]),
        (&json!("state"), &json!("out"))
    );
    assert_eq!(api.get("/v1.0/state/out/k2").status, 204, "nothing of it was made");
}

#[test]
fn a_body_of_unknown_length_that_is_too_large_is_413() {
    let app = Upstream::always(200, "x");
    let options = ServerOptions { body_max: 1_000, ..ServerOptions::default() };
    let api = api_with(&[("other", app.address())], options, None);
    for path in ["/v1.0/invoke/other/method/x", "/v1.0/state/plain"] {
        let mut connection = Connection::to(api.address).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        let body = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1_001));
        connection.write(format!("{head}{body}").as_bytes()).unwrap();
        assert_eq!(error_of(&connection.read_answer(false).unwrap()).0, 413, "{path}");
    }
    let fits = "x".repeat(1_000);
    assert_eq!(api.send("POST", "/v1.0/invoke/other/method/x", &fits).status, 200);
}

#[test]
fn a_body_well_beyond_the_limit_still_gets_its_answer() {
    let app = Upstream::always(200, "x");
    let api = api_for(&[("other", app.address())]);
    let body = "x".repeat(6 << 20);
    for path in ["/v1.0/invoke/other/method/x", "/v1.0/state/plain"] {
        assert_eq!(error_of(&api.send("POST", path, &body)).0, 413, "{path}");
    }
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let api = api();
    let many = vec![("x-many", "1"); 101];
    assert_eq!(api.send_with("GET", "/v1.0/healthz", &many, "").status, 431);
    // Whoever still sends when the connection ends may not see why it did.
    let long = "x".repeat(1 << 20);
    let answer = floodway_kit::http::send(api.address, "GET", "/v1.0/healthz", &[("x-long", &long)], b"");
    assert!(answer.map_or(true, |answer| answer.status == 431));
    assert_eq!(api.get("/v1.0/healthz").status, 204);
}

#[test]
fn connections_beyond_the_most_wait_until_one_ends() {
    let options = ServerOptions { connections_max: 1, ..ServerOptions::default() };
    let api = api_with(&[], options, None);
    let address = api.address;
    let mut first = Connection::to(address).unwrap();
    let ask = b"GET /v1.0/healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    first.write(ask).unwrap();
    assert_eq!(first.read_answer(false).unwrap().status, 204);
    let (tell, told) = mpsc::sync_channel(1);
    let second = thread::spawn(move || tell.send(get(address, "/v1.0/healthz").unwrap().status).unwrap());
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "there is no room yet");
    first.write(ask).unwrap();
    assert_eq!(first.read_answer(false).unwrap().status, 204);
    drop(first);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 204);
    second.join().unwrap();
}

#[test]
fn half_a_request_does_not_hold_up_the_end() {
    let options = ServerOptions { grace: Duration::from_millis(100), ..ServerOptions::default() };
    let api = api_with(&[], options, None);
    let mut half = Connection::to(api.address).unwrap();
    half.write(b"GET /v1.0/healthz HTTP/1.1\r\nhost: a\r\n\r\nGET /v1.0/he").unwrap();
    assert_eq!(half.read_answer(false).unwrap().status, 204);
    let (tell, told) = mpsc::sync_channel(1);
    let end = thread::spawn(move || {
        drop(api);
        tell.send(()).unwrap();
    });
    assert!(told.recv_timeout(PATIENCE).is_ok(), "it ends in time");
    end.join().unwrap();
}
