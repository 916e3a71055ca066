use floodway_kit::eventually_blocking;
use serde_json::{Value, json};

use crate::support::{PATIENCE, api, error_of};

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[test]
fn secrets_are_read_one_by_one_and_all_at_once() {
    let api = api();
    let one = api.get("/v1.0/secrets/vault/db%3Auser");
    assert_eq!((one.status, json_of(&one.body)), (200, json!({"db:user": "u"})));
    let all = api.get("/v1.0/secrets/vault/bulk");
    let expected = json!({"key": {"key": "k"}, "db:user": {"db:user": "u"}});
    assert_eq!((all.status, json_of(&all.body)), (200, expected));
    let env = api.get("/v1.0/secrets/env/KEY?metadata.version=1");
    assert_eq!((env.status, json_of(&env.body)), (200, json!({"KEY": "v"})));
}

#[test]
fn a_secret_that_has_changed_is_read_anew() {
    let api = api();
    std::fs::write(api.folder.path().join("secrets.json"), r#"{"key":"longer"}"#).expect("written");
    eventually_blocking(PATIENCE, "the new secret", || {
        json_of(&api.get("/v1.0/secrets/vault/key").body) == json!({"key": "longer"})
    });
}

#[test]
fn what_is_wrong_is_named_in_daprs_words() {
    let api = api();
    let unknown = api.get("/v1.0/secrets/unknown/key");
    assert_eq!(error_of(&unknown), (401, "ERR_SECRET_STORE_NOT_FOUND".to_owned()));
    let unknown = api.get("/v1.0/secrets/unknown/bulk");
    assert_eq!(error_of(&unknown), (401, "ERR_SECRET_STORE_NOT_FOUND".to_owned()));
    let missing = api.get("/v1.0/secrets/vault/missing");
    assert_eq!(error_of(&missing), (500, "ERR_SECRET_GET".to_owned()));
    assert!(missing.text().contains("secret missing not found"));
}
