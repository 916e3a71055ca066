//! Which path of a subscriber takes a message: rules in order, then the default.
//!
//! What a document declares and what an app asks for are read into the same [`Routes`], so both are held
//! against the same rules.

mod condition;

use http::uri::PathAndQuery;

pub use condition::{Condition, ConditionError};

/// The paths of one subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    rules: Vec<Rule>,
    default: Option<String>,
}

/// A path, and the messages that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which messages.
    pub condition: Condition,
    /// Where they go.
    pub path: String,
}

// === impl Routes ===

impl Routes {
    /// All messages go to one path.
    pub const fn to(path: String) -> Self {
        Self { rules: Vec::new(), default: Some(path) }
    }

    /// Messages go where the first rule that takes them says, or to `default`. A rule without a condition takes
    /// all: it is the default, and what follows it is left out.
    pub fn new(rules: Vec<(Option<Condition>, String)>, default: Option<String>) -> Self {
        let mut routes = Self { rules: Vec::new(), default };
        for (condition, path) in rules {
            let Some(condition) = condition else {
                routes.default = Some(path);
                break;
            };
            routes.rules.push(Rule { condition, path });
        }
        routes
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The path of messages that no rule takes.
    pub fn default_path(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// All paths that there are.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().map(|rule| rule.path.as_str());
        rules.chain(self.default.as_deref())
    }

    /// The path of a message; `None` where no rule takes it and there is no default. The envelope is read
    /// only where there are rules. A rule that cannot be told of a message (it looks at a field that the
    /// message lacks, say) does not take it.
    pub fn path_of(&self, envelope: &[u8]) -> Option<&str> {
        if self.rules.is_empty() {
            return self.default.as_deref();
        }
        let event = condition::Event::read(envelope);
        let takes = |rule: &&Rule| event.as_ref().is_some_and(|event| rule.condition.holds(event));
        self.rules.iter().find(takes).map(|rule| rule.path.as_str()).or(self.default.as_deref())
    }
}

/// A path as it is written, with its slash; an error where it is none.
pub fn path(text: &str) -> Result<String, PathError> {
    let path = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
    match path.parse::<PathAndQuery>() {
        Ok(_) => Ok(path),
        Err(error) => Err(PathError { path, why: error.to_string() }),
    }
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path: {why}")]
pub struct PathError {
    path: String,
    why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(rules: &[(&str, &str)], default: Option<&str>) -> Routes {
        let rule = |(condition, path): &(&str, &str)| {
            let condition =
                (!condition.is_empty()).then(|| Condition::compile(condition).expect("a condition"));
            (condition, (*path).to_owned())
        };
        Routes::new(rules.iter().map(rule).collect(), default.map(str::to_owned))
    }

    #[test]
    fn the_first_rule_that_takes_a_message_wins_and_then_the_default() {
        let routes = routes(
            &[("event.type == 'a'", "/a"), ("event.data.n > 3", "/many"), ("event.data.n > 1", "/some")],
            Some("/rest"),
        );
        assert_eq!(routes.path_of(br#"{"type":"a","data":{"n":9}}"#), Some("/a"));
        assert_eq!(routes.path_of(br#"{"type":"b","data":{"n":9}}"#), Some("/many"));
        assert_eq!(routes.path_of(br#"{"type":"b","data":{"n":2}}"#), Some("/some"));
        assert_eq!(routes.path_of(br#"{"type":"b","data":{"n":1}}"#), Some("/rest"));
        assert_eq!(routes.paths().collect::<Vec<_>>(), ["/a", "/many", "/some", "/rest"]);
    }

    #[test]
    fn a_rule_that_cannot_be_told_does_not_take_the_message() {
        let routes = routes(&[("event.data.n > 3", "/many")], None);
        assert_eq!(routes.path_of(br#"{"data":"text"}"#), None);
        assert_eq!(routes.path_of(br#"{}"#), None);
        assert_eq!(routes.path_of(b"no envelope"), None);
        assert_eq!(routes.path_of(br#"{"data":{"n":4}}"#), Some("/many"));
    }

    #[test]
    fn a_rule_without_a_condition_is_the_default() {
        let routes =
            routes(&[("event.type == 'a'", "/a"), ("", "/all"), ("event.type == 'b'", "/b")], Some("/rest"));
        assert_eq!(routes.path_of(br#"{"type":"b"}"#), Some("/all"));
        assert_eq!((routes.rules().len(), routes.default_path()), (1, Some("/all")));
    }

    #[test]
    fn paths_begin_with_a_slash() {
        assert_eq!((path("a").as_deref(), path("/a?b=1").as_deref()), (Ok("/a"), Ok("/a?b=1")));
        assert!(path("/a b").is_err());
    }

    #[test]
    fn without_rules_the_envelope_is_not_looked_at() {
        assert_eq!(Routes::to("/a".to_owned()).path_of(b"no envelope"), Some("/a"));
    }
}
