use floodway_api::ServerOptions;
use floodway_kit::Upstream;
use serde_json::Value;

use crate::support::{api, api_for, api_with};

#[test]
fn health_and_metadata_let_sdks_start() {
    let api = api();
    assert_eq!(api.get("/v1.0/healthz").status, 204);
    assert_eq!(api.get("/v1.0/healthz?appid=me").status, 204);
    assert_eq!(api.get("/v1.0/healthz?appid=other").status, 500);
    assert_eq!(api.get("/v1.0/healthz/outbound").status, 204);
    let metadata = api.get("/v1.0/metadata");
    assert_eq!(metadata.status, 200);
    let metadata: Value = serde_json::from_slice(&metadata.body).expect("JSON");
    assert_eq!(metadata["id"], "me");
    assert_eq!(metadata["components"].as_array().map(Vec::len), Some(7));
}

#[test]
fn metadata_names_the_subscriptions() {
    let body = r#"[{"pubsubname":"events","topic":"a","route":"/take","deadLetterTopic":"d"}]"#;
    let app = Upstream::always(200, body);
    let api = api_for(&[("me", app.address())]);
    floodway_kit::eventually_blocking(crate::support::PATIENCE, "it has subscribed", || {
        let metadata: Value = serde_json::from_slice(&api.get("/v1.0/metadata").body).expect("JSON");
        let subscription = &metadata["subscriptions"][0];
        subscription["topic"] == "a" && subscription["rules"][0]["path"] == "/take"
    });
}

#[test]
fn without_the_token_only_health_is_answered() {
    let options = ServerOptions { token: Some("secret".to_owned()), ..ServerOptions::default() };
    let api = api_with(&[], options, None);
    for wrong in [&[][..], &[("dapr-api-token", "Secret")], &[("dapr-api-token", "secret2")]] {
        let answer = api.send_with("GET", "/v1.0/metadata", wrong, "");
        assert_eq!((answer.status, answer.text().as_str()), (401, "invalid api token"));
    }
    assert_eq!(api.get("/v1.0/healthz").status, 204);
    assert_eq!(api.get("/v1.0/healthz/outbound").status, 204);
    let right = [("dapr-api-token", "secret")];
    assert_eq!(api.send_with("GET", "/v1.0/metadata", &right, "").status, 200);
}

#[test]
fn double_slashes_a_trailing_one_and_a_bare_question_mark_do_no_harm() {
    let api = api();
    assert_eq!(api.send("POST", "//v1.0//state/plain/?", r#"[{"key":"a","value":1}]"#).status, 204);
    assert_eq!(api.get("/v1.0/state/plain/a/?").text(), "1");
}
