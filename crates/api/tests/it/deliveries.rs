use floodway_api::ServerOptions;
use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};
use serde_json::Value;

use crate::support::{Api, PATIENCE, api_for, api_with};

/// An app that subscribes to these topics of `events`, each at the route of its name, and answers messages
/// by `script`.
pub(crate) fn app(
    topics: &'static [&'static str],
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> Upstream {
    Upstream::start(move |seen| {
        if seen.head.uri.path() != "/dapr/subscribe" {
            return script(seen);
        }
        let entries: Vec<_> = topics
            .iter()
            .map(|topic| serde_json::json!({"pubsubname": "events", "topic": topic, "route": format!("/{topic}")}))
            .collect();
        Reply::now(200, serde_json::to_vec(&entries).expect("JSON"))
    })
}

/// The messages that reached a route, in order of arrival.
pub(crate) fn messages(app: &Upstream, route: &str) -> Vec<Seen> {
    app.seen().into_iter().filter(|seen| seen.head.uri.path() == route).collect()
}

pub(crate) fn wait_for(app: &Upstream, route: &str, count: usize) -> Vec<Seen> {
    eventually_blocking(PATIENCE, &format!("{count} messages at {route}"), || {
        messages(app, route).len() >= count
    });
    messages(app, route)
}

pub(crate) fn publish(api: &Api, topic: &str, body: &str) {
    assert_eq!(api.send("POST", &format!("/v1.0/publish/events/{topic}"), body).status, 204);
}

/// A last message: once it has arrived, what came before it was offered too.
pub(crate) fn flush(api: &Api, app: &Upstream, topic: &str) {
    publish(api, topic, r#""flush""#);
    eventually_blocking(PATIENCE, "the last message", || {
        messages(app, &format!("/{topic}")).iter().any(|seen| data(seen) == "flush")
    });
}

pub(crate) fn data(seen: &Seen) -> Value {
    serde_json::from_slice::<Value>(&seen.body).expect("JSON")["data"].clone()
}

#[test]
fn a_message_arrives_as_a_cloud_event() {
    let app = app(&["a"], |_| Reply::now(200, ""));
    let api = api_for(&[("app", app.address())]);
    publish(&api, "a", r#"{"n":1.50}"#);
    let seen = &wait_for(&app, "/a", 1)[0];
    assert_eq!(seen.header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(seen.header("dapr-delivery-attempt"), Some("1"));
    let event: Value = serde_json::from_slice(&seen.body).expect("JSON");
    assert_eq!(event["data"].to_string(), r#"{"n":1.50}"#);
    assert_eq!((&event["topic"], &event["source"]), (&Value::from("a"), &Value::from("me")));
}

#[test]
fn each_app_gets_its_own_copy_of_its_topics() {
    let (one, two) = (app(&["a", "b"], |_| Reply::now(200, "")), app(&["b"], |_| Reply::now(204, "")));
    let api = api_for(&[("one", one.address()), ("two", two.address())]);
    // The second group of a topic starts when it is opened.
    eventually_blocking(PATIENCE, "both have opened their groups", || {
        publish(&api, "b", "0");
        !messages(&one, "/b").is_empty() && !messages(&two, "/b").is_empty()
    });
    publish(&api, "a", "1");
    publish(&api, "b", "2");
    wait_for(&one, "/a", 1);
    for app in [&one, &two] {
        eventually_blocking(PATIENCE, "the message", || {
            messages(app, "/b").iter().any(|seen| data(seen) == 2)
        });
    }
    assert!(messages(&two, "/a").is_empty());
}

#[test]
fn what_is_published_before_the_app_is_there_is_not_missed() {
    let app = app(&["a"], |_| Reply::now(200, ""));
    let api = api_for(&[("app", app.address())]);
    for number in 0..20 {
        publish(&api, "a", &number.to_string());
    }
    let mut numbers: Vec<_> = wait_for(&app, "/a", 20).iter().map(|seen| data(seen).as_u64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).map(Some).collect::<Vec<_>>());
}

#[test]
fn a_message_that_failed_comes_again_with_its_attempt() {
    let app = app(&["a"], |seen| match seen.header("dapr-delivery-attempt") {
        Some("1") => Reply::now(500, ""),
        Some("2") => Reply::now(200, r#"{"status":"RETRY"}"#),
        _ => Reply::now(200, r#"{"status":"SUCCESS"}"#),
    });
    let api = api_for(&[("app", app.address())]);
    publish(&api, "a", "1");
    let attempts: Vec<_> = wait_for(&app, "/a", 3)
        .iter()
        .map(|seen| seen.header("dapr-delivery-attempt").map(str::to_owned))
        .collect();
    assert_eq!(attempts, ["1", "2", "3"].map(|attempt| Some(attempt.to_owned())));
    let ids: Vec<_> = messages(&app, "/a").iter().map(|seen| seen.body.clone()).collect();
    assert!(ids.iter().all(|body| *body == ids[0]), "the same envelope each time");
}

#[test]
fn what_is_given_up_goes_to_the_dead_letter_topic() {
    let app = app(&["a", "dead"], |seen| match (seen.head.uri.path(), data(seen).as_str()) {
        ("/dead", _) | (_, Some("flush")) => Reply::now(200, ""),
        (_, Some("drop")) => Reply::now(200, r#"{"status":"DROP"}"#),
        (_, Some("404")) => Reply::now(404, ""),
        _ => Reply::now(500, ""),
    });
    let api = api_for(&[("app", app.address())]);
    for body in [r#""drop""#, r#""404""#, r#""fail""#] {
        publish(&api, "a", body);
    }
    let mut dead: Vec<_> = wait_for(&app, "/dead", 3).iter().map(|seen| data(seen).to_string()).collect();
    dead.sort();
    assert_eq!(dead, [r#""404""#, r#""drop""#, r#""fail""#]);
    let tries = messages(&app, "/a").iter().filter(|seen| data(seen) == "fail").count();
    assert_eq!(tries, 3);
}

#[test]
fn without_a_dead_letter_topic_a_drop_is_the_end() {
    let app = app(&["a"], |_| Reply::now(200, r#"{"status":"DROP"}"#));
    let api = api_with(&[("app", app.address())], ServerOptions::default(), None);
    publish(&api, "a", "1");
    flush(&api, &app, "a");
    assert_eq!(messages(&app, "/a").len(), 2);
}

#[test]
fn a_message_that_expires_between_attempts_is_given_up() {
    let app = app(&["a", "dead"], |seen| match seen.head.uri.path() {
        "/a" => Reply::Answer { status: 500, body: "".into(), after: std::time::Duration::from_millis(600) },
        _ => Reply::now(200, ""),
    });
    let api = api_for(&[("app", app.address())]);
    assert_eq!(api.send("POST", "/v1.0/publish/events/a?metadata.ttlInSeconds=1", "1").status, 204);
    wait_for(&app, "/dead", 1);
    assert!(messages(&app, "/a").len() < 3);
}

#[test]
fn an_outbox_publishes_what_a_transaction_writes_and_nothing_else() {
    let app = app(&["outbox"], |_| Reply::now(200, ""));
    let api = api_for(&[("app", app.address())]);
    let transact = |body: &str| api.send("POST", "/v1.0/state/out/transaction", body).status;
    api.send("POST", "/v1.0/state/out", r#"[{"key":"plain","value":"a save is no transaction"}]"#);
    assert_eq!(
        transact(
            r#"{"operations":[{"operation":"upsert","request":{"key":"a","value":{"n":1}}},{"operation":"delete","request":{"key":"plain"}}]}"#
        ),
        204
    );
    let lost = r#"{"operations":[{"operation":"upsert","request":{"key":"a","value":"lost","etag":"1"}}]}"#;
    assert_eq!(transact(lost), 409);
    let projected = r#"{"operations":[
        {"operation":"upsert","request":{"key":"b","value":"stored"}},
        {"operation":"upsert","request":{"key":"b","value":"told","metadata":{"outbox.projection":"true"}}}]}"#;
    assert_eq!(transact(projected), 204);
    let told: Vec<_> = wait_for(&app, "/outbox", 2).iter().map(data).collect();
    assert_eq!(told, [serde_json::json!({"n": 1}), Value::from("told")]);
    assert_eq!(api.get("/v1.0/state/out/b").text(), r#""stored""#);
    flush(&api, &app, "outbox");
    assert_eq!(messages(&app, "/outbox").len(), 3);
}

#[test]
fn a_message_for_later_comes_later_and_one_with_a_used_name_never() {
    let app = app(&["a"], |_| Reply::now(200, ""));
    let api = api_for(&[("app", app.address())]);
    let publish = |metadata: &str, body: &str| {
        let path = format!("/v1.0/publish/events/a?{metadata}");
        assert_eq!(api.send("POST", &path, body).status, 204);
    };
    publish("metadata.dueTime=2200-01-01T00:00:00Z", r#""in another century""#);
    publish("metadata.delay=50ms", r#""soon""#);
    publish("metadata.deduplicationId=7", r#""first""#);
    publish("metadata.deduplicationId=7", r#""second""#);
    let bulk = r#"[{"entryId":"1","event":"third","contentType":"text/plain","metadata":{"deduplicationId":"7"}},
        {"entryId":"2","event":"fourth","contentType":"text/plain","metadata":{"deduplicationId":"8"}}]"#;
    assert_eq!(api.send("POST", "/v1.0/publish/bulk/events/a", bulk).status, 204);
    let came = || messages(&app, "/a").iter().map(data).collect::<Vec<_>>();
    eventually_blocking(PATIENCE, "the message for soon", || came().contains(&Value::from("soon")));
    flush(&api, &app, "a");
    let mut came: Vec<_> = came().iter().map(|data| data.as_str().unwrap_or_default().to_owned()).collect();
    came.sort();
    assert_eq!(came, ["first", "flush", "fourth", "soon"]);
}

#[test]
fn what_becomes_of_messages_is_counted() {
    let app = app(&["a"], |seen| match data(seen).as_str() {
        Some("later") if seen.header("dapr-delivery-attempt") == Some("1") => Reply::now(500, ""),
        Some("drop") => Reply::now(200, r#"{"status":"DROP"}"#),
        Some("hang") => Reply::Answer { status: 200, body: "".into(), after: PATIENCE },
        _ => Reply::now(200, ""),
    });
    let api = api_for(&[("app", app.address())]);
    for body in [r#""now""#, r#""later""#, r#""drop""#] {
        publish(&api, "a", body);
    }
    eventually_blocking(PATIENCE, "all are over", || {
        let counted = api.deliveries("app", "a");
        counted.consumed == 2 && counted.dead_letters == 1
    });
    let counted = api.deliveries("app", "a");
    assert_eq!((counted.attempts, counted.redeliveries, counted.dropped), (4, 1, 0));
    publish(&api, "a", r#""hang""#);
    eventually_blocking(PATIENCE, "one is under way and grows old", || {
        let counted = api.deliveries("app", "a");
        counted.in_flight == 1 && counted.oldest.is_some_and(|oldest| oldest.as_millis() > 1)
    });
}
