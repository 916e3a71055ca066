//! Components: which engine does the work of each type, and what its options are called there.

use floodway_policy::schedule::{Schedule, go_duration};

use super::emit::{self, Section};
use super::{Reader, is_on};
use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::model::{Component, Outbox, Scope};
use crate::value::{Fields, Kind, Value};

/// A type of component that is served.
struct Type {
    name: &'static str,
    section: Section,
    engine: &'static str,
    options: &'static [Known],
}

/// An option of a type.
struct Known {
    name: &'static str,
    becomes: Becomes,
}

/// What an option becomes.
#[derive(Debug, Clone, Copy)]
enum Becomes {
    /// This key beside `engine:`, as it is.
    Text(&'static str),
    /// This key, `true` or `false`.
    Flag(&'static str),
    /// This key, from a duration as Go writes it.
    Duration(&'static str),
    /// This key, from a number of bytes.
    Size(&'static str),
    /// This key, when something is due.
    Schedule(&'static str),
    /// Nothing: only this value is served, which is how it is.
    Only(&'static str),
    /// A part of the store's outbox.
    OutboxTopics,
    OutboxTopic,
    /// It is Dapr's, and not served.
    NotServed,
}

const fn known(name: &'static str, becomes: Becomes) -> Known {
    Known { name, becomes }
}

const TYPES: [Type; 7] = [
    Type {
        name: "state.in-memory",
        section: Section::Stores,
        engine: "embedded",
        options: &[
            known("keyPrefix", Becomes::Only("appid")),
            known("outboxPublishPubsub", Becomes::OutboxTopics),
            known("outboxPublishTopic", Becomes::OutboxTopic),
            known("outboxPubsub", Becomes::NotServed),
            known("outboxDiscardWhenMissingState", Becomes::NotServed),
            known("actorStateStore", Becomes::Only("false")),
        ],
    },
    Type { name: "pubsub.in-memory", section: Section::Topics, engine: "embedded", options: &[] },
    Type {
        name: "secretstores.local.env",
        section: Section::Secrets,
        engine: "env",
        options: &[known("prefix", Becomes::Text("prefix"))],
    },
    Type {
        name: "secretstores.local.file",
        section: Section::Secrets,
        engine: "file",
        options: &[
            known("secretsFile", Becomes::Text("path")),
            known("nestedSeparator", Becomes::Text("separator")),
            known("multiValued", Becomes::Flag("multi-valued")),
        ],
    },
    Type {
        name: "configuration.file",
        section: Section::Configuration,
        engine: "file",
        options: &[known("path", Becomes::Text("path"))],
    },
    Type {
        name: "bindings.cron",
        section: Section::Bindings,
        engine: "cron",
        options: &[
            known("schedule", Becomes::Schedule("schedule")),
            known("route", Becomes::Text("route")),
            known("direction", Becomes::Only("input")),
        ],
    },
    Type {
        name: "bindings.http",
        section: Section::Bindings,
        engine: "http",
        options: &[
            known("url", Becomes::Text("url")),
            known("errorIfNot2XX", Becomes::Flag("error-unless-2xx")),
            known("responseTimeout", Becomes::Duration("response-timeout")),
            known("maxResponseBodySize", Becomes::Size("response-bytes")),
            known("securityToken", Becomes::Text("token")),
            known("securityTokenHeader", Becomes::Text("token-header")),
            known("direction", Becomes::Only("output")),
            known("MTLSRootCA", Becomes::NotServed),
            known("MTLSClientCert", Becomes::NotServed),
            known("MTLSClientKey", Becomes::NotServed),
            known("MTLSRenegotiation", Becomes::NotServed),
        ],
    },
];

/// What the options of a component amount to.
#[derive(Default)]
struct Options {
    /// Keys beside `engine:`, with their values as the system file would write them.
    keys: Vec<(&'static str, String)>,
    outbox_topics: Option<(String, Span)>,
    outbox_topic: Option<String>,
}

impl Reader<'_> {
    pub(super) fn component(&mut self, fields: &Fields) {
        let before = self.mistakes.len();
        let (name, span) = self.name(fields);
        let apps = self.scopes(fields);
        let empty = Fields::empty(fields.span);
        let spec = fields.object("spec").unwrap_or(&empty);
        let Some(of) = self.kind_of(spec) else { return };
        self.types.push((of.name.to_owned(), name.clone()));
        self.version(spec);
        if is_on(spec.get("ignoreErrors")) {
            let at = spec.given("ignoreErrors").unwrap_or(spec.span);
            self.not_served(at, "`ignoreErrors: true`", "leave it out: a broken component is a mistake");
        }
        let store = fields.object("auth").and_then(|auth| auth.get("secretStore"));
        let options = self.options(spec, of, store);
        self.expect_new(of.section, &name, span);
        if self.mistakes.len() > before {
            return;
        }
        if !apps.is_empty() {
            self.found.scopes.push(Scope { section: of.section.name(), name: name.clone(), apps });
        }
        self.add(of, &name, span, options);
    }

    fn kind_of(&mut self, spec: &Fields) -> Option<&'static Type> {
        let value = spec.get("type")?;
        let text = value.text()?;
        let found = TYPES.iter().find(|of| of.name == text);
        if found.is_none() {
            let mistake =
                Mistake::at(value.span, Code::UnknownWord, format!("unknown component type `{text}`"));
            self.wrong(mistake.one_of(&text, TYPES.iter().map(|of| of.name)));
        }
        found
    }

    fn version(&mut self, spec: &Fields) {
        if let Some(value) = spec.get("version")
            && let Some(text) = value.text().filter(|text| text != "v1")
        {
            let message = format!("unknown version `{text}` of the component");
            self.wrong(Mistake::at(value.span, Code::UnknownWord, message).one_of(&text, ["v1"]));
        }
    }

    fn options(&mut self, spec: &Fields, of: &Type, store: Option<&Value>) -> Options {
        let mut options = Options::default();
        for item in spec.list("metadata") {
            let Kind::Fields(item) = &item.kind else { continue };
            let Some((name, at)) = item.get("name").and_then(|name| Some((name.text()?, name.span))) else {
                continue;
            };
            // Names are found in any case, as in Dapr.
            let Some(known) = of.options.iter().find(|known| known.name.eq_ignore_ascii_case(&name)) else {
                let message = format!("unknown option `{name}` of `{}`", of.name);
                let mistake = Mistake::at(at, Code::UnknownKey, message);
                self.wrong(mistake.one_of(&name, of.options.iter().map(|known| known.name)));
                continue;
            };
            if let Some((value, span)) = self.value(item, at, store) {
                self.option(known, &value, span, &mut options);
            }
        }
        options
    }

    /// The value of an option, and where it stands.
    fn value(&mut self, item: &Fields, at: Span, store: Option<&Value>) -> Option<(String, Span)> {
        if let Some(reference) = item.object("secretKeyRef") {
            for other in ["value", "envRef"] {
                if let Some(span) = item.given(other) {
                    let message = format!("`{other}` and `secretKeyRef` exclude each other");
                    self.wrong(Mistake::at(span, Code::KeysDisagree, message).help("keep one of the two"));
                }
            }
            return Some((self.secret(reference, store)?, reference.span));
        }
        match (item.get("value"), item.get("envRef")) {
            (Some(value), None) => Some((value.text()?, value.span)),
            (None, Some(variable)) => {
                let name = variable.text()?;
                let found = (self.with.env)(&name);
                if found.is_none() {
                    let message = format!("the environment variable `{name}` is not set");
                    self.wrong(Mistake::at(variable.span, Code::MissingVariable, message));
                }
                Some((found?, variable.span))
            }
            (None, None) => {
                let message = "the option has neither `value` nor `envRef`";
                self.wrong(Mistake::at(at, Code::MissingKey, message));
                None
            }
            (Some(_), Some(variable)) => {
                let message = "`value` and `envRef` exclude each other";
                self.wrong(
                    Mistake::at(variable.span, Code::KeysDisagree, message).help("keep one of the two"),
                );
                None
            }
        }
    }

    /// A text of a secret; the key is the name, if none is given.
    fn secret(&mut self, reference: &Fields, store: Option<&Value>) -> Option<String> {
        let name = reference.text("name");
        let key = reference.get("key").and_then(Value::text).unwrap_or_else(|| name.clone());
        let Some((store, span)) = store.and_then(|store| Some((store.text()?, store.span))) else {
            let message = "the component needs `auth.secretStore`, as it takes a value from a secret";
            let mistake = Mistake::at(reference.span, Code::MissingKey, message);
            self.wrong(mistake.help("write `auth: { secretStore: NAME }` beside `spec`"));
            return None;
        };
        let there = &self.system.secrets;
        let Some(component) = there.iter().find(|component| component.name == store) else {
            let message = format!("there is no secrets component `{store}`");
            let mistake = Mistake::at(span, Code::UnknownName, message);
            let mistake = mistake.one_of(&store, there.iter().map(|component| component.name.as_str()));
            self.wrong(mistake);
            return None;
        };
        let texts = (self.with.secret)(component, &name);
        let why = match texts {
            Ok(mut texts) => match texts.remove(&key) {
                Some(text) => return Some(text),
                None => format!("it has no text `{key}`"),
            },
            Err(why) => why,
        };
        let message = format!("the secret `{name}` of `{store}` cannot be read");
        self.wrong(Mistake::at(reference.span, Code::UnreadableSecret, message).help(why));
        None
    }

    fn option(&mut self, known: &Known, value: &str, span: Span, options: &mut Options) {
        let expected = |code, what: &str| Mistake::at(span, code, format!("`{}` is {what}", known.name));
        let (key, value) = match known.becomes {
            Becomes::Text(key) => (key, emit::quoted(value)),
            Becomes::Flag(key) => (key, is_truthy(value).to_string()),
            Becomes::Duration(key) => match millis(value) {
                Some(millis) => (key, format!("{millis}ms")),
                None => return self.wrong(expected(Code::BadDuration, "no duration such as `10s`")),
            },
            Becomes::Size(key) => match bytes(value) {
                Some(bytes) => (key, format!("{bytes}B")),
                None => return self.wrong(expected(Code::BadSize, "no number of bytes such as `16Mi`")),
            },
            Becomes::Schedule(key) => match Schedule::parse_short(value) {
                Ok(_) => (key, emit::quoted(value)),
                Err(error) => {
                    return self.wrong(expected(Code::BadSchedule, "no schedule").help(error.to_string()));
                }
            },
            Becomes::Only(only) if value.eq_ignore_ascii_case(only) => return,
            Becomes::Only(only) => {
                let help = format!("leave it out, or write `{only}`");
                return self.not_served(span, &format!("another `{}` than `{only}`", known.name), &help);
            }
            Becomes::OutboxTopics => {
                options.outbox_topics = Some((value.to_owned(), span));
                return;
            }
            Becomes::OutboxTopic => {
                options.outbox_topic = Some(value.to_owned());
                return;
            }
            Becomes::NotServed => {
                return self.not_served(span, &format!("the option `{}`", known.name), "leave it out");
            }
        };
        options.keys.push((key, value));
    }

    /// A name stands for one component of its kind, whichever file it is from.
    fn expect_new(&mut self, section: Section, name: &str, span: Span) {
        let system = self.system;
        let is_taken = match section {
            Section::Stores => system.stores.iter().any(|store| store.name == name),
            Section::Topics => system.topics.iter().any(|topics| topics.name == name),
            Section::Secrets => system.secrets.iter().any(|secrets| secrets.name == name),
            Section::Bindings => system.bindings.iter().any(|binding| binding.name == name),
            Section::Configuration => system.configuration.iter().any(|found| found.name == name),
        };
        if is_taken {
            let message = format!("`{}.{name}` is there already", section.name());
            let help = "give one of the two another name";
            self.wrong(Mistake::at(span, Code::DuplicateKey, message).help(help));
        }
    }

    fn add(&mut self, of: &Type, name: &str, span: Span, options: Options) {
        let Options { mut keys, outbox_topics, outbox_topic } = options;
        // Without a prefix each variable is one.
        if of.engine == "env" && keys.is_empty() {
            keys.push(("prefix", emit::quoted("")));
        }
        let made = match emit::component(of.section, of.engine, &keys, self.with.catalogue) {
            Ok(made) => made,
            Err(why) => {
                let message = format!("the component `{name}` cannot be made: {why}");
                return self.wrong(Mistake::at(span, Code::MissingKey, message));
            }
        };
        self.found.stores.extend(made.stores.into_iter().map(|mut store| {
            store.outbox = outbox_topic
                .clone()
                .zip(outbox_topics.clone())
                .map(|(topic, (topics, _))| Outbox { topics, topic });
            name.clone_into(&mut store.name);
            store
        }));
        if let Some((topics, span)) = outbox_topics {
            self.expect_topics(&topics, span);
        }
        self.found.topics.extend(made.topics.into_iter().map(|mut topics| {
            name.clone_into(&mut topics.name);
            topics
        }));
        let named = |component: Component| Component { name: name.to_owned(), ..component };
        self.found.secrets.extend(made.secrets.into_iter().map(named));
        self.found.bindings.extend(made.bindings.into_iter().map(named));
        self.found.configurations.extend(made.configuration.into_iter().map(named));
    }

    /// Topics of the system, and of documents before this one.
    pub(super) fn expect_topics(&mut self, name: &str, span: Span) {
        let there: Vec<String> = self.system.topics.iter().map(|topics| topics.name.clone()).collect();
        if !there.iter().any(|there| there == name) {
            let mistake =
                Mistake::at(span, Code::UnknownName, format!("there is no topics component `{name}`"));
            self.wrong(mistake.one_of(name, there.iter().map(String::as_str)));
        }
    }
}

/// Any word that Dapr reads as true.
fn is_truthy(word: &str) -> bool {
    ["true", "yes", "on", "t", "y", "1"].iter().any(|truthy| word.eq_ignore_ascii_case(truthy))
}

/// A positive duration in whole milliseconds; a bare number is one of them.
fn millis(text: &str) -> Option<u128> {
    let millis = match text.parse::<u32>() {
        Ok(millis) => u128::from(millis),
        Err(_no_number) => u128::try_from(go_duration(text)?).ok()?.div_ceil(1_000_000),
    };
    (millis > 0).then_some(millis)
}

/// A number of bytes, with a unit of Kubernetes or without.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
