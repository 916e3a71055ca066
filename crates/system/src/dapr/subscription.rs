//! Declared subscriptions.

use floodway_blocks::subscription::routes::{PathError, path};
use floodway_blocks::subscription::{Bulk, Condition, ConditionError, Routes, Subscription};

use super::{Reader, is_on};
use crate::code::Code;
use crate::mistake::Mistake;
use crate::model::DaprSubscription;
use crate::value::{Fields, Kind, Value};

impl Reader<'_> {
    pub(super) fn subscription(&mut self, fields: &Fields) {
        let before = self.mistakes.len();
        self.name(fields);
        let apps = self.scopes(fields);
        let empty = Fields::empty(fields.span);
        let spec = fields.object("spec").unwrap_or(&empty);
        let topics = spec.text("pubsubname");
        if let Some(value) = spec.get("pubsubname").filter(|value| value.is_known()) {
            self.expect_topics(&topics, value.span);
        }
        let routes = match spec.object("routes") {
            Some(routes) => self.routes(routes),
            None => spec.get("route").and_then(|route| self.path(route)).map(Routes::to),
        };
        let bulk = spec.object("bulkSubscribe").filter(|bulk| is_on(bulk.get("enabled")));
        let bulk =
            bulk.map(|bulk| Bulk::new(number(bulk, "maxMessagesCount"), number(bulk, "maxAwaitDurationMs")));
        let raw = spec.object("metadata").and_then(|metadata| metadata.get("rawPayload")?.text());
        let Some(routes) = routes.filter(|_| self.mistakes.len() == before) else { return };
        let subscription = Subscription {
            topics,
            topic: spec.text("topic"),
            routes,
            dead_letter: spec.get("deadLetterTopic").and_then(Value::text).filter(|topic| !topic.is_empty()),
            is_raw: raw.is_some_and(|raw| raw.eq_ignore_ascii_case("true")),
            bulk,
        };
        self.found.subscriptions.push(DaprSubscription { subscription, apps });
    }

    /// Rules, and the path of what no rule takes; one of them must be there.
    fn routes(&mut self, written: &Fields) -> Option<Routes> {
        let mut rules = Vec::new();
        for rule in written.list("rules") {
            let Kind::Fields(rule) = &rule.kind else { continue };
            let condition = rule.get("match").and_then(|value| self.condition(value));
            if let Some(path) = rule.get("path").and_then(|path| self.path(path)) {
                rules.push((condition, path));
            }
        }
        let default = written.get("default").and_then(|path| self.path(path));
        if written.list("rules").is_empty() && written.get("default").is_none() {
            let message = "the subscription has neither a rule nor a default route";
            self.wrong(Mistake::at(written.span, Code::MissingKey, message).help("add `default`"));
            return None;
        }
        Some(Routes::new(rules, default))
    }

    fn condition(&mut self, value: &Value) -> Option<Condition> {
        let text = value.text().filter(|text| !text.trim().is_empty())?;
        let wrong = |error: ConditionError| {
            let message = format!("the condition `{text}` cannot be told: {error}");
            Mistake::at(value.span, Code::BadCondition, message)
                .help("write an expression in CEL on `event`, as in `event.type == \"order.placed\"`")
        };
        Condition::compile(&text).map_err(|error| self.wrong(wrong(error))).ok()
    }

    fn path(&mut self, value: &Value) -> Option<String> {
        let text = value.text().filter(|text| !text.is_empty())?;
        let wrong = |error: PathError| {
            Mistake::at(value.span, Code::BadPath, error.to_string()).help("write a path, as in `/orders`")
        };
        path(&text).map_err(|error| self.wrong(wrong(error))).ok()
    }
}

fn number(fields: &Fields, name: &str) -> Option<u64> {
    fields.get(name).map(|_| fields.whole(name))
}
