//! What an app may not do, on both faces.

use std::collections::BTreeSet;

use dapr::dapr::proto::runtime::v1::{GetBulkSecretRequest, GetSecretRequest, GetStateRequest};
use floodway_kit::Upstream;
use floodway_policy::access::{
    AccessControl, ApiRule, ApiRules, CallerPolicy, OperationRule, Permissions, SecretScope,
};
use serde_json::Value;
use tonic::Code;

use crate::grpc::{call, talk};
use crate::support::{api_permitted, error_of};

#[test]
fn a_call_that_is_denied_reaches_nobody() {
    let app = Upstream::always(200, "yes");
    let rule = OperationRule::new("/admin", vec!["*".to_owned()], false);
    let callers = vec![CallerPolicy::new("me".to_owned(), Some(true), vec![rule])];
    let calls = Some(AccessControl { default: false, callers });
    let api = api_permitted(&[("other", app.address())], Permissions { calls, ..Permissions::default() });
    assert_eq!(api.get("/v1.0/invoke/other/method/a").status, 200);
    for path in ["/v1.0/invoke/other/method/Admin", "/v1.0/invoke/other/method/a/../admin/x"] {
        let answer = api.get(path);
        assert_eq!(error_of(&answer), (403, "ERR_DIRECT_INVOKE".to_owned()), "{path}");
        assert!(answer.text().contains("access control policy has denied access to id: me"), "{path}");
    }
    let by_header = api.send_with("POST", "/admin", &[("dapr-app-id", "other")], "");
    assert_eq!(by_header.status, 403);
    talk(&api, |mut client| async move {
        client.invoke_service(call("other", "a", "")).await.expect("it may");
        let denied = client.invoke_service(call("other", "admin", "")).await.expect_err("denied");
        assert_eq!(denied.code(), Code::PermissionDenied);
    });
    let paths: Vec<_> = app.seen().iter().map(|seen| seen.head.uri.path().to_owned()).collect();
    assert!(!paths.iter().any(|path| path.to_lowercase().contains("admin")), "{paths:?}");
}

#[test]
fn parts_of_the_api_that_are_not_allowed_are_not_there() {
    let app = Upstream::always(200, "yes");
    let rule = |is_grpc, name: &str| ApiRule { is_grpc, name: name.to_owned(), version: "v1".to_owned() };
    let rules = ApiRules {
        allowed: BTreeSet::from([rule(false, "state"), rule(false, "invoke")]),
        denied: BTreeSet::from([rule(true, "state")]),
    };
    let api =
        api_permitted(&[("other", app.address())], Permissions { api: rules, ..Permissions::default() });
    assert_eq!(api.get("/v1.0/state/plain/k").status, 204);
    assert_eq!(api.get("/v1.0/healthz").status, 204);
    assert_eq!(error_of(&api.get("/v1.0/secrets/vault/key")), (404, "ERR_DIRECT_INVOKE".to_owned()));
    assert_eq!(api.get("/v1.0/invoke/other/method/a").status, 200);
    talk(&api, |mut client| async move {
        let request =
            GetStateRequest { store_name: "plain".to_owned(), key: "k".to_owned(), ..<_>::default() };
        let denied = client.get_state(request).await.expect_err("denied");
        assert_eq!(
            (denied.code(), denied.message()),
            (Code::Unimplemented, "requested endpoint is not available")
        );
        let request =
            GetSecretRequest { store_name: "vault".to_owned(), key: "key".to_owned(), ..<_>::default() };
        client.get_secret(request).await.expect("nothing else is denied by gRPC");
    });
}

#[test]
fn a_secret_that_is_denied_is_not_told() {
    let scope = SecretScope {
        component: "vault".to_owned(),
        default: false,
        allowed: BTreeSet::from(["key".to_owned()]),
        denied: BTreeSet::new(),
    };
    let api = api_permitted(&[], Permissions { secrets: vec![scope], ..Permissions::default() });
    assert_eq!(api.get("/v1.0/secrets/vault/key").status, 200);
    let denied = api.get("/v1.0/secrets/vault/db:user");
    assert_eq!(error_of(&denied), (403, "ERR_PERMISSION_DENIED".to_owned()));
    let all: Value = serde_json::from_slice(&api.get("/v1.0/secrets/vault/bulk").body).expect("JSON");
    assert_eq!(all, serde_json::json!({ "key": { "key": "k" } }));
    assert_eq!(api.get("/v1.0/secrets/env/KEY").status, 200, "another component has no scope");
    talk(&api, |mut client| async move {
        let request =
            GetSecretRequest { store_name: "vault".to_owned(), key: "db:user".to_owned(), ..<_>::default() };
        assert_eq!(client.get_secret(request).await.expect_err("denied").code(), Code::PermissionDenied);
        let request = GetBulkSecretRequest { store_name: "vault".to_owned(), ..<_>::default() };
        let all = client.get_bulk_secret(request).await.expect("an answer").into_inner().data;
        assert_eq!(all.keys().collect::<Vec<_>>(), ["key"]);
    });
}
