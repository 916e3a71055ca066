//! The shape of Dapr's documents.

use crate::form::Form;
use crate::shape::Need::{Optional, Required};
use crate::shape::{Field, Object, Shape, field};

pub(super) const TEXT: Shape = Shape::One(Form::Text);
pub(super) const LITERAL: Shape = Shape::One(Form::Literal);
pub(super) const FLAG: Shape = Shape::One(Form::Flag);
const BULK_COUNT: Shape = Shape::One(Form::Integer { min: 1, max: 10_000 });
const BULK_WAIT: Shape = Shape::One(Form::Integer { min: 0, max: 60_000 });
const TEXTS: Shape = Shape::Map { key: Form::Literal, value: &LITERAL, max: 1000 };

pub(super) const API_VERSION: Field =
    field("apiVersion", TEXT, Required, "The version of the document's form.");
pub(super) const KIND: Field = field("kind", TEXT, Required, "What the document is.");
pub(super) const METADATA: Field =
    field("metadata", Shape::Object(&DOCUMENT_METADATA), Required, "The name of the document.");
pub(super) const SCOPES: Field = field(
    "scopes",
    Shape::List { item: &TEXT, max: 1000 },
    Optional("all services"),
    "The services that it is for.",
);

static DOCUMENT_METADATA: Object = Object {
    name: "document's metadata",
    doc: "The name of the document.",
    fields: &[
        field("name", TEXT, Required, "The name that services use."),
        field("namespace", TEXT, Optional("default"), "Always `default`."),
        field("labels", TEXTS, Optional("none"), "Not looked at."),
        field("annotations", TEXTS, Optional("none"), "Not looked at."),
    ],
};

pub(super) static COMPONENT: Object = Object {
    name: "component",
    doc: "Something that services can ask for.",
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        field("spec", Shape::Object(&COMPONENT_SPEC), Required, "What it is."),
        field("auth", Shape::Object(&AUTH), Optional("none"), "Where its secrets are."),
        SCOPES,
    ],
};

static AUTH: Object = Object {
    name: "component's auth",
    doc: "Where its secrets are.",
    fields: &[field("secretStore", TEXT, Required, "A secrets component.")],
};

static COMPONENT_SPEC: Object = Object {
    name: "component's spec",
    doc: "What it is.",
    fields: &[
        field("type", TEXT, Required, "As in `state.in-memory`."),
        field("version", TEXT, Required, "As in `v1`."),
        field("initTimeout", TEXT, Optional("none"), "Nothing here takes time to begin."),
        field("ignoreErrors", FLAG, Optional("false"), "Only `false`."),
        field(
            "metadata",
            Shape::List { item: &Shape::Object(&ITEM), max: 1000 },
            Optional("none"),
            "Its options.",
        ),
    ],
};

static ITEM: Object = Object {
    name: "component's option",
    doc: "A name and a value.",
    fields: &[
        field("name", TEXT, Required, "The option."),
        field("value", LITERAL, Optional("`envRef` or `secretKeyRef` must be there"), "Its value."),
        field("envRef", TEXT, Optional("one of the others must be there"), "A variable of the environment."),
        field("secretKeyRef", Shape::Object(&SECRET_KEY), Optional("none"), "A secret."),
    ],
};

static SECRET_KEY: Object = Object {
    name: "secretKeyRef",
    doc: "A secret.",
    fields: &[
        field("name", TEXT, Required, "The secret."),
        field("key", TEXT, Optional("the name"), "The text in it."),
    ],
};

pub(super) static SUBSCRIPTION_V1: Object = Object {
    name: "subscription",
    doc: "Which messages a service gets, and where.",
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        field("spec", Shape::Object(&SPEC_V1), Required, "What is subscribed to."),
        SCOPES,
    ],
};

pub(super) static SUBSCRIPTION_V2: Object = Object {
    name: "subscription",
    doc: "Which messages a service gets, and where.",
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        field("spec", Shape::Object(&SPEC_V2), Required, "What is subscribed to."),
        SCOPES,
    ],
};

const PUBSUB: Field = field("pubsubname", TEXT, Required, "The topics component.");
const TOPIC: Field = field("topic", TEXT, Required, "The topic in it.");
const DEAD_LETTER: Field =
    field("deadLetterTopic", TEXT, Optional("the component's"), "Where messages go that are given up.");
const OPTIONS: Field =
    field("metadata", Shape::Object(&SUBSCRIPTION_OPTIONS), Optional("none"), "Its options.");
const BULK: Field = field(
    "bulkSubscribe",
    Shape::Object(&BULK_SUBSCRIBE),
    Optional("none"),
    "Several messages in one request.",
);

static SPEC_V1: Object = Object {
    name: "subscription's spec",
    doc: "What is subscribed to.",
    fields: &[
        PUBSUB,
        TOPIC,
        field("route", TEXT, Required, "The path at which the service takes messages."),
        DEAD_LETTER,
        OPTIONS,
        BULK,
    ],
};

static SPEC_V2: Object = Object {
    name: "subscription's spec",
    doc: "What is subscribed to.",
    fields: &[
        PUBSUB,
        TOPIC,
        field("routes", Shape::Object(&ROUTES), Required, "Where the service takes messages."),
        DEAD_LETTER,
        OPTIONS,
        BULK,
    ],
};

static ROUTES: Object = Object {
    name: "subscription's routes",
    doc: "Where the service takes messages.",
    fields: &[
        field(
            "rules",
            Shape::List { item: &Shape::Object(&RULE), max: 1000 },
            Optional("none"),
            "Paths for some of the messages; the first that takes one wins.",
        ),
        field("default", LITERAL, Optional("none"), "The path for messages that no rule takes."),
    ],
};

static RULE: Object = Object {
    name: "routing rule",
    doc: "A path for some of the messages.",
    fields: &[
        field("match", LITERAL, Optional("every message"), "Which messages."),
        field("path", TEXT, Required, "The path for them."),
    ],
};

static SUBSCRIPTION_OPTIONS: Object = Object {
    name: "subscription's metadata",
    doc: "Its options.",
    fields: &[field("rawPayload", LITERAL, Optional("false"), "Messages are not envelopes.")],
};

static BULK_SUBSCRIBE: Object = Object {
    name: "bulkSubscribe",
    doc: "Several messages in one request.",
    fields: &[
        field("enabled", FLAG, Required, "Whether they are."),
        field("maxMessagesCount", BULK_COUNT, Optional("100"), "The most messages of one request."),
        field("maxAwaitDurationMs", BULK_WAIT, Optional("1000"), "How long the first waits for others."),
    ],
};
