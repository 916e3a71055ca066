use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};
use serde_json::{Value, json};

use crate::support::{Api, JOBS_IN_FLIGHT, PATIENCE, api, api_for, error_of, is_rich};

/// An API of the app `me`, whose replica answers jobs by `script`.
fn with_app(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Upstream, Api) {
    let app = Upstream::start(move |seen| {
        if seen.head.uri.path().starts_with("/job/") { script(seen) } else { Reply::now(404, "") }
    });
    let api = api_for(&[("me", app.address())]);
    (app, api)
}

fn runs(app: &Upstream, path: &str) -> Vec<Seen> {
    app.seen().into_iter().filter(|seen| seen.head.uri.path() == path).collect()
}

fn wait_for(app: &Upstream, path: &str, count: usize) -> Vec<Seen> {
    eventually_blocking(PATIENCE, &format!("{count} runs at {path}"), || runs(app, path).len() >= count);
    runs(app, path)
}

fn schedule(api: &Api, name: &str, body: &str) {
    let answer = api.send("POST", &format!("/v1.0/jobs/{name}"), body);
    assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{body}");
}

/// Waits until a job is over, which is when it is no longer there.
fn wait_until_over(api: &Api, name: &str) {
    eventually_blocking(PATIENCE, "the job is over", || api.get(&format!("/v1.0/jobs/{name}")).status == 500);
}

#[test]
fn a_job_that_is_due_is_posted_with_its_data() {
    let (app, api) = with_app(|_| Reply::now(200, ""));
    for (name, data) in
        [("text", r#""some""#), ("object", r#"{"n": 1.10}"#), ("number", "12345678901234567890")]
    {
        schedule(&api, name, &format!(r#"{{"dueTime":"0s","data":{data}}}"#));
        let seen = &wait_for(&app, &format!("/job/{name}"), 1)[0];
        assert_eq!(seen.head.method, "POST");
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.body, data.as_bytes(), "as it was written");
    }
    schedule(&api, "nothing", r#"{"due_time":"0s"}"#);
    assert!(wait_for(&app, "/job/nothing", 1)[0].body.is_empty());
    wait_until_over(&api, "nothing");
}

#[test]
fn a_job_of_an_older_path_is_the_same() {
    let (app, api) = with_app(|_| Reply::now(200, ""));
    assert_eq!(api.send("POST", "/v1.0-alpha1/jobs/a", r#"{"dueTime":"1h"}"#).status, 204);
    assert_eq!(api.get("/v1.0/jobs/a").status, 200);
    assert_eq!(api.send("DELETE", "/v1.0-alpha1/jobs/a", "").status, 204);
    assert_eq!(api.get("/v1.0-alpha1/jobs/a").status, 500);
    schedule(&api, "a%20b", r#"{"dueTime":"0s"}"#);
    wait_for(&app, "/job/a%20b", 1);
}

#[test]
fn a_schedule_runs_until_its_repeats_are_used_up() {
    let (app, api) = with_app(|_| Reply::now(204, ""));
    schedule(&api, "often", r#"{"schedule":"@every 50ms","repeats":3}"#);
    wait_for(&app, "/job/often", 3);
    wait_until_over(&api, "often");
    assert_eq!(runs(&app, "/job/often").len(), 3);
}

#[test]
fn a_failed_run_is_tried_again_by_its_policy() {
    let (app, api) = with_app(|_| Reply::now(500, ""));
    let constant = r#"{"dueTime":"0s","failurePolicy":{"constant":{"interval":"0.02s","maxRetries":2}}}"#;
    schedule(&api, "constant", constant);
    schedule(&api, "drop", r#"{"dueTime":"0s","failure_policy":{"drop":{}}}"#);
    wait_until_over(&api, "constant");
    wait_until_over(&api, "drop");
    assert_eq!((runs(&app, "/job/constant").len(), runs(&app, "/job/drop").len()), (3, 1));
}

#[test]
fn an_app_without_the_job_is_not_asked_again() {
    let (app, api) = with_app(|_| Reply::now(404, ""));
    schedule(&api, "unknown", r#"{"dueTime":"0s"}"#);
    wait_for(&app, "/job/unknown", 1);
    wait_until_over(&api, "unknown");
    assert_eq!(runs(&app, "/job/unknown").len(), 1);
}

#[test]
fn a_job_stays_unless_it_may_be_overwritten() {
    let api = api();
    schedule(&api, "a", r#"{"schedule":"@daily"}"#);
    for body in [r#"{"schedule":"@weekly"}"#, r#"{"schedule":"@weekly","overwrite":false}"#] {
        let answer = api.send("POST", "/v1.0/jobs/a", body);
        assert_eq!(error_of(&answer), (409, "DAPR_SCHEDULER_SCHEDULE_JOB".to_owned()));
        assert!(is_rich(&answer));
    }
    let read = |api: &Api| serde_json::from_slice::<Value>(&api.get("/v1.0/jobs/a").body).expect("JSON");
    assert_eq!(read(&api)["schedule"], "@daily");
    let body = r#"{"schedule":"@weekly","repeats":3,"overwrite":true,"due_time":"10s","ttl":"11s"}"#;
    schedule(&api, "a", body);
    assert_eq!((&read(&api)["schedule"], &read(&api)["repeats"]), (&json!("@weekly"), &json!(3)));
    // Over before it begins: it takes the other's place, and is over.
    schedule(&api, "a", r#"{"schedule":"@daily","ttl":"1ms","overwrite":true}"#);
    assert_eq!(api.get("/v1.0/jobs/a").status, 500);
}

#[test]
fn a_job_that_is_overwritten_while_it_runs_goes_on_as_the_new_one() {
    let (app, api) = with_app(|seen| {
        let after = Duration::from_millis(if seen.body == "\"old\"" { 300 } else { 0 });
        Reply::Answer { status: 500, body: Bytes::new(), after }
    });
    let old = r#"{"dueTime":"0s","data":"old","failurePolicy":{"constant":{"interval":"3600s"}}}"#;
    schedule(&api, "a", old);
    wait_for(&app, "/job/a", 1);
    schedule(&api, "a", r#"{"dueTime":"0s","data":"new","overwrite":true,"failurePolicy":{"drop":{}}}"#);
    wait_until_over(&api, "a");
    let bodies: Vec<_> = runs(&app, "/job/a").into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, ["\"old\"", "\"new\""], "the old one is not tried again");
}

#[test]
fn reads_a_job_back_as_dapr_shows_it() {
    let api = api();
    let body = r#"{"schedule":"@every 1m","repeats":123,"dueTime":"1000s","ttl":"123s","data":"hello",
        "failure_policy":{"constant":{"interval":"3s","max_retries":5}},"unknown":1}"#;
    schedule(&api, "test", body);
    let answer = api.get("/v1.0/jobs/test");
    assert_eq!(answer.status, 200);
    let expected = json!({
        "name": "test", "schedule": "@every 1m", "repeats": 123, "dueTime": "1000s", "ttl": "123s",
        "data": {"@type": "type.googleapis.com/google.protobuf.Value", "value": "hello"},
        "failurePolicy": {"constant": {"interval": "3s", "maxRetries": 5}},
    });
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).expect("JSON"), expected);
    schedule(&api, "plain", r#"{"dueTime":"1h"}"#);
    let expected = json!({
        "name": "plain", "dueTime": "1h", "failurePolicy": {"constant": {"interval": "1s", "maxRetries": 3}},
    });
    let read: Value = serde_json::from_slice(&api.get("/v1.0/jobs/plain").body).expect("JSON");
    assert_eq!(read, expected);
}

#[test]
fn what_is_wrong_is_named_in_daprs_words() {
    let api = api();
    for (name, body, status, code) in [
        ("test", r#"{"name":"other","schedule":"@daily"}"#, 400, "DAPR_SCHEDULER_JOB_NAME"),
        ("%20", r#"{"schedule":"@daily"}"#, 400, "DAPR_SCHEDULER_JOB_NAME_EMPTY"),
        ("test", "{}", 400, "DAPR_SCHEDULER_SCHEDULE_EMPTY"),
        ("a%2Fb", r#"{"schedule":"@daily"}"#, 400, "DAPR_SCHEDULER_SCHEDULE_JOB"),
        ("test", r#"{"schedule":"* * * * *"}"#, 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
        ("test", r#"{"schedule":"CRON_TZ=Not/AZone 0 0 9 * * *"}"#, 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
        ("test", r#"{"schedule":"CRON_TZ=Europe/Rome @every 1h"}"#, 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
        ("test", r#"{"dueTime":"soon"}"#, 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
        ("test", r#"{"dueTime":"1s","repeats":2}"#, 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
    ] {
        let answer = api.send("POST", &format!("/v1.0/jobs/{name}"), body);
        assert_eq!(error_of(&answer), (status, code.to_owned()), "{name} {body}");
        assert!(is_rich(&answer), "{}", answer.text());
    }
    for body in ["", "[{}]", r#"{"schedule":"@daily","repeats":-1}"#] {
        let answer = api.send("POST", "/v1.0/jobs/test", body);
        assert_eq!(error_of(&answer), (400, "ERR_MALFORMED_REQUEST".to_owned()), "{body}");
    }
    let unknown = api.get("/v1.0/jobs/unknown");
    assert_eq!(error_of(&unknown), (500, "DAPR_SCHEDULER_GET_JOB".to_owned()));
    assert!(is_rich(&unknown) && unknown.text().contains("failed to get job due to: job not found: unknown"));
    assert_eq!(api.send("DELETE", "/v1.0/jobs/unknown", "").status, 204);
    schedule(&api, "zone", r#"{"schedule":"CRON_TZ=Europe/Rome 0 0 9 * * *"}"#);
}

/// An app whose jobs take until it is released.
#[derive(Default)]
struct Busy {
    under_way: AtomicUsize,
    most: AtomicUsize,
    taken: AtomicUsize,
    is_released: AtomicBool,
}

impl Busy {
    fn start() -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let (busy, address) = (Arc::new(Self::default()), listener.local_addr().expect("an address"));
        let app = Arc::clone(&busy);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let app = Arc::clone(&app);
                thread::spawn(move || app.serve(&stream));
            }
        });
        (busy, address)
    }

    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream).lines();
        let is_job = lines.next()?.ok()?.starts_with("POST /job/");
        while !lines.next()?.ok()?.is_empty() {}
        if is_job {
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(under_way, Ordering::SeqCst);
            eventually_blocking(PATIENCE, "the release", || self.is_released.load(Ordering::SeqCst));
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            self.taken.fetch_add(1, Ordering::SeqCst);
        }
        let status = if is_job { "200 OK" } else { "404 Not Found" };
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
    }
}

#[test]
fn so_many_runs_are_under_way_at_once_and_no_more() {
    let (busy, address) = Busy::start();
    let api = api_for(&[("me", address)]);
    for number in 0..10 {
        schedule(&api, &format!("job-{number}"), r#"{"dueTime":"0s"}"#);
    }
    let most = usize::from(JOBS_IN_FLIGHT);
    eventually_blocking(PATIENCE, "all room is used", || busy.under_way.load(Ordering::SeqCst) == most);
    busy.is_released.store(true, Ordering::SeqCst);
    eventually_blocking(PATIENCE, "all are done", || busy.taken.load(Ordering::SeqCst) == 10);
    assert_eq!(busy.most.load(Ordering::SeqCst), most);
}
