//! Declared subscriptions.

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
        let route = match spec.object("routes") {
            Some(routes) => self.default_route(routes),
            None => spec.text("route"),
        };
        if let Some(bulk) = spec.object("bulkSubscribe")
            && is_on(bulk.get("enabled"))
        {
            self.not_served(bulk.span, "bulk subscriptions", "leave `bulkSubscribe` out");
        }
        let raw = spec.object("metadata").and_then(|metadata| metadata.get("rawPayload")?.text());
        if self.mistakes.len() > before {
            return;
        }
        self.found.subscriptions.push(DaprSubscription {
            topics,
            topic: spec.text("topic"),
            route: if route.starts_with('/') { route } else { format!("/{route}") },
            dead_letter: spec.get("deadLetterTopic").and_then(Value::text),
            is_raw: raw.is_some_and(|raw| raw.eq_ignore_ascii_case("true")),
            apps,
        });
    }

    /// The route for every message. A rule without a condition is one.
    fn default_route(&mut self, routes: &Fields) -> String {
        for rule in routes.list("rules") {
            let Kind::Fields(rule) = &rule.kind else { continue };
            match rule.get("match").and_then(|value| Some((value.text()?, value.span))) {
                Some((condition, span)) if !condition.is_empty() => {
                    let help = "leave the rule out, and look at the message in the service";
                    self.not_served(span, "routing rules in documents", help);
                }
                _ => return rule.text("path"),
            }
        }
        if routes.get("default").is_none() {
            let message = "the subscription needs a route for messages that no rule takes";
            self.wrong(Mistake::at(routes.span, Code::MissingKey, message).help("add `default`"));
        }
        routes.text("default")
    }
}
