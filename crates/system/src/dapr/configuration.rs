//! Configuration documents: what services may call, use and read, and where spans go.

mod shape;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use floodway_policy::access::{AccessControl, ApiRule, ApiRules, CallerPolicy, OperationRule, SecretScope};
use floodway_policy::trace::Share;

pub(super) use self::shape::CONFIGURATION;
use super::{Reader, is_on};
use crate::code::Code;
use crate::mistake::Mistake;
use crate::model::Traces;
use crate::value::{Fields, Kind, Value};

/// The parts of Dapr's API, with the versions that each has.
const PARTS: [(&str, &[&str]); 18] = [
    ("invoke", &["v1"]),
    ("state", &["v1", "v1alpha1"]),
    ("publish", &["v1", "v1alpha1"]),
    ("subscribe", &["v1alpha1"]),
    ("bindings", &["v1"]),
    ("secrets", &["v1"]),
    ("metadata", &["v1"]),
    ("configuration", &["v1", "v1alpha1"]),
    ("lock", &["v1alpha1"]),
    ("unlock", &["v1alpha1"]),
    ("jobs", &["v1", "v1alpha1"]),
    ("actors", &["v1", "v1alpha1"]),
    ("crypto", &["v1alpha1"]),
    ("subtlecrypto", &["v1alpha1"]),
    ("workflows", &["v1", "v1alpha1", "v1beta1"]),
    ("conversation", &["v1alpha1", "v1alpha2"]),
    ("shutdown", &["v1"]),
    ("healthz", &["v1"]),
];
/// As Dapr samples where nothing is said.
const SAMPLE: f64 = 0.0001;

impl Reader<'_> {
    pub(super) fn configuration(&mut self, fields: &Fields) {
        let before = self.mistakes.len();
        let (name, span) = self.name(fields);
        if let Some(other) = &self.system.configured_by {
            let message = format!("there are two configurations, `{other}` and `{name}`");
            let help = "keep one: it is for all services";
            self.wrong(Mistake::at(span, Code::DuplicateKey, message).help(help));
        }
        let empty = Fields::empty(fields.span);
        let spec = fields.object("spec").unwrap_or(&empty);
        self.refuse_parts(spec);
        let mut permissions = self.system.permissions.clone();
        permissions.calls = spec.object("accessControl").map(|access| self.access_control(access));
        permissions.api = spec.object("api").map(|api| self.api_rules(api)).unwrap_or_default();
        permissions.secrets = spec.object("secrets").map(|it| self.secret_scopes(it)).unwrap_or_default();
        if let Some(components) = spec.object("components") {
            self.denied_types(components);
        }
        let traces = spec.object("tracing").and_then(|tracing| self.traces(tracing));
        if self.mistakes.len() == before {
            self.found.configuration = Some((name, permissions, traces));
        }
    }

    /// What is Dapr's own to do, or done otherwise here.
    fn refuse_parts(&mut self, spec: &Fields) {
        for name in ["metric", "metrics"] {
            if let Some(enabled) = spec.object(name).and_then(|it| it.get("enabled"))
                && matches!(enabled.kind, Kind::Flag(false))
            {
                self.not_served(enabled.span, "to go without metrics", "leave it out: they cost nothing");
            }
        }
        for (name, help) in [
            ("mtls", "replicas are called on loopback"),
            ("logging", "`telemetry.access-log` is for clients"),
        ] {
            let object = spec.object(name).map(|it| it.object("apiLogging").unwrap_or(it));
            if let Some(enabled) = object.and_then(|it| it.get("enabled"))
                && is_on(Some(enabled))
            {
                self.not_served(enabled.span, &format!("`{name}`"), help);
            }
        }
        for name in ["httpPipeline", "appHttpPipeline"] {
            if let Some(span) =
                spec.object(name).filter(|it| !it.list("handlers").is_empty()).map(|it| it.span)
            {
                self.not_served(span, &format!("`{name}`"), "leave it out");
            }
        }
        if let Some(span) = spec.given("nameResolution") {
            self.not_served(span, "`nameResolution`", "leave it out: the node knows where its services are");
        }
        for feature in spec.list("features") {
            let Kind::Fields(feature) = &feature.kind else { continue };
            if is_on(feature.get("enabled")) {
                let what = format!("the feature `{}`", feature.text("name"));
                self.not_served(feature.span, &what, "leave it out");
            }
        }
    }

    fn access_control(&mut self, access: &Fields) -> AccessControl {
        self.expect_only(access, "trustDomain", "public");
        let policies = access.list("policies");
        // As in Dapr: who says what some may means that the others may not.
        let default = allows(access, "defaultAction").unwrap_or(policies.is_empty());
        let mut callers: Vec<CallerPolicy> = Vec::new();
        for policy in policies {
            let Kind::Fields(policy) = &policy.kind else { continue };
            self.expect_only(policy, "trustDomain", "public");
            self.expect_only(policy, "namespace", "default");
            let caller = policy.text("appId");
            if let Some(value) = policy.get("appId") {
                self.expect_service(&caller, value);
                if callers.iter().any(|other| other.caller == caller) {
                    let message = format!("`{caller}` has two policies");
                    let mistake = Mistake::at(value.span, Code::DuplicateKey, message);
                    self.wrong(mistake.help("put all of its operations in one"));
                }
            }
            let operations = policy.list("operations").iter().filter_map(operation).collect();
            callers.push(CallerPolicy::new(caller, allows(policy, "defaultAction"), operations));
        }
        AccessControl { default, callers }
    }

    fn expect_only(&mut self, fields: &Fields, key: &str, only: &str) {
        if let Some(value) = fields.get(key)
            && value.text().is_some_and(|text| text != only)
        {
            let what = format!("another `{key}` than `{only}`");
            self.not_served(value.span, &what, &format!("leave it out, or write `{only}`"));
        }
    }

    fn api_rules(&mut self, api: &Fields) -> ApiRules {
        let mut rules = |key| {
            let rules = api.list(key).iter();
            rules.flat_map(|rule| self.api_rule(rule)).collect::<BTreeSet<_>>()
        };
        ApiRules { allowed: rules("allowed"), denied: rules("denied") }
    }

    fn api_rule(&mut self, rule: &Value) -> Vec<ApiRule> {
        let Kind::Fields(rule) = &rule.kind else { return Vec::new() };
        let (Some(name), Some(version)) = (rule.get("name"), rule.get("version")) else { return Vec::new() };
        let (Some(part), Some(written)) = (name.text(), version.text()) else { return Vec::new() };
        let Some((_, versions)) = PARTS.iter().find(|(known, _)| *known == part) else {
            let message = format!("there is no part `{part}` of the API");
            let mistake = Mistake::at(name.span, Code::UnknownWord, message);
            self.wrong(mistake.one_of(&part, PARTS.iter().map(|(known, _)| *known)));
            return Vec::new();
        };
        let known = written.replace("v1.0-", "v1").replace("v1.0", "v1");
        if !versions.contains(&known.as_str()) {
            let message = format!("`{part}` has no version `{written}`");
            let mistake = Mistake::at(version.span, Code::UnknownWord, message);
            self.wrong(mistake.one_of(&written, versions.iter().copied()));
        }
        let protocol = rule.text("protocol");
        let both = [false, true].into_iter().filter(|is_grpc| match protocol.as_str() {
            "http" => !is_grpc,
            "grpc" => *is_grpc,
            _ => true,
        });
        both.map(|is_grpc| ApiRule { is_grpc, name: part.clone(), version: known.clone() }).collect()
    }

    fn secret_scopes(&mut self, secrets: &Fields) -> Vec<SecretScope> {
        let mut scopes: Vec<SecretScope> = Vec::new();
        for scope in secrets.list("scopes") {
            let Kind::Fields(scope) = &scope.kind else { continue };
            let Some(value) = scope.get("storeName") else { continue };
            let component = value.text().unwrap_or_default();
            let names: Vec<&str> = self.system.secrets.iter().map(|it| it.name.as_str()).collect();
            if !names.contains(&component.as_str()) {
                let message = format!("there is no secrets component `{component}`");
                let mistake = Mistake::at(value.span, Code::UnknownName, message).one_of(&component, names);
                self.wrong(mistake);
            }
            if scopes.iter().any(|other| other.component == component) {
                let message = format!("`{component}` has two scopes");
                let mistake = Mistake::at(value.span, Code::DuplicateKey, message);
                self.wrong(mistake.help("put both into one"));
            }
            scopes.push(SecretScope {
                component,
                default: allows(scope, "defaultAccess").unwrap_or(true),
                allowed: texts(scope, "allowedSecrets"),
                denied: texts(scope, "deniedSecrets"),
            });
        }
        scopes
    }

    /// A component of a type that is denied is a mistake: it would not be there.
    fn denied_types(&mut self, components: &Fields) {
        for value in components.list("deny") {
            let Some(denied) = value.text() else { continue };
            let kind = denied.split('/').next().unwrap_or_default();
            let version = denied.split_once('/').map(|(_, version)| version);
            let is_denied = |found: &str| match kind.strip_suffix('*') {
                Some(beginning) => found.starts_with(beginning),
                None => found.eq_ignore_ascii_case(kind),
            };
            // All components that are served are of version `v1`.
            let concerns = version.is_none_or(|version| version == "v1");
            let found = self.types.iter().find(|(found, _)| concerns && is_denied(found));
            if let Some((found, name)) = found {
                let message = format!("the component `{name}` is of the type `{found}`, which is denied");
                let help = "leave the component out, or allow its type";
                self.wrong(Mistake::at(value.span, Code::KeysDisagree, message).help(help));
            }
        }
    }

    fn traces(&mut self, tracing: &Fields) -> Option<Traces> {
        if let Some(stdout) = tracing.get("stdout").filter(|it| is_on(Some(it))) {
            self.not_served(stdout.span, "spans on stdout", "name a collector under `otel`");
        }
        if let Some(span) = tracing.given("zipkin") {
            self.not_served(span, "spans for Zipkin", "name a collector of OTLP under `otel`");
        }
        let share = match tracing.get("samplingRate") {
            Some(rate) => self.share(rate)?,
            None => SAMPLE,
        };
        let Some(otel) = tracing.object("otel") else {
            // Without a collector here, spans go where the system file says, or nowhere.
            let present = self.system.telemetry.traces.as_ref()?;
            tracing.given("samplingRate")?;
            return Some(Traces { sample: Share::per_million(per_million(share)), ..present.clone() });
        };
        if otel.text("protocol") == "grpc" {
            let span = otel.given("protocol").unwrap_or(otel.span);
            self.not_served(span, "OTLP over gRPC", "write `protocol: http`, and the port for that");
        }
        if !otel.get("isSecure").is_some_and(|it| matches!(it.kind, Kind::Flag(false))) {
            let span = otel.given("isSecure").unwrap_or(otel.span);
            self.not_served(span, "TLS with a collector", "write `isSecure: false`");
        }
        let address = otel.get("endpointAddress")?;
        let text = address.text()?.replace("localhost:", "127.0.0.1:");
        let Ok(otlp) = text.parse::<SocketAddr>() else {
            let mistake = Mistake::at(address.span, Code::BadAddress, format!("not an address: `{text}`"));
            self.wrong(mistake.expected("expected an IP address and a port, as in `127.0.0.1:4318`"));
            return None;
        };
        if self.system.telemetry.traces.is_some() {
            let message = "the system file says where spans go: `telemetry.traces`";
            self.wrong(Mistake::at(address.span, Code::KeysDisagree, message).help("keep one of the two"));
        }
        (share > 0.0).then(|| Traces { otlp, sample: Share::per_million(per_million(share)) })
    }

    fn share(&mut self, rate: &Value) -> Option<f64> {
        let text = rate.text()?;
        let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() {
            let mistake = Mistake::at(rate.span, Code::OutOfRange, format!("out of range: `{text}`"));
            self.wrong(mistake.expected("expected a number from 0 to 1"));
        }
        share
    }
}

fn operation(written: &Value) -> Option<OperationRule> {
    let Kind::Fields(written) = &written.kind else { return None };
    let verbs = written.list("httpVerb").iter().filter_map(Value::text);
    let verbs = verbs.map(|verb| verb.to_ascii_uppercase()).collect();
    Some(OperationRule::new(&written.text("name"), verbs, allows(written, "action")?))
}

/// Whether an action allows; nothing where none is given.
fn allows(fields: &Fields, key: &str) -> Option<bool> {
    fields.get(key).and_then(Value::text).map(|action| action == "allow")
}

fn texts(fields: &Fields, key: &str) -> BTreeSet<String> {
    fields.list(key).iter().filter_map(Value::text).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1, so it fits")]
fn per_million(share: f64) -> u32 {
    (share * 1_000_000.0).round() as u32
}

#[cfg(test)]
mod tests;
