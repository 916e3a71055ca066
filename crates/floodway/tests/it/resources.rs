//! Dapr's documents beside a system file.

use std::fs;
use std::net::SocketAddr;

use floodway_kit::http::send;

use crate::support::{Node, Place, eventually, system};

const STORE: &str = "\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: statestore }
spec: { type: state.in-memory, version: v1 }
scopes: [web]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: pubsub }
spec: { type: pubsub.in-memory, version: v1 }
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: { name: orders }
spec: { pubsubname: pubsub, topic: orders, routes: { default: /job/order } }
scopes: [web]
";

/// Two services, and a folder with these documents.
fn place(documents: &str) -> Place {
    let service = |name: &str| {
        let (run, mark) = (crate::service::run(), crate::service::MARK);
        format!("  {name}: {{ run: \"{run}\", env: {{ {mark}: \"1\", GREETING: hello }} }}\n")
    };
    let place = system(&format!("services:\n{}{}", service("web"), service("other")));
    fs::create_dir(place.path("components")).expect("a folder");
    fs::write(place.path("components/all.yaml"), documents).expect("written");
    place
}

fn api(node: &Node, replica: usize) -> SocketAddr {
    let port = node.file().expect("the node runs")["replicas"][replica]["api_port"].as_u64().expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port.try_into().expect("a port")))
}

#[test]
fn components_and_subscriptions_of_documents_are_served() {
    let node = place(STORE).up(&["--resources-path", "components"]);
    eventually("all replicas are ready", || node.err().contains("all replicas are ready"));
    let save = |replica| {
        let body = br#"[{"key":"a","value":1}]"#;
        send(api(&node, replica), "POST", "/v1.0/state/statestore", &[], body).expect("an answer")
    };
    assert_eq!(save(0).status, 204);
    let other = save(1);
    assert!(other.status >= 400 && other.text().contains("ERR_STATE_STORE"), "{}", other.text());
    let publish = send(api(&node, 1), "POST", "/v1.0/publish/pubsub/orders", &[], b"1").expect("an answer");
    assert_eq!(publish.status, 204, "{}", publish.text());
    eventually("the declared subscription gets it", || {
        fs::read_to_string(node.place.path("taken")).unwrap_or_default().starts_with("order ")
    });
    node.stop();
}

#[test]
fn documents_with_mistakes_are_told_by_file_and_line() {
    let place = place("apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: { name: r }\nspec: {}\n");
    fs::write(place.path("components/b.yaml"), STORE.replace("state.in-memory", "state.in-memori"))
        .expect("written");
    for words in [["check", "--resources-path", "components"], ["up", "--resources-path", "components"]] {
        let output = place.run(&words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(text.contains("FW-1401") && text.contains("all.yaml:2"), "{text}");
        assert!(text.contains("b.yaml:4") && text.contains("did you mean `state.in-memory`"), "{text}");
    }
}

const CONFIGURATION: &str = "\
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: { name: config }
spec:
  accessControl:
    defaultAction: allow
    policies: [{ appId: web, defaultAction: deny }]
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: { name: resiliency }
spec:
  policies: { retries: { twice: { policy: constant, duration: 10ms, maxRetries: 1 } } }
  targets: { apps: { other: { retry: twice } } }
";

#[test]
fn documents_say_who_may_call_and_how() {
    let node = place(CONFIGURATION).up(&["--resources-path", "components"]);
    eventually("all replicas are ready", || node.err().contains("all replicas are ready"));
    let call = |replica, app| {
        let path = format!("/v1.0/invoke/{app}/method/who");
        send(api(&node, replica), "GET", &path, &[], b"").expect("an answer")
    };
    let denied = call(0, "other");
    assert_eq!(denied.status, 403, "{}", denied.text());
    assert!(denied.text().contains("ERR_DIRECT_INVOKE"), "{}", denied.text());
    assert_eq!(call(1, "web").status, 200);
    node.stop();
}

#[test]
fn values_of_components_may_be_secrets() {
    let documents = "\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: mail }
spec:
  type: bindings.http
  version: v1
  metadata:
    - { name: url, value: \"http://127.0.0.1:9\" }
    - { name: securityToken, secretKeyRef: { name: token } }
    - { name: securityTokenHeader, value: authorization }
auth: { secretStore: vault }
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: vault }
spec:
  type: secretstores.local.file
  version: v1
  metadata: [{ name: secretsFile, value: secrets.json }]
";
    let place = place(documents);
    let check = || place.run(&["check", "--resources-path", "components"]);
    fs::write(place.path("secrets.json"), "{\"other\":\"x\"}").expect("written");
    let told = check();
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(!told.status.success() && text.contains("FW-1311") && text.contains("it is not there"), "{text}");
    fs::write(place.path("secrets.json"), "{\"token\":\"hidden\"}").expect("written");
    let told = check();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(!String::from_utf8_lossy(&told.stdout).contains("hidden"));
}

#[test]
fn documents_say_when_targets_are_left_alone() {
    let documents = "\
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: { name: resiliency }
spec:
  policies: { circuitBreakers: { first: { trip: totalFailures > 0, timeout: 10m } } }
  targets:
    apps: { other: { circuitBreaker: first } }
    components: { mail: { outbound: { circuitBreaker: first } } }
scopes: [web]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: mail }
spec: { type: bindings.http, version: v1, metadata: [{ name: url, value: \"http://127.0.0.1:1\" }] }
";
    let node = place(documents).up(&["--resources-path", "components"]);
    eventually("all replicas are ready", || node.err().contains("all replicas are ready"));
    let ask = |replica, path: &str, body: &str| {
        send(api(&node, replica), "POST", path, &[], body.as_bytes()).expect("an answer").status
    };
    let call = |replica| ask(replica, "/v1.0/invoke/other/method/not/there", "");
    assert_eq!([call(0), call(0)], [404, 503], "one failure opens it");
    assert_eq!([call(1), call(1)], [404, 404], "it is not for others");
    let mail = |replica| ask(replica, "/v1.0/bindings/mail", "{\"operation\":\"create\"}");
    assert_eq!([mail(0), mail(0)], [500, 503]);
    assert_eq!([mail(1), mail(1)], [500, 500]);
    node.stop();
}
