//! Reads stores, topics, locks, and what else stands on an engine.

use floodway_blocks::Block;
use floodway_blocks::engine::{OptionKind, OptionValue};
use floodway_policy::delivery::DeliveryPolicy;
use floodway_policy::retry::Backoff;
use floodway_policy::snapshot::{QueuePolicy, ResultsPolicy};

use super::Reader;
use crate::code::Code;
use crate::mistake::Mistake;
use crate::model::{Component, Engine, Jobs, Locks, Outbox, Store, Topics};
use crate::tree::Key;
use crate::value::{Fields, Kind, Value};

impl Reader<'_> {
    pub(super) fn stores(&mut self, file: &Fields) -> Vec<Store> {
        file.objects("stores")
            .map(|(key, fields)| Store {
                name: key.text.clone(),
                engine: self.engine(fields, Block::State),
                outbox: fields.object("outbox").map(|outbox| self.outbox(file, fields, outbox)),
            })
            .collect()
    }

    pub(super) fn topics(&mut self, file: &Fields) -> Vec<Topics> {
        file.objects("topics")
            .map(|(key, fields)| self.topics_component(file, key.text.clone(), fields))
            .collect()
    }

    pub(super) fn locks(&mut self, file: &Fields) -> Vec<Locks> {
        file.objects("locks")
            .map(|(key, fields)| Locks { name: key.text.clone(), engine: self.engine(fields, Block::Locks) })
            .collect()
    }

    #[expect(clippy::unused_self, reason = "as all parts of the file are read")]
    pub(super) fn jobs(&mut self, file: &Fields) -> Jobs {
        let empty = Fields::empty(file.span);
        let jobs = file.object("jobs").unwrap_or(&empty);
        Jobs { timeout: jobs.duration("timeout"), in_flight_max: jobs.whole("in-flight") }
    }

    pub(super) fn components(&mut self, file: &Fields, key: &str, block: Block) -> Vec<Component> {
        let component = |(key, fields): (&Key, &Fields)| Component {
            name: key.text.clone(),
            engine: self.engine(fields, block),
        };
        file.objects(key).map(component).collect()
    }

    fn topics_component(&mut self, file: &Fields, name: String, fields: &Fields) -> Topics {
        let queues = fields.objects("queues").map(|(key, queue)| self.queue(file, key.text.clone(), queue));
        let queues = queues.collect();
        Topics {
            name,
            engine: self.engine(fields, Block::Topics),
            delivery: self.delivery(fields),
            dead_letter: fields.get("dead-letter").map(|_| fields.text("dead-letter")),
            in_flight_max: fields.whole("in-flight"),
            dedup: fields.duration("dedup"),
            queues,
        }
    }

    fn delivery(&mut self, fields: &Fields) -> DeliveryPolicy {
        let empty = Fields::empty(fields.span);
        let retry = fields.object("retry").unwrap_or(&empty);
        DeliveryPolicy {
            attempts: retry.whole("attempts"),
            backoff: self.backoff(retry),
            timeout: fields.duration("timeout"),
        }
    }

    fn queue(&mut self, file: &Fields, name: String, fields: &Fields) -> QueuePolicy {
        let results = fields.object("results").map(|results| {
            let store = results.text("store");
            let span = results.get("store").filter(|value| value.is_known()).map(|value| value.span);
            if let Some(span) = span
                && file.get("stores").is_none_or(Value::is_known)
            {
                self.expect_defined("store", &store, span, file.map("stores"));
            }
            ResultsPolicy { store, keep: results.duration("keep") }
        });
        QueuePolicy {
            name,
            delivery: self.delivery(fields),
            dead_letter: fields.get("dead-letter").map(|_| fields.text("dead-letter")),
            in_flight_max: fields.whole("in-flight"),
            results,
        }
    }

    pub(super) fn backoff(&mut self, retry: &Fields) -> Backoff {
        let backoff = Backoff { initial: retry.duration("initial"), max: retry.duration("max") };
        let spans = ["initial", "max"].map(|name| retry.get(name).filter(|value| value.is_known()));
        if let [Some(initial), Some(_)] = spans
            && backoff.initial > backoff.max
        {
            let given = retry.given("max").and_then(|_| retry.get("max")).unwrap_or(initial);
            let message = "the first wait is longer than the longest";
            let help = format!("`initial` is {:?}, `max` is {:?}", backoff.initial, backoff.max);
            self.mistake(Mistake::at(given.span, Code::KeysDisagree, message).help(help));
        }
        backoff
    }

    fn engine(&mut self, fields: &Fields, block: Block) -> Engine {
        let name = fields.text("engine");
        let description = self.catalogue.iter().find(|engine| engine.name == name);
        let known = description.into_iter().flat_map(|engine| engine.options);
        let options = known
            .filter(|option| option.blocks.contains(&block))
            .filter_map(|option| {
                let value = match (option.kind, fields.get(option.name)?) {
                    (OptionKind::File, value) if value.is_known() => {
                        OptionValue::File(self.path(fields, option.name))
                    }
                    (_, value) => option_value(&value.kind)?,
                };
                Some((option.name.to_owned(), value))
            })
            .collect();
        Engine { name, options }
    }

    fn outbox(&mut self, file: &Fields, store: &Fields, outbox: &Fields) -> Outbox {
        let topics = outbox.text("topics");
        let span = outbox.get("topics").filter(|value| value.is_known()).map(|value| value.span);
        if let Some(span) = span {
            if file.get("topics").is_none_or(Value::is_known) {
                self.expect_defined("topics component", &topics, span, file.map("topics"));
            }
            let component = file.objects("topics").find(|(key, _)| key.text == topics);
            let ours = store.text("engine");
            let theirs =
                component.map(|(_, fields)| fields.text("engine")).filter(|engine| !engine.is_empty());
            let commits = self.catalogue.iter().any(|engine| engine.name == ours && engine.outbox);
            if let Some(theirs) = theirs.filter(|theirs| *theirs != ours || !commits) {
                let message =
                    format!("the store (`{ours}`) and its outbox (`{theirs}`) cannot commit as one");
                let help = "use one engine for both, one that has an outbox";
                self.mistake(Mistake::at(span, Code::OutboxApart, message).help(help));
            }
        }
        Outbox { topics, topic: outbox.text("topic") }
    }
}

fn option_value(kind: &Kind) -> Option<OptionValue> {
    match kind {
        Kind::Text(text) => Some(OptionValue::Text(text.clone())),
        Kind::Integer(number) => Some(OptionValue::Integer(*number)),
        Kind::Flag(flag) => Some(OptionValue::Flag(*flag)),
        Kind::Duration(duration) => Some(OptionValue::Duration(*duration)),
        Kind::Size(size) => Some(OptionValue::Size(*size)),
        _ => None,
    }
}
