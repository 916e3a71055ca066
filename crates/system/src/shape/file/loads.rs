//! The shape of loads: requests to offer to a running system.

use super::super::Need::{Default, Optional, Required};
use super::super::{Object, Shape, field};
use super::{COMMAND, COUNT, COUNT_MAX, DURATION, EMPTY, FILE, LITERAL, METHOD, integer};
use crate::form::Form;

pub(super) static LOAD: Object = Object {
    name: "load",
    doc: "Requests to the gateway, one for each row, and what they must come to.",
    fields: &[
        field(
            "replay",
            FILE,
            Optional("`repeat` must be there"),
            "A CSV file, relative to the system file: a row is a request, its first line names the columns.",
        ),
        field(
            "repeat",
            integer(1, COUNT_MAX),
            Optional("`replay` must be there"),
            "So many requests, without a file.",
        ),
        field(
            "rate",
            Shape::One(Form::Rate),
            Optional("full speed"),
            "When requests start, however slow the answers are.",
        ),
        field("concurrency", integer(1, 100_000), Default("512"), "Most requests in flight."),
        field("timeout", DURATION, Default("10s"), "Time for one attempt."),
        field(
            "retry",
            Shape::Object(&LOAD_RETRY),
            EMPTY,
            "Whether a request that failed is sent again: after no connection, a broken answer, 502, 503 and 504.",
        ),
        field("request", Shape::Object(&REQUEST), Required, "What each row becomes."),
        field(
            "expect",
            Shape::Object(&EXPECT),
            EMPTY,
            "What the answers must come to. Each request must be answered.",
        ),
        field(
            "audit",
            Shape::Object(&AUDIT),
            Optional("none"),
            "A program that checks the system afterwards.",
        ),
    ],
};

static LOAD_RETRY: Object = Object {
    name: "load retry",
    doc: "Attempts of one request. Waits double from `initial` to `max`.",
    fields: &[
        field("attempts", integer(1, 1000), Default("1"), "Attempts in all."),
        field("initial", DURATION, Default("100ms"), "The first wait."),
        field("max", DURATION, Default("2s"), "The longest wait."),
    ],
};

static REQUEST: Object = Object {
    name: "request",
    doc: "A request with gaps: `${row}` is the number of the row, from 1, `${row:COLUMN}` its value.",
    fields: &[
        field("method", METHOD, Default("GET"), "The method."),
        field("path", Shape::One(Form::RequestPath), Required, "Path and query; may have gaps."),
        field(
            "headers",
            Shape::Map { key: Form::Header, value: &LITERAL, max: 100 },
            Optional("none"),
            "Headers; their values may have gaps.",
        ),
        field("body", LITERAL, Optional("none"), "The body; may have gaps."),
    ],
};

static EXPECT: Object = Object {
    name: "expect",
    doc: "Exact counts.",
    fields: &[
        field("accepted", COUNT, Optional("any number"), "Answers with 2xx."),
        field(
            "rejected",
            Shape::Map { key: Form::Status, value: &COUNT, max: 300 },
            Optional("none"),
            "Answers by status. A status that is not listed must not occur.",
        ),
    ],
};

static AUDIT: Object = Object {
    name: "audit",
    doc: "Run after the load; its exit status counts.",
    fields: &[
        field("run", COMMAND, Required, "The program and its arguments, relative to `dir`."),
        field("dir", FILE, Default("."), "Its working folder, relative to the file."),
    ],
};
