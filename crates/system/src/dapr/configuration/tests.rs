use floodway_policy::access::Verb;

use super::super::tests::sound;
use super::*;
use crate::model::System;

fn configured(spec: &str) -> System {
    let head = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: c }\nspec:\n";
    let vault = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: vault }\n\
                 spec: { type: secretstores.local.env, version: v1 }\n";
    sound(&format!("{head}{spec}---\n{vault}"))
}

#[test]
fn reads_what_services_may() {
    let system = configured(
        "  accessControl:
    defaultAction: deny
    trustDomain: public
    policies:
      - appId: order
        defaultAction: allow
        trustDomain: public
        namespace: default
        operations: [{ name: /op/*, httpVerb: [post, PUT], action: deny }]
  api:
    allowed: [{ name: state, version: v1.0, protocol: http }, { name: lock, version: v1.0-alpha1 }]
  secrets: { scopes: [{ storeName: vault, defaultAccess: deny, allowedSecrets: [a] }] }
  components: { deny: [state.redis, bindings.*, secretstores.local.env/v2] }
  metrics: { enabled: true }
  features: [{ name: X, enabled: false }]
",
    );
    let calls = system.permissions.calls.expect("who may call");
    assert!(
        !calls.allows("order", "/op/1", Verb::Http("POST"))
            && calls.allows("order", "/op/1", Verb::Http("GET"))
    );
    assert!(!calls.allows("stock", "/op/1", Verb::Http("GET")));
    let rules: Vec<_> = system.permissions.api.allowed.iter().collect();
    let shown: Vec<_> = rules.iter().map(|it| (it.is_grpc, &*it.name, &*it.version)).collect();
    assert_eq!(shown, [(false, "lock", "v1alpha1"), (false, "state", "v1"), (true, "lock", "v1alpha1")]);
    let [scope] = &system.permissions.secrets[..] else { panic!("one scope") };
    assert!(scope.allows("a") && !scope.allows("b"));
    assert_eq!(system.configured_by.as_deref(), Some("c"));
}

#[test]
fn who_says_what_some_may_denies_the_others() {
    let access = |written: &str| {
        let system = configured(&format!("  accessControl: {written}\n"));
        system.permissions.calls.expect("who may call").default
    };
    assert!(!access("{ policies: [{ appId: order, defaultAction: allow }] }"));
    assert!(access("{ trustDomain: public }"));
}

#[test]
fn spans_go_to_a_collector() {
    let traces = |rate: &str| {
        let otel = "otel: { endpointAddress: \"localhost:4318\", isSecure: false, protocol: http }";
        configured(&format!("  tracing: {{ samplingRate: \"{rate}\", {otel} }}\n")).telemetry.traces
    };
    let half = traces("0.5").expect("a collector");
    assert_eq!(half.otlp, "127.0.0.1:4318".parse().unwrap());
    assert_eq!(format!("{:?}", half.sample), format!("{:?}", Share::per_million(500_000)));
    assert!(traces("0").is_none());
}
