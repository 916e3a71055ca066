//! Reads how what services ask of components is tried, and when they are left alone with what comes in.

use floodway_policy::budget::BudgetPolicy;
use floodway_policy::operation::{OperationPolicy, OperationRetry, Retried};
use floodway_policy::retry::Backoff;
use floodway_policy::snapshot::{TargetName, TargetPolicy};

use super::Reader;
use super::services::breaker;
use crate::code::Code;
use crate::mistake::Mistake;
use crate::value::Fields;

/// The sections whose components services ask something.
const SECTIONS: [&str; 6] = ["stores", "topics", "locks", "secrets", "configuration", "bindings"];

impl Reader<'_> {
    pub(super) fn targets(&mut self, file: &Fields) -> Vec<TargetPolicy> {
        let mut targets = Vec::new();
        for section in SECTIONS {
            for (key, component) in file.objects(section) {
                if let Some(outbound) = component.object("outbound") {
                    self.expect_asked(section, component);
                    let target = TargetName::Outbound(section, key.text.clone());
                    let policy = self.operation(outbound);
                    targets.push(TargetPolicy { target, services: Vec::new(), policy });
                }
            }
        }
        for (key, topics) in file.objects("topics") {
            targets.extend(topics.object("breaker").map(|written| inbound("topics", &key.text, written)));
        }
        let jobs = file.object("jobs").and_then(|jobs| jobs.object("breaker"));
        targets.extend(jobs.map(|written| inbound("jobs", "jobs", written)));
        targets
    }

    /// A binding with a schedule tells; it is not asked.
    fn expect_asked(&mut self, section: &str, component: &Fields) {
        if let Some(span) = component.given("outbound").filter(|_| component.get("schedule").is_some())
            && section == "bindings"
        {
            let message = "nothing is asked of a binding with a `schedule`";
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help("leave `outbound` out"));
        }
    }

    fn operation(&mut self, outbound: &Fields) -> OperationPolicy {
        OperationPolicy {
            timeout: outbound.get("timeout").map(|_| outbound.duration("timeout")),
            retry: outbound.object("retry").map(|retry| self.operation_retry(retry)),
            breaker: outbound.object("breaker").map(breaker),
        }
    }

    fn operation_retry(&mut self, retry: &Fields) -> OperationRetry {
        let backoff = Backoff { initial: retry.duration("pause"), max: retry.duration("pause-max") };
        if backoff.initial > backoff.max {
            let span = retry.given("pause").or_else(|| retry.given("pause-max")).unwrap_or(retry.span);
            let message = format!("`pause` is above `pause-max`, which is {:?}", backoff.max);
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help("raise `pause-max`"));
        }
        OperationRetry {
            max: Some(retry.whole("max")),
            backoff,
            after: Retried::default(),
            budget: BudgetPolicy { percent: retry.whole("budget"), per_second: retry.whole("budget-min") },
        }
    }
}

/// A breaker alone, for what comes in by this.
fn inbound(section: &'static str, name: &str, written: &Fields) -> TargetPolicy {
    let policy = OperationPolicy { breaker: Some(breaker(written)), ..OperationPolicy::default() };
    TargetPolicy { target: TargetName::Inbound(section, name.to_owned()), services: Vec::new(), policy }
}
