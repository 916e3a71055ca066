use super::super::tests::sound;
use super::*;

/// What a document with this spec makes of the targets of the service `order`, the store `kept` and the topics
/// `events`.
fn targets(spec: &str) -> Vec<TargetPolicy> {
    let store = "\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: kept }
spec: { type: state.in-memory, version: v1 }
";
    let head = "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: r }\n";
    // What a document names may come after it.
    sound(&format!("{head}{spec}---\n{store}")).targets
}

fn named(target: &TargetName) -> String {
    match target {
        TargetName::Service(name) => name.clone(),
        TargetName::Inbound(section, name) => format!("{section}.{name} in"),
        TargetName::Outbound(section, name) => format!("{section}.{name} out"),
    }
}

const SPEC: &str = "\
scopes: [order]
spec:
  policies:
    timeouts: { general: 1500, DefaultComponentTimeoutPolicy: 2s, DefaultStatestoreComponentOutboundTimeoutPolicy: 3s }
    retries:
      important: { policy: constant, duration: 250ms, maxRetries: 7, matching: { httpStatusCodes: \"429,500-503\" } }
      forever: { policy: exponential, maxInterval: 15s }
      DaprBuiltInServiceRetries: { policy: constant, duration: 1s, maxRetries: 1 }
    circuitBreakers:
      simple: { maxRequests: 2, interval: 8s, timeout: 45s, trip: consecutiveFailures > 8 }
      DefaultCircuitBreakerPolicy: {}
  targets:
    apps: { order: { timeout: general, retry: important, circuitBreaker: simple, circuitBreakerCacheSize: 100 } }
    components: { kept: { outbound: { retry: forever } } }
";

#[test]
fn reads_policies_and_gives_them_to_their_targets() {
    let found = targets(SPEC);
    assert!(found.iter().all(|target| target.services == ["order"]));
    let TargetPolicy { target, policy, .. } = &found[0];
    assert_eq!(*target, TargetName::Service("order".to_owned()));
    assert_eq!(policy.timeout, Some(Duration::from_millis(1500)));
    let retry = policy.retry.as_ref().expect("a retry");
    let each = Duration::from_millis(250);
    assert_eq!((retry.max, retry.backoff), (Some(7), Backoff { initial: each, max: each }));
    let codes = retry.after.http.expect("statuses");
    assert!(codes.contains(502) && !codes.contains(504) && retry.after.grpc.is_none());
    let breaker = policy.breaker.as_ref().expect("a breaker");
    let condition = Condition::parse("consecutiveFailures > 8").unwrap();
    let trip = Trip::Counts { condition, every: Some(Duration::from_secs(8)) };
    assert_eq!(*breaker, BreakerPolicy { trip, open: Duration::from_secs(45), tries: 2 });
    let kept = &found[1];
    assert_eq!(named(&kept.target), "stores.kept out");
    let retry = kept.policy.retry.as_ref().expect("a retry");
    assert_eq!(
        (retry.max, retry.backoff),
        (None, Backoff { initial: INITIAL, max: Duration::from_secs(15) })
    );
    assert!(kept.policy.breaker.is_none(), "what is named has no default policy");
}

#[test]
fn default_policies_are_for_what_is_not_named() {
    let found = targets(SPEC);
    let first = |name: &str| found.iter().find(|it| named(&it.target) == name).expect(name);
    let events = first("topics.events out");
    assert_eq!(events.policy.timeout, Some(Duration::from_secs(2)));
    let trip = Trip::Counts { condition: Condition::parse("consecutiveFailures > 5").unwrap(), every: None };
    let open = Duration::from_mins(1);
    assert_eq!(events.policy.breaker, Some(BreakerPolicy { trip, open, tries: 1 }));
    assert_eq!(first("topics.events in").policy.timeout, Some(Duration::from_secs(2)));
    let by_default = targets(&SPEC.replace("{ kept: { outbound: { retry: forever } } }", "{}"));
    let kept = by_default.iter().find(|it| named(&it.target) == "stores.kept out").expect("the store");
    assert_eq!(kept.policy.timeout, Some(Duration::from_secs(3)), "the most special one");
}

#[test]
fn the_retries_that_are_there_anyhow_can_be_changed() {
    let found = targets(SPEC);
    let last = found.last().expect("a target");
    assert_eq!(named(&last.target), "order");
    let retry = last.policy.retry.as_ref().expect("a retry");
    assert_eq!((retry.max, retry.after.only_unreached), (Some(3), true), "fewer than three are three");
}
