//! Reads how what services ask of components is tried.

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
                    let target = TargetName::Outbound(section, key.text.clone());
                    let policy = self.operation(outbound);
                    targets.push(TargetPolicy { target, services: Vec::new(), policy });
                }
            }
        }
        targets
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
