//! The keys of what a node tells of single requests.

use super::Need::{Default, Optional, Required};
use super::{Object, Shape, field};
use crate::form::Form;

pub(super) static TELEMETRY: Object = Object {
    name: "telemetry",
    doc: "What is told of single requests. Metrics are always there: see [metrics](metrics.md).",
    fields: &[
        field(
            "access-log",
            Shape::Object(&ACCESS_LOG),
            Optional("no access log"),
            "A line of JSON for each request of a client that is over. See [tracing](tracing.md#the-access-log).",
        ),
        field(
            "traces",
            Shape::Object(&TRACES),
            Optional("trace contexts pass untouched"),
            "Takes part in traces, and sends spans. See [tracing](tracing.md).",
        ),
    ],
};

static ACCESS_LOG: Object = Object {
    name: "access log",
    doc: "Lines are written beside the traffic: what does not fit is left out and counted.",
    fields: &[
        field("sample", Shape::One(Form::Share), Default("100%"), "Of so many requests."),
        field(
            "to",
            Shape::One(Form::File),
            Default("stderr"),
            "`stderr`, or a file, relative to the system file, that lines are added to.",
        ),
    ],
};

static TRACES: Object = Object {
    name: "traces",
    doc: "Spans of requests and of calls between services, by OTLP.",
    fields: &[
        field("otlp", Shape::One(Form::Address), Required, "Where a collector takes OTLP over HTTP."),
        field(
            "sample",
            Shape::One(Form::Share),
            Default("1%"),
            "Of so many requests, besides those that a trusted proxy or a service of the system records.",
        ),
    ],
};
