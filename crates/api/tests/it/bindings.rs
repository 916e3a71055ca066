use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};

use crate::support::{PATIENCE, api, api_bound, error_of};

fn ticks(app: &Upstream) -> Vec<Seen> {
    let is_tick = |seen: &Seen| seen.head.method == "POST" && seen.head.uri.path() == "/tick";
    app.seen().into_iter().filter(is_tick).collect()
}

#[test]
fn who_wants_a_binding_is_told_of_its_times() {
    for status in [200, 405] {
        let app = Upstream::start(move |seen| match (seen.head.method.as_str(), seen.head.uri.path()) {
            ("OPTIONS", "/tick") => Reply::now(status, ""),
            ("POST", "/tick") => Reply::now(200, ""),
            _ => Reply::now(404, ""),
        });
        let _api = api_bound("http://127.0.0.1:1", &[("me", app.address())]);
        eventually_blocking(PATIENCE, "three events", || ticks(&app).len() >= 3);
        let first = &ticks(&app)[0];
        assert_eq!((first.header("timezone"), first.body.is_empty()), (Some("UTC"), true));
        assert!(first.header("readtimeutc").is_some_and(|time| time.ends_with('Z')));
    }
}

#[test]
fn who_does_not_know_a_binding_is_not_told() {
    let app = Upstream::start(|_| Reply::now(404, ""));
    let other = Upstream::start(|_| Reply::now(200, "[]"));
    let _api = api_bound("http://127.0.0.1:1", &[("me", app.address()), ("other", other.address())]);
    eventually_blocking(PATIENCE, "the other is told", || ticks(&other).len() >= 3);
    assert!(ticks(&app).is_empty());
}

#[test]
fn an_unknown_output_binding_is_named_in_daprs_words() {
    let api = api();
    let answer = api.send("POST", "/v1.0/bindings/unknown", r#"{"operation":"create"}"#);
    assert_eq!(error_of(&answer), (500, "ERR_INVOKE_OUTPUT_BINDING".to_owned()));
    assert!(answer.text().contains("couldn't find output binding unknown"));
    let answer = api.send("POST", "/v1.0/bindings/unknown", "nonsense");
    assert_eq!(error_of(&answer), (400, "ERR_MALFORMED_REQUEST".to_owned()));
}

#[test]
fn an_output_binding_asks_what_is_outside() {
    let outside = Upstream::start(|seen| match seen.head.uri.path() {
        "/base/fail" => Reply::with(503, &[("x-why", "tired")], "no"),
        _ => Reply::with(201, &[("x-own", "1")], seen.body.clone()),
    });
    let api = api_bound(&format!("http://{}/base", outside.address()), &[]);
    let body = r#"{"operation":"create","data":{"n":1.10},"metadata":{"path":"/mail?x=1","X-Own":"2"}}"#;
    let answer = api.send("POST", "/v1.0/bindings/mail", body);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"n":1.10}"#));
    assert_eq!(answer.header("metadata.statuscode"), Some("201"));
    assert_eq!(answer.header("metadata.x-own"), Some("1"));
    let seen = &outside.seen()[0];
    assert_eq!((seen.head.method.as_str(), seen.head.uri.to_string().as_str()), ("POST", "/base/mail?x=1"));
    assert_eq!(
        (seen.header("x-own"), seen.header("host")),
        (Some("2"), Some(&*outside.address().to_string()))
    );
    let body = r#"{"operation":"get","metadata":{"path":"fail"}}"#;
    let answer = api.send("PUT", "/v1.0/bindings/mail", body);
    assert_eq!(error_of(&answer), (500, "ERR_INVOKE_OUTPUT_BINDING".to_owned()));
    assert!(answer.text().contains("received status code 503"));
    assert_eq!(answer.header("metadata.x-why"), Some("tired"), "metadata on errors too");
    let body = r#"{"operation":"get","metadata":{"path":"fail","errorIfNot2XX":"false"}}"#;
    let answer = api.send("POST", "/v1.0/bindings/mail", body);
    assert_eq!((answer.status, answer.text().as_str()), (200, "no"));
    let answer = api.send("POST", "/v1.0/bindings/mail", r#"{"operation":"list"}"#);
    assert!(answer.status == 500 && answer.text().contains("invalid operation"));
}
