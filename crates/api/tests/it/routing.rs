use floodway_kit::{Seen, Upstream};
use serde_json::Value;

use crate::support::{api, api_for, error_of};

fn calls(app: &Upstream) -> Vec<Seen> {
    app.seen().into_iter().filter(|seen| seen.head.uri.path() != "/dapr/subscribe").collect()
}

#[test]
fn a_blocks_path_is_no_call_whatever_the_header_says() {
    let app = Upstream::always(200, "the app");
    let api = api_for(&[("other", app.address())]);
    let headers = [("dapr-app-id", "other"), ("content-type", "application/json")];
    let saved = api.send_with("POST", "/v1.0/state/plain", &headers, r#"[{"key":"a","value":1}]"#);
    assert_eq!(saved.status, 204);
    assert_eq!(api.send_with("GET", "/v1.0/state/plain/a", &headers, "").text(), "1");
    assert!(calls(&app).is_empty());
    // What is no block's, and a method that a block does not have, is a call.
    assert_eq!(api.send_with("GET", "/v1.0/other/thing", &headers, "").text(), "the app");
    assert_eq!(api.send_with("PATCH", "/v1.0/state/plain", &headers, "").text(), "the app");
}

#[test]
fn a_path_that_no_block_has_is_404_without_an_app_id() {
    let api = api();
    for (method, path) in [
        ("GET", "/v1.0/state/plain"),
        ("PATCH", "/v1.0/state/plain/a"),
        ("PUT", "/v1.0-alpha1/lock/locks"),
        ("POST", "/v1.0/shutdown"),
        ("GET", "/%ff"),
    ] {
        assert_eq!(error_of(&api.send(method, path, "")), (404, "ERR_DIRECT_INVOKE".to_owned()), "{path}");
    }
    let empty = api.send_with("GET", "/x", &[("dapr-app-id", "")], "");
    assert_eq!(error_of(&empty).0, 404);
}

#[test]
fn doubled_slashes_and_odd_queries_do_no_harm_to_a_call() {
    let app = Upstream::always(200, "x");
    let api = api_for(&[("other", app.address())]);
    assert_eq!(api.get("//v1.0//invoke/other/method//a//b?q=%ff").status, 200);
    assert_eq!(api.send_with("GET", "/%ff?", &[("dapr-app-id", "other")], "").status, 200);
    let uris: Vec<_> = calls(&app).iter().map(|seen| seen.head.uri.to_string()).collect();
    assert_eq!(uris, ["/a/b?q=%ff", "/%ff?"]);
}

#[test]
fn a_callee_learns_who_calls_and_by_which_way() {
    let app = Upstream::always(200, "x");
    let api = api_for(&[("other", app.address())]);
    let headers = [
        ("dapr-caller-namespace", "liar"),
        ("x-forwarded-for", "10.0.0.1"),
        ("trailer", "x-sum"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic eDp5"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
    ];
    assert_eq!(api.send_with("GET", "/v1.0/invoke/other/method/x", &headers, "").status, 200);
    let call = calls(&app).remove(0);
    assert_eq!(call.header("dapr-caller-namespace"), Some("default"));
    let way: Vec<_> = call.head.headers.get_all("x-forwarded-for").iter().collect();
    assert_eq!(way, ["10.0.0.1", "127.0.0.1"]);
    assert_eq!(call.header("x-forwarded-host"), Some(&*api.address.to_string()));
    assert_eq!(call.header("forwarded"), Some(&*format!("for=127.0.0.1;host=\"{}\"", api.address)));
    for name in ["trailer", "te", "proxy-authorization", "upgrade", "http2-settings", "connection"] {
        assert_eq!(call.header(name), None, "{name}");
    }
}

#[test]
fn an_app_may_add_to_its_metadata() {
    let api = api();
    let extended = || -> Value {
        serde_json::from_slice::<Value>(&api.get("/v1.0/metadata").body).unwrap()["extended"].clone()
    };
    assert_eq!(api.send("PUT", "/v1.0/metadata/colour", "blue").status, 204);
    assert_eq!(api.send("PUT", "/v1.0/metadata/colour", "green").status, 204);
    assert_eq!(extended()["colour"], "green");
    for number in 1..64 {
        assert_eq!(api.send("PUT", &format!("/v1.0/metadata/k{number}"), "x").status, 204, "{number}");
    }
    assert_eq!(error_of(&api.send("PUT", "/v1.0/metadata/more", "x")).0, 400);
    assert_eq!(api.send("PUT", "/v1.0/metadata/k1", "still").status, 204);
    assert_eq!(error_of(&api.send("PUT", "/v1.0/metadata/k1", &"x".repeat(5_000))).0, 400);
    assert_eq!(extended()["k1"], "still");
}

#[test]
fn errors_carry_daprs_codes_and_reasons() {
    let api = api();
    let headers = [("content-type", "application/cloudevents+json")];
    let cases = [
        (api.get("/v1.0/state/other/a"), 400, "ERR_STATE_STORE_NOT_FOUND", "DAPR_STATE_NOT_FOUND"),
        (api.get("/v1.0/state/plain/a%7C%7Cb"), 400, "ERR_MALFORMED_REQUEST", "DAPR_STATE_ILLEGAL_KEY"),
        (api.send("POST", "/v1.0/publish/no/a", "1"), 404, "ERR_PUBSUB_NOT_FOUND", "DAPR_PUBSUB_NOT_FOUND"),
        (
            api.send("POST", "/v1.0/publish/events", "1"),
            404,
            "ERR_TOPIC_NAME_EMPTY",
            "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
        ),
        (
            api.send("POST", "/v1.0/publish/bulk/events/a", "{"),
            400,
            "ERR_PUBSUB_EVENTS_SER",
            "DAPR_PUBSUB_UNMARSHAL_EVENTS",
        ),
        (
            api.send("POST", "/v1.0/publish/bulk/events/a", r#"[{"entryId":"1"},{"entryId":"1"}]"#),
            400,
            "ERR_PUBSUB_EVENTS_SER",
            "DAPR_PUBSUB_MARSHAL_EVENTS",
        ),
        (
            api.send_with("POST", "/v1.0/publish/events/a", &headers, "no"),
            400,
            "ERR_PUBSUB_CLOUD_EVENTS_SER",
            "DAPR_PUBSUB_CLOUD_EVENT_CREATION",
        ),
    ];
    for (answer, status, code, reason) in cases {
        assert_eq!(error_of(&answer), (status, code.to_owned()));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["details"][0]["reason"], reason);
    }
    for options in [r#""concurrency":"firstwrite""#, r#""consistency":"maybe""#] {
        let body = format!(r#"[{{"key":"a","value":1,"options":{{{options}}}}}]"#);
        assert_eq!(error_of(&api.send("POST", "/v1.0/state/plain", &body)).0, 400, "{options}");
    }
    let unset = r#"[{"key":"a","value":1,"etag":null,"options":{"concurrency":null,"consistency":""}}]"#;
    assert_eq!(api.send("POST", "/v1.0/state/plain", unset).status, 204);
}
