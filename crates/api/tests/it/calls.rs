use floodway_kit::{Reply, Upstream};

use crate::support::{api_for, error_of};

#[test]
fn an_app_is_called_in_all_three_ways() {
    let app = Upstream::start(|seen| Reply::now(201, seen.body.clone()));
    let api = api_for(&[("other", app.address())]);
    let by_path = api.send("POST", "/v1.0/invoke/other/method/a/b?q=1", "one");
    let by_header = api.send_with("PUT", "/c/d?q=2", &[("dapr-app-id", "other")], "two");
    let basic = [("authorization", "Basic ZGFwci1hcHAtaWQ6b3RoZXI=")];
    let by_authorization = api.send_with("GET", "/e", &basic, "");
    for (answer, body) in [(by_path, "one"), (by_header, "two"), (by_authorization, "")] {
        assert_eq!((answer.status, answer.text().as_str()), (201, body));
    }
    let seen = app.seen();
    let calls: Vec<_> = seen.iter().filter(|seen| seen.head.uri.path() != "/dapr/subscribe").collect();
    let targets: Vec<_> = calls.iter().map(|seen| seen.head.uri.to_string()).collect();
    assert_eq!(targets, ["/a/b?q=1", "/c/d?q=2", "/e"]);
    for call in calls {
        assert_eq!(call.header("dapr-caller-app-id"), Some("me"));
        assert_eq!(call.header("dapr-callee-app-id"), Some("other"));
        assert_eq!(call.header("dapr-app-id"), None);
    }
}

#[test]
fn headers_of_one_connection_and_the_callers_claims_do_not_pass() {
    let app = Upstream::always(200, "x");
    let api = api_for(&[("other", app.address())]);
    let headers =
        [("dapr-caller-app-id", "admin"), ("keep-alive", "5"), ("x-kept", "1"), ("traceparent", "00-a")];
    api.send_with("GET", "/v1.0/invoke/other/method/x", &headers, "");
    let seen = app.seen().into_iter().find(|seen| seen.head.uri.path() == "/x").expect("the call");
    assert_eq!(seen.header("dapr-caller-app-id"), Some("me"));
    assert_eq!((seen.header("keep-alive"), seen.header("connection")), (None, None));
    assert_eq!((seen.header("x-kept"), seen.header("traceparent")), (Some("1"), Some("00-a")));
}

#[test]
fn an_error_of_the_app_passes_through_as_it_is() {
    let app = Upstream::always(418, "short and stout");
    let api = api_for(&[("other.space", app.address())]);
    let answer = api.get("/v1.0/invoke/other.space/method/tea");
    assert_eq!((answer.status, answer.text().as_str()), (418, "short and stout"));
}

#[test]
fn a_call_that_reaches_nobody_is_daprs_error() {
    let api = api_for(&[("dead", floodway_kit::free_address())]);
    for path in ["/v1.0/invoke/nobody/method/x", "/v1.0/invoke/dead/method/x"] {
        assert_eq!(error_of(&api.get(path)), (500, "ERR_DIRECT_INVOKE".to_owned()), "{path}");
    }
    let api = crate::support::api();
    assert_eq!(error_of(&api.get("/not/a/route")), (404, "ERR_DIRECT_INVOKE".to_owned()));
}

#[test]
fn a_body_that_is_too_large_does_not_pass() {
    let app = Upstream::always(200, "x");
    let api = api_for(&[("other", app.address())]);
    let body = "x".repeat((4 << 20) + 1);
    let answer = api.send("POST", "/v1.0/invoke/other/method/x", &body);
    assert_eq!(error_of(&answer).1, "ERR_DIRECT_INVOKE");
    assert!(!app.seen().iter().any(|seen| seen.head.uri.path() == "/x"));
    assert_eq!(error_of(&api.send("POST", "/v1.0/state/plain", &body)).0, 413);
}
