//! Resiliency documents: policies by name, what they are for, and those that are for all that is left.

mod shape;

use std::collections::BTreeMap;
use std::time::Duration;

use floodway_policy::breaker::{BreakerPolicy, Condition, Trip};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::operation::{Codes, OperationPolicy, OperationRetry, Retried};
use floodway_policy::retry::Backoff;
use floodway_policy::schedule::go_duration;
use floodway_policy::snapshot::{TargetName, TargetPolicy};

pub(super) use self::shape::RESILIENCY;
use super::Reader;
use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::model::{Component, System};
use crate::value::{Fields, Value};

/// What counts before what, where several policies fit a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A target that a document names.
    Named,
    /// A policy for all that no document names.
    Default,
    /// The retries of calls that are there anyhow.
    BuiltIn,
}

/// The policies of one document.
#[derive(Debug, Default)]
struct Policies {
    timeouts: BTreeMap<String, Duration>,
    retries: BTreeMap<String, OperationRetry>,
    breakers: BTreeMap<String, BreakerPolicy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Inbound,
    Outbound,
}

/// Sections of the system file, with what Dapr calls their components in the names of default policies.
const SECTIONS: [(&str, &str); 6] = [
    ("stores", "Statestore"),
    ("topics", "Pubsub"),
    ("locks", "Lock"),
    ("secrets", "Secretstore"),
    ("configuration", "Configuration"),
    ("bindings", "Binding"),
];

/// The retries of calls, where no document says otherwise.
const BUILT_IN: &str = "DaprBuiltInServiceRetries";
/// As Dapr has it: fewer are raised to it.
const BUILT_IN_MIN: u32 = 3;
/// Retries of Dapr's own doings.
const NOT_OURS: [&str; 4] = [
    "DaprBuiltInActorRetries",
    "DaprBuiltInActorReminderRetries",
    "DaprBuiltInActorNotFoundRetries",
    "DaprBuiltInInitializationRetries",
];
/// The first wait that grows.
const INITIAL: Duration = Duration::from_millis(500);

impl Reader<'_> {
    pub(super) fn resiliency(&mut self, fields: &Fields) {
        let before = self.mistakes.len();
        self.name(fields);
        let apps = self.scopes(fields);
        let empty = Fields::empty(fields.span);
        let spec = fields.object("spec").unwrap_or(&empty);
        let policies = self.policies(spec.object("policies").unwrap_or(&empty));
        let targets = spec.object("targets").unwrap_or(&empty);
        let mut found = self.named_targets(targets, &policies);
        if self.mistakes.len() > before {
            return;
        }
        found.extend(default_targets(self.system, &policies));
        found.extend(built_in(self.system, &policies));
        let scoped = |(rank, target, policy)| (rank, TargetPolicy { target, services: apps.clone(), policy });
        self.found.targets.extend(found.into_iter().map(scoped));
    }

    fn policies(&mut self, written: &Fields) -> Policies {
        let mut policies = Policies::default();
        for (key, value) in written.map("timeouts") {
            if let Some(time) = self.positive(value) {
                policies.timeouts.insert(key.text.clone(), time);
            }
        }
        for (key, retry) in written.objects("retries") {
            if NOT_OURS.contains(&key.text.as_str()) {
                self.not_served(key.span, &format!("the policy `{}`", key.text), "leave it out");
            }
            if let Some(retry) = self.retry(retry) {
                policies.retries.insert(key.text.clone(), retry);
            }
        }
        for (key, breaker) in written.objects("circuitBreakers") {
            if let Some(breaker) = self.breaker(breaker) {
                policies.breakers.insert(key.text.clone(), breaker);
            }
        }
        policies
    }

    fn retry(&mut self, written: &Fields) -> Option<OperationRetry> {
        let (fits, other) = match written.text("policy").as_str() {
            "exponential" => ("exponential", "duration"),
            _ => ("constant", "maxInterval"),
        };
        if let Some(span) = written.given(other) {
            let message = format!("`{other}` means nothing with `policy: {fits}`");
            self.wrong(Mistake::at(span, Code::KeysDisagree, message).help("leave it out"));
        }
        let mut time = |name, default| match written.get(name) {
            Some(value) => self.positive(value),
            None => Some(default),
        };
        let backoff = if fits == "exponential" {
            let max = time("maxInterval", Duration::from_mins(1))?;
            Backoff { initial: INITIAL.min(max), max }
        } else {
            let each = time("duration", Duration::from_secs(5))?;
            Backoff { initial: each, max: each }
        };
        let after = match written.object("matching") {
            Some(matching) => Retried {
                http: self.codes(matching, "httpStatusCodes", 100, 599)?,
                grpc: self.codes(matching, "gRPCStatusCodes", 0, 16)?,
                only_unreached: false,
            },
            None => Retried::default(),
        };
        let max = u32::try_from(written.integer("maxRetries")).ok();
        Some(OperationRetry { max, backoff, after, budget: BudgetPolicy::default() })
    }

    /// `None` where it is a mistake.
    #[expect(clippy::option_option, reason = "the inner one says that all failures are meant")]
    fn codes(&mut self, matching: &Fields, name: &str, from: u16, to: u16) -> Option<Option<Codes>> {
        let Some(value) = matching.get(name) else { return Some(None) };
        let text = value.text()?;
        match Codes::parse(&text, from, to) {
            Ok(codes) if text.is_empty() || codes != Codes::NONE => Some((!text.is_empty()).then_some(codes)),
            Ok(_none) => Some(None),
            Err(why) => {
                let mistake = Mistake::at(value.span, Code::BadHttp, why);
                self.wrong(mistake.help("write codes and ranges, as in `429,500-599`"));
                None
            }
        }
    }

    fn breaker(&mut self, written: &Fields) -> Option<BreakerPolicy> {
        let every = match written.get("interval") {
            Some(value) => self.time(value)?.filter(|time| !time.is_zero()),
            None => None,
        };
        let open = match written.get("timeout") {
            Some(value) => self.positive(value)?,
            None => Duration::from_mins(1),
        };
        let trip = written.get("trip").and_then(|trip| Some((trip.text()?, trip.span)));
        let (text, span) = trip.unwrap_or_else(|| ("consecutiveFailures > 5".to_owned(), written.span));
        match Condition::parse(&text) {
            Ok(condition) => {
                let tries = written.whole("maxRequests");
                Some(BreakerPolicy { trip: Trip::Counts { condition, every }, open, tries })
            }
            Err(error) => {
                let message = format!("`{text}` is no condition for a breaker");
                self.wrong(Mistake::at(span, Code::BadCondition, message).help(error.to_string()));
                None
            }
        }
    }

    /// A duration as Dapr reads it; a bare number is one of milliseconds. `None` where it is a mistake.
    #[expect(clippy::option_option, reason = "as `Option<Duration>` is what it is to become")]
    fn time(&mut self, value: &Value) -> Option<Option<Duration>> {
        let text = value.text()?;
        let nanos = match text.parse::<u32>() {
            Ok(millis) => Some(u64::from(millis) * 1_000_000),
            Err(_no_number) => go_duration(&text).and_then(|nanos| u64::try_from(nanos).ok()),
        };
        if nanos.is_none() {
            let mistake = Mistake::at(value.span, Code::BadDuration, format!("not a duration: `{text}`"));
            self.wrong(mistake.expected("expected one such as `500ms`, `5s` or `1m30s`, or milliseconds"));
        }
        nanos.map(|nanos| Some(Duration::from_nanos(nanos)))
    }

    fn positive(&mut self, value: &Value) -> Option<Duration> {
        let time = self.time(value)??;
        if time.is_zero() {
            let mistake = Mistake::at(value.span, Code::BadDuration, "the time is none at all");
            self.wrong(mistake.help("it must be longer than nothing"));
            return None;
        }
        Some(time)
    }

    fn named_targets(
        &mut self,
        targets: &Fields,
        policies: &Policies,
    ) -> Vec<(Rank, TargetName, OperationPolicy)> {
        let mut found = Vec::new();
        for (key, _) in targets.map("actors") {
            self.not_served(key.span, "actors, and policies for them", "leave `actors` out");
        }
        for (key, app) in targets.objects("apps") {
            self.expect_service_at(&key.text, key.span);
            let policy = self.operation(app, policies);
            self.expect_within(&key.text, app, policy.timeout);
            found.push((Rank::Named, TargetName::Service(key.text.clone()), policy));
        }
        for (key, component) in targets.objects("components") {
            let sections = self.sections_of(&key.text, key.span);
            for (direction, name) in [(Direction::Outbound, "outbound"), (Direction::Inbound, "inbound")] {
                // As in Dapr, a target that is named has no default policies.
                let policy = component.object(name).map(|it| self.operation(it, policies));
                let served = sections.iter().filter(|it| serves(self.system, it, &key.text, direction));
                let served: Vec<_> = served.copied().collect();
                if let Some(span) = component.given(name)
                    && served.is_empty()
                    && !sections.is_empty()
                {
                    let message = format!("there is no way `{name}` for `{}`", key.text);
                    self.wrong(Mistake::at(span, Code::KeysDisagree, message).help("leave it out"));
                }
                for section in served {
                    let target = direction.target(section, &key.text);
                    if policy.is_some() {
                        self.expect_unsaid(&target, component.given(name).unwrap_or(key.span));
                    }
                    found.push((Rank::Named, target, policy.clone().unwrap_or_default()));
                }
            }
        }
        found
    }

    fn expect_unsaid(&mut self, target: &TargetName, span: Span) {
        if self.system.targets.iter().any(|said| said.target == *target) {
            let key = if matches!(target, TargetName::Inbound(..)) { "breaker" } else { "outbound" };
            let message = format!("the system file has a policy for this: `{key}`");
            self.wrong(Mistake::at(span, Code::KeysDisagree, message).help("keep one of the two"));
        }
    }

    fn operation(&mut self, written: &Fields, policies: &Policies) -> OperationPolicy {
        OperationPolicy {
            timeout: self.policy(written, "timeout", &policies.timeouts),
            retry: self.policy(written, "retry", &policies.retries),
            breaker: self.policy(written, "circuitBreaker", &policies.breakers),
        }
    }

    fn policy<T: Clone>(&mut self, written: &Fields, key: &str, policies: &BTreeMap<String, T>) -> Option<T> {
        let value = written.get(key)?;
        let name = value.text()?;
        let found = policies.get(&name);
        if found.is_none() {
            let message = format!("this document has no such policy for `{key}`: `{name}`");
            let mistake = Mistake::at(value.span, Code::UnknownName, message);
            self.wrong(mistake.one_of(&name, policies.keys().map(String::as_str)));
        }
        found.cloned()
    }

    /// A call ends with the time of the service that is called.
    fn expect_within(&mut self, app: &str, target: &Fields, timeout: Option<Duration>) {
        let bound = self.system.services.iter().find(|service| service.name == app);
        if let (Some(timeout), Some(service)) = (timeout, bound)
            && timeout > service.timeout
        {
            let message = format!("the service `{app}` has a `timeout` of {:?}", service.timeout);
            let span = target.given("timeout").unwrap_or(target.span);
            let help = format!("give it one of {timeout:?} or more in the system file");
            self.wrong(Mistake::at(span, Code::KeysDisagree, message).help(help));
        }
    }

    /// The sections that have a component of this name.
    fn sections_of(&mut self, name: &str, span: Span) -> Vec<&'static str> {
        let all = |section| components(self.system, section);
        let found: Vec<_> =
            SECTIONS.iter().map(|(section, _)| *section).filter(|it| all(it).contains(&name)).collect();
        if found.is_empty() {
            let mut names: Vec<&str> = SECTIONS.iter().flat_map(|(section, _)| all(section)).collect();
            names.sort_unstable();
            let mistake = Mistake::at(span, Code::UnknownName, format!("there is no component `{name}`"));
            let mistake = mistake.one_of(name, names);
            self.wrong(mistake);
        }
        found
    }
}

/// The names of the components of a section.
fn components<'a>(system: &'a System, section: &str) -> Vec<&'a str> {
    let named = |list: &'a [Component]| list.iter().map(|it| it.name.as_str()).collect();
    match section {
        "stores" => system.stores.iter().map(|it| it.name.as_str()).collect(),
        "topics" => system.topics.iter().map(|it| it.name.as_str()).collect(),
        "locks" => system.locks.iter().map(|it| it.name.as_str()).collect(),
        "secrets" => named(&system.secrets),
        "configuration" => named(&system.configuration),
        _ => named(&system.bindings),
    }
}

/// Whether anything goes this way. Topics bring messages, and a binding to the clock brings its times.
fn serves(system: &System, section: &str, name: &str, direction: Direction) -> bool {
    let is_clock =
        || system.bindings.iter().any(|it| it.name == name && it.engine.options.contains_key("schedule"));
    match (section, direction) {
        ("topics", _) => true,
        ("bindings", Direction::Inbound) => is_clock(),
        ("bindings", Direction::Outbound) => !is_clock(),
        (_, direction) => direction == Direction::Outbound,
    }
}

/// For what no document names, by the names of policies that say so.
fn default_targets(system: &System, policies: &Policies) -> Vec<(Rank, TargetName, OperationPolicy)> {
    let mut found = Vec::new();
    let of_apps = policies.for_all(&["App"]);
    for service in &system.services {
        found.push((TargetName::Service(service.name.clone()), of_apps.clone()));
    }
    for (section, word) in SECTIONS {
        for (direction, way) in [(Direction::Outbound, "Outbound"), (Direction::Inbound, "Inbound")] {
            let levels = [format!("{word}Component{way}"), format!("Component{way}"), "Component".to_owned()];
            let policy = policies.for_all(&levels.each_ref().map(String::as_str));
            for name in components(system, section) {
                if serves(system, section, name, direction) {
                    found.push((direction.target(section, name), policy.clone()));
                }
            }
        }
    }
    let says = |policy: &OperationPolicy| *policy != OperationPolicy::default();
    let ranked = |(target, policy)| (Rank::Default, target, policy);
    found.into_iter().filter(|(_, policy)| says(policy)).map(ranked).collect()
}

/// What never reached a service is tried again as this says.
fn built_in(system: &System, policies: &Policies) -> Vec<(Rank, TargetName, OperationPolicy)> {
    let Some(retry) = policies.retries.get(BUILT_IN) else { return Vec::new() };
    let retry = OperationRetry {
        max: retry.max.map(|max| max.max(BUILT_IN_MIN)),
        after: Retried { only_unreached: true, ..retry.after },
        ..retry.clone()
    };
    let policy = OperationPolicy { retry: Some(retry), ..OperationPolicy::default() };
    let target = |service: &crate::model::Service| TargetName::Service(service.name.clone());
    system.services.iter().map(|it| (Rank::BuiltIn, target(it), policy.clone())).collect()
}

impl Policies {
    /// The most special policy there is of each kind; that without a level is the most general.
    fn for_all(&self, levels: &[&str]) -> OperationPolicy {
        fn of<T: Clone>(policies: &BTreeMap<String, T>, levels: &[&str], kind: &str) -> Option<T> {
            let mut names = levels.iter().chain(&[""]).map(|level| format!("Default{level}{kind}Policy"));
            names.find_map(|name| policies.get(&name)).cloned()
        }
        OperationPolicy {
            timeout: of(&self.timeouts, levels, "Timeout"),
            retry: of(&self.retries, levels, "Retry"),
            breaker: of(&self.breakers, levels, "CircuitBreaker"),
        }
    }
}

impl Direction {
    fn target(self, section: &'static str, name: &str) -> TargetName {
        match self {
            Self::Inbound => TargetName::Inbound(section, name.to_owned()),
            Self::Outbound => TargetName::Outbound(section, name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
