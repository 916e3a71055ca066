//! What a service may do: call which method of another, use which part of the API, read which secret. As Dapr's
//! configuration documents have it.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// All that services may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Who may call what; `None` for all.
    pub calls: Option<AccessControl>,
    /// Which parts of the API there are.
    pub api: ApiRules,
    /// Which secrets may be read, of components that are named; all of others.
    pub secrets: Vec<SecretScope>,
}

/// Who may call what of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessControl {
    /// Whether callers that have no policy may.
    pub default: bool,
    /// The policies of callers; the first of a caller counts.
    pub callers: Vec<CallerPolicy>,
}

/// What one caller may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerPolicy {
    /// The caller.
    pub caller: String,
    /// Whether it may where no operation says so; [`AccessControl::default`], if that is not given.
    pub default: Option<bool>,
    operations: Vec<OperationRule>,
}

/// What may be done with some methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRule {
    segments: Vec<String>,
    /// Verbs of HTTP in capitals, or `*` for all. gRPC has none.
    verbs: Vec<String>,
    allowed: bool,
}

/// How a method is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb<'a> {
    /// By HTTP, with this method; its path has no case.
    Http(&'a str),
    /// By gRPC.
    Grpc,
}

/// Which parts of the API there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiRules {
    /// Only these, if there are any.
    pub allowed: BTreeSet<ApiRule>,
    /// Not these.
    pub denied: BTreeSet<ApiRule>,
}

/// A part of the API by a protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiRule {
    /// By gRPC, or else by HTTP.
    pub is_grpc: bool,
    /// As in `state`.
    pub name: String,
    /// As in `v1` and `v1alpha1`.
    pub version: String,
}

/// Which secrets of a component may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretScope {
    /// The component.
    pub component: String,
    /// Whether those may be read that no list names.
    pub default: bool,
    /// Only these, if there are any.
    pub allowed: BTreeSet<String>,
    /// Not these.
    pub denied: BTreeSet<String>,
}

// === impl AccessControl ===

impl AccessControl {
    /// Whether a caller may call a method. What is denied to a path is denied however it is encoded: callers of this
    /// ask for each reading of it.
    pub fn allows(&self, caller: &str, path: &str, verb: Verb<'_>) -> bool {
        let Some(policy) = self.callers.iter().find(|policy| policy.caller == caller) else {
            return self.default;
        };
        let default = policy.default.unwrap_or(self.default);
        policy.rule(path, verb).and_then(|rule| rule.says(verb)).unwrap_or(default)
    }
}

// === impl CallerPolicy ===

impl CallerPolicy {
    /// Rules of fewer segments come first, else those that were written first: what is said of a whole tree holds
    /// for its leaves.
    pub fn new(caller: String, default: Option<bool>, mut operations: Vec<OperationRule>) -> Self {
        operations.sort_by_key(|rule| rule.segments.len());
        Self { caller, default, operations }
    }

    fn rule(&self, path: &str, verb: Verb<'_>) -> Option<&OperationRule> {
        self.operations.iter().find(|rule| rule.takes(path, verb))
    }
}

// === impl OperationRule ===

impl OperationRule {
    /// Of the methods that a name names: a path and all below it. `*` stands for any run of characters of a segment; as
    /// the whole last segment, for one segment or none. `**` as the last stands for all below.
    pub fn new(name: &str, verbs: Vec<String>, allowed: bool) -> Self {
        let segments = segments(name).map(ToOwned::to_owned).collect();
        Self { segments, verbs, allowed }
    }

    fn takes(&self, path: &str, verb: Verb<'_>) -> bool {
        let ignores_case = matches!(verb, Verb::Http(_));
        let mut path = segments(path).peekable();
        let last = self.segments.len().saturating_sub(1);
        for (place, pattern) in self.segments.iter().enumerate() {
            let is_last = place == last;
            match (path.next(), &**pattern) {
                (_, "**") if is_last => return true,
                (None, pattern) => return is_last && pattern == "*",
                (Some(_), "*") if is_last => return path.peek().is_none(),
                (Some(segment), pattern) if !is_match(segment, pattern, ignores_case) => return false,
                (Some(_), _) => {}
            }
        }
        // A path and all below it; but the root is not everything.
        !self.segments.is_empty() || path.peek().is_none()
    }

    /// `None` where it says nothing of the verb.
    fn says(&self, verb: Verb<'_>) -> Option<bool> {
        match verb {
            Verb::Grpc => Some(self.allowed),
            Verb::Http(verb) => {
                self.verbs.iter().any(|own| own == "*" || own == verb).then_some(self.allowed)
            }
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Whether a text is of a pattern in which `*` stands for any run of bytes. O(text * stars).
fn is_match(text: &str, pattern: &str, ignores_case: bool) -> bool {
    let same = |a: u8, b: u8| if ignores_case { a.eq_ignore_ascii_case(&b) } else { a == b };
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut at, mut of) = (0, 0);
    // Where the last star stands, and how far it has reached.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(byte) if same(*byte, text[at]) => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((place, reached)) = star else { return false };
                star = Some((place, reached + 1));
                (at, of) = (reached + 1, place + 1);
            }
        }
    }
    pattern.iter().skip(of).all(|byte| *byte == b'*')
}

// === impl ApiRules ===

impl ApiRules {
    /// Whether a part of the API is there. Rules of one protocol say nothing of the other.
    pub fn allows(&self, rule: &ApiRule) -> bool {
        let limits = self.allowed.iter().any(|allowed| allowed.is_grpc == rule.is_grpc);
        !self.denied.contains(rule) && (!limits || self.allowed.contains(rule))
    }

    /// Whether all of it is.
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }
}

// === impl SecretScope ===

impl SecretScope {
    /// Whether a secret may be read.
    pub fn allows(&self, secret: &str) -> bool {
        if self.allowed.is_empty() {
            !self.denied.contains(secret) && self.default
        } else {
            self.allowed.contains(secret)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::{prop_assert, proptest};
    use std::vec;

    fn rule(name: &str, verbs: &[&str], allowed: bool) -> OperationRule {
        OperationRule::new(name, verbs.iter().map(ToString::to_string).collect(), allowed)
    }

    fn control(default: Option<bool>, operations: Vec<OperationRule>) -> AccessControl {
        AccessControl {
            default: false,
            callers: vec![CallerPolicy::new("shop".to_owned(), default, operations)],
        }
    }

    #[test]
    fn who_has_no_policy_may_what_all_may() {
        let control = control(Some(true), vec![]);
        assert!(control.allows("shop", "/a", Verb::Http("GET")));
        assert!(!control.allows("stranger", "/a", Verb::Http("GET")));
        assert!(AccessControl { default: true, ..control }.allows("stranger", "/a", Verb::Grpc));
    }

    #[test]
    fn a_rule_says_something_of_its_verbs_only() {
        let control =
            control(Some(true), vec![rule("/orders", &["GET"], false), rule("carts", &["*"], false)]);
        let get = |path, verb| control.allows("shop", path, Verb::Http(verb));
        assert!(!get("/orders", "GET") && get("/orders", "POST"));
        assert!(!get("/carts", "DELETE") && !control.allows("shop", "/orders", Verb::Grpc));
    }

    #[test]
    fn names_are_paths_with_stars() {
        let takes = |name: &str, path: &str| rule(name, &["*"], true).takes(path, Verb::Http("GET"));
        assert!(takes("/a", "/a") && takes("/a", "//A/") && takes("/a", "/a/b/c") && !takes("/a", "/ab"));
        assert!(takes("/a/*", "/a/b") && takes("/a/*", "/a") && !takes("/a/*", "/a/b/c"));
        assert!(takes("/a/**", "/a/b/c") && takes("/**", "/") && takes("/a/*/c", "/a/b/c"));
        assert!(takes("/a*z/c", "/abcz/c") && !takes("/a*z/c", "/abc/c"));
        assert!(takes("/", "/") && !takes("/", "/a"));
        assert!(!rule("/a", &[], true).takes("/A", Verb::Grpc), "gRPC has a case");
    }

    #[test]
    fn what_is_said_of_a_tree_holds_for_its_leaves() {
        let control = control(None, vec![rule("/a/b", &["*"], true), rule("/a", &["*"], false)]);
        assert!(!control.allows("shop", "/a/b", Verb::Http("GET")));
    }

    #[test]
    fn rules_of_one_protocol_say_nothing_of_the_other() {
        let part = |is_grpc, name: &str| ApiRule { is_grpc, name: name.to_owned(), version: "v1".to_owned() };
        let mut rules = ApiRules::default();
        assert!(rules.allows(&part(true, "state")));
        rules.allowed.insert(part(false, "state"));
        assert!(rules.allows(&part(false, "state")) && !rules.allows(&part(false, "publish")));
        assert!(rules.allows(&part(true, "publish")));
        rules.denied.insert(part(false, "state"));
        assert!(!rules.allows(&part(false, "state")), "what is denied is, though it is allowed");
    }

    #[test]
    fn secrets_are_read_by_the_lists_and_then_by_default() {
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let scope = |default, allowed: &[&str], denied: &[&str]| SecretScope {
            component: "vault".to_owned(),
            default,
            allowed: set(allowed),
            denied: set(denied),
        };
        assert!(scope(true, &[], &[]).allows("a") && !scope(false, &[], &[]).allows("a"));
        assert!(scope(false, &["a"], &[]).allows("a") && !scope(true, &["a"], &[]).allows("b"));
        assert!(!scope(true, &[], &["a"]).allows("a") && scope(true, &[], &["a"]).allows("b"));
    }

    proptest! {
        #[test]
        fn a_text_is_of_every_pattern_it_makes(text in "[ab]{0,8}", starred in 0_usize..9) {
            let at = starred.min(text.len());
            let (before, after) = text.split_at(at);
            let starred = [before, "*", after].concat();
            prop_assert!(is_match(&text, &starred, false));
            prop_assert!(is_match(&text, "*", false));
            prop_assert!(is_match(&text.to_uppercase(), &text, true));
        }
    }
}
