//! Which parts of the API an app has, by the path of a request or the method of gRPC.

use std::borrow::Cow;

use floodway_policy::access::{AccessControl, ApiRule, ApiRules, Verb};
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::invoke::is_grpc;
use crate::path;

/// What is said of a part that is not there.
pub(crate) const NOT_AVAILABLE: &str = "requested endpoint is not available";

/// Whether a request by HTTP is for a part that is there. Health is always told.
pub(crate) fn allows_http(rules: &ApiRules, path: &str) -> bool {
    let segments = path::segments(path).unwrap_or_default();
    match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "healthz", ..] => true,
        [version, name, ..] if version.starts_with("v1.0") => {
            let version = version.replace("v1.0-", "v1").replace("v1.0", "v1");
            rules.allows(&ApiRule { is_grpc: false, name: name.to_owned(), version })
        }
        _ => allows_calls(rules),
    }
}

/// Whether services may be called by HTTP.
pub(crate) fn allows_calls(rules: &ApiRules) -> bool {
    rules.allows(&ApiRule { is_grpc: false, name: "invoke".to_owned(), version: "v1".to_owned() })
}

/// Whether a method of Dapr's service is there.
pub(crate) fn allows_grpc(rules: &ApiRules, method: &str) -> bool {
    let endings = [("Alpha1", "v1alpha1"), ("Alpha2", "v1alpha2"), ("Beta1", "v1beta1")];
    let ending = endings.iter().find_map(|(ending, version)| Some((method.strip_suffix(ending)?, *version)));
    let (method, version) = ending.unwrap_or((method, "v1"));
    let rule = ApiRule { is_grpc: true, name: part_of(method).to_owned(), version: version.to_owned() };
    rules.allows(&rule)
}

/// The part that a method belongs to; nothing that could be allowed, if it is not known.
fn part_of(method: &str) -> &'static str {
    match method {
        "InvokeService" => "invoke",
        "GetState"
        | "GetBulkState"
        | "SaveState"
        | "DeleteState"
        | "DeleteBulkState"
        | "ExecuteStateTransaction"
        | "QueryState" => "state",
        "PublishEvent" | "BulkPublishEvent" => "publish",
        "SubscribeTopicEvents" => "subscribe",
        "InvokeBinding" => "bindings",
        "GetSecret" | "GetBulkSecret" => "secrets",
        "GetMetadata" | "SetMetadata" => "metadata",
        "GetConfiguration" | "SubscribeConfiguration" | "UnsubscribeConfiguration" => "configuration",
        "TryLock" => "lock",
        "Unlock" => "unlock",
        "ScheduleJob" | "GetJob" | "DeleteJob" | "ListJobs" | "DeleteJobsByPrefix" => "jobs",
        "Shutdown" => "shutdown",
        "Encrypt" | "Decrypt" => "crypto",
        "Converse" => "conversation",
        _ if method.starts_with("Subtle") => "subtlecrypto",
        _ if method.contains("Workflow") => "workflows",
        _ if method.contains("Actor") => "actors",
        _ => "",
    }
}

/// Whether an app may make a call. However a callee reads its path, encoded or not, it must be allowed.
pub(crate) fn allows_call(
    control: &AccessControl,
    caller: &str,
    (method, path, headers): (&Method, &str, &HeaderMap),
) -> bool {
    let verb = if is_grpc(headers) { Verb::Grpc } else { Verb::Http(method.as_str()) };
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let is_plain = matches!(decoded, Cow::Borrowed(_));
    let climbs = || decoded.split('/').any(|segment| segment == "..");
    control.allows(caller, path, verb) && (is_plain || (!climbs() && control.allows(caller, &decoded, verb)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodway_policy::access::{CallerPolicy, OperationRule};
    use http::header::CONTENT_TYPE;

    fn rules(allowed: &[(bool, &str, &str)], denied: &[(bool, &str, &str)]) -> ApiRules {
        let rule = |(is_grpc, name, version): &(bool, &str, &str)| ApiRule {
            is_grpc: *is_grpc,
            name: (*name).to_owned(),
            version: (*version).to_owned(),
        };
        ApiRules { allowed: allowed.iter().map(rule).collect(), denied: denied.iter().map(rule).collect() }
    }

    #[test]
    fn paths_and_methods_belong_to_parts() {
        let state = rules(&[(false, "state", "v1"), (true, "lock", "v1alpha1")], &[]);
        assert!(allows_http(&state, "/v1.0/state/s/k") && allows_http(&state, "//v1.0//state/s"));
        assert!(
            !allows_http(&state, "/v1.0-alpha1/state/s/query") && !allows_http(&state, "/v1.0/publish/p/t")
        );
        assert!(!allows_http(&state, "/any/path") && allows_http(&state, "/v1.0/healthz/outbound"));
        assert!(allows_grpc(&state, "TryLockAlpha1") && !allows_grpc(&state, "UnlockAlpha1"));
        assert!(!allows_grpc(&state, "GetState") && !allows_grpc(&state, "NobodyKnows"));
        let denied = rules(&[], &[(true, "state", "v1"), (false, "invoke", "v1")]);
        assert!(!allows_grpc(&denied, "GetBulkState") && allows_grpc(&denied, "QueryStateAlpha1"));
        assert!(allows_http(&denied, "/v1.0/state/s/k") && !allows_http(&denied, "/any/path"));
    }

    #[test]
    fn an_encoded_path_is_no_way_round() {
        let rule = |name: &str, allowed| OperationRule::new(name, vec!["*".to_owned()], allowed);
        let policy = |default, operations| AccessControl {
            default: false,
            callers: vec![CallerPolicy::new("me".to_owned(), Some(default), operations)],
        };
        let none = HeaderMap::new();
        let allows = |control: &AccessControl, path| allows_call(control, "me", (&Method::GET, path, &none));
        let denied = policy(true, vec![rule("/admin", false)]);
        assert!(allows(&denied, "/a") && !allows(&denied, "/admin/x"));
        assert!(
            !allows(&denied, "/%61dmin") && !allows(&denied, "/a%2F..%2Fadmin") && allows(&denied, "/a%20b")
        );
        let allowed = policy(false, vec![rule("/public/*", true)]);
        assert!(allows(&allowed, "/public/a") && !allows(&allowed, "/public/a%2Fb"));
        let grpc = HeaderMap::from_iter([(CONTENT_TYPE, "application/grpc".parse().unwrap())]);
        assert!(!allows_call(&allowed, "you", (&Method::POST, "/public/a", &grpc)));
    }
}
