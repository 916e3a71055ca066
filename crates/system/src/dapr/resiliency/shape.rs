//! The shape of resiliency documents.

use super::super::shape::{API_VERSION, KIND, LITERAL, METADATA, SCOPES, TEXT};
use crate::form::Form;
use crate::shape::Need::{Default, Optional, Required};
use crate::shape::{Object, Shape, field};

const POLICIES_MAX: usize = 1000;
const NAMED: Form = Form::Literal;

pub(in crate::dapr) static RESILIENCY: Object = Object {
    name: "resiliency document",
    doc: "How what services ask of each other and of components is tried.",
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        field("spec", Shape::Object(&SPEC), Required, "Policies, and what they are for."),
        SCOPES,
    ],
};

static SPEC: Object = Object {
    name: "resiliency's spec",
    doc: "Policies, and what they are for.",
    fields: &[
        field("policies", Shape::Object(&POLICIES), Required, "Policies by name."),
        field("targets", Shape::Object(&TARGETS), Optional("none"), "What they are for."),
    ],
};

static POLICIES: Object = Object {
    name: "resiliency's policies",
    doc: "Policies by name.",
    fields: &[
        field(
            "timeouts",
            Shape::Map { key: NAMED, value: &LITERAL, max: POLICIES_MAX },
            Optional("none"),
            "Times for one try.",
        ),
        field(
            "retries",
            Shape::Map { key: NAMED, value: &Shape::Object(&RETRY), max: POLICIES_MAX },
            Optional("none"),
            "When it is tried again.",
        ),
        field(
            "circuitBreakers",
            Shape::Map { key: NAMED, value: &Shape::Object(&BREAKER), max: POLICIES_MAX },
            Optional("none"),
            "When nothing is tried.",
        ),
    ],
};

static RETRY: Object = Object {
    name: "retry policy",
    doc: "When it is tried again.",
    fields: &[
        field("policy", Shape::Choice(&["constant", "exponential"]), Default("constant"), "How waits grow."),
        field("duration", LITERAL, Optional("5s"), "Each wait, with `constant`."),
        field("maxInterval", LITERAL, Optional("60s"), "The longest wait, with `exponential`."),
        field(
            "maxRetries",
            Shape::One(Form::Integer { min: -1, max: 1_000_000 }),
            Default("-1"),
            "Tries after the first; -1 for as many as it takes.",
        ),
        field("matching", Shape::Object(&MATCHING), Optional("all failures"), "After which failures."),
    ],
};

static MATCHING: Object = Object {
    name: "matching",
    doc: "Statuses that are tried again, as in `429,500-599`.",
    fields: &[
        field("httpStatusCodes", LITERAL, Optional("all failures"), "From 100 to 599."),
        field("gRPCStatusCodes", LITERAL, Optional("all failures"), "From 0 to 16."),
    ],
};

static BREAKER: Object = Object {
    name: "circuit breaker",
    doc: "When nothing is tried.",
    fields: &[
        field(
            "maxRequests",
            Shape::One(Form::Integer { min: 1, max: 1_000_000 }),
            Default("1"),
            "So many tries are made when it is half open.",
        ),
        field("interval", LITERAL, Optional("never"), "Counts begin anew so often."),
        field("timeout", LITERAL, Optional("60s"), "So long it stays open."),
        field("trip", LITERAL, Optional("consecutiveFailures > 5"), "The condition on which it opens."),
    ],
};

static TARGETS: Object = Object {
    name: "resiliency's targets",
    doc: "What policies are for.",
    fields: &[
        field(
            "apps",
            Shape::Map { key: NAMED, value: &Shape::Object(&APP), max: POLICIES_MAX },
            Optional("none"),
            "Services that are called.",
        ),
        field(
            "actors",
            Shape::Map { key: NAMED, value: &Shape::Object(&ACTOR), max: POLICIES_MAX },
            Optional("none"),
            "Not served.",
        ),
        field(
            "components",
            Shape::Map { key: NAMED, value: &Shape::Object(&COMPONENT), max: POLICIES_MAX },
            Optional("none"),
            "Components that are asked, or bring something.",
        ),
    ],
};

static APP: Object = Object {
    name: "app as a target",
    doc: "The policies for calls of a service.",
    fields: &[
        field("timeout", TEXT, Optional("none"), "A policy."),
        field("retry", TEXT, Optional("none"), "A policy."),
        field("circuitBreaker", TEXT, Optional("none"), "A policy."),
        field(
            "circuitBreakerCacheSize",
            Shape::One(Form::Integer { min: 0, max: i64::MAX }),
            Optional("one"),
            "There is one breaker for a service, however many replicas it has.",
        ),
    ],
};

static ACTOR: Object = Object {
    name: "actor as a target",
    doc: "Not served.",
    fields: &[
        field("timeout", TEXT, Optional("none"), "A policy."),
        field("retry", TEXT, Optional("none"), "A policy."),
        field("circuitBreaker", TEXT, Optional("none"), "A policy."),
        field("circuitBreakerScope", TEXT, Optional("none"), "A word."),
        field(
            "circuitBreakerCacheSize",
            Shape::One(Form::Integer { min: 0, max: i64::MAX }),
            Optional("none"),
            "A number.",
        ),
    ],
};

static COMPONENT: Object = Object {
    name: "component as a target",
    doc: "The policies for both directions.",
    fields: &[
        field("inbound", Shape::Object(&DIRECTION), Optional("none"), "For what it brings to services."),
        field("outbound", Shape::Object(&DIRECTION), Optional("none"), "For what services ask of it."),
    ],
};

static DIRECTION: Object = Object {
    name: "policies of a direction",
    doc: "Policies by their names.",
    fields: &[
        field("timeout", TEXT, Optional("none"), "A policy."),
        field("retry", TEXT, Optional("none"), "A policy."),
        field("circuitBreaker", TEXT, Optional("none"), "A policy."),
    ],
};
