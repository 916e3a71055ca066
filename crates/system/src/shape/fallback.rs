//! The keys of a route's `fallback`.

use super::Need::{Default, Optional};
use super::{Object, Shape, field};
use crate::form::Form;

pub(super) static FALLBACK: Object = Object {
    name: "fallback",
    doc: "What clients get where the gateway would answer 502, 503 or 504 as the service could not: a stale response, then what another service says, then an answer that is always the same. See [resilience](resilience.md#fallback).",
    fields: &[
        field(
            "stale",
            Shape::One(Form::Flag),
            Default("false"),
            "A response that the route's `cache` still holds, unless the service forbade it.",
        ),
        field(
            "stale-for",
            Shape::One(Form::Duration { zero: true }),
            Default("1d"),
            "How long such a response was stale at most, where the service does not say it. Needs `stale: true`.",
        ),
        field(
            "to",
            Shape::One(Form::Name),
            Optional("nobody"),
            "The service that is asked instead. Requests with a body do not go there.",
        ),
        field(
            "status",
            Shape::One(Form::Integer { min: 200, max: 599 }),
            Optional("503; without an answer, where there is `stale` or `to`"),
            "The status of the answer.",
        ),
        field(
            "headers",
            Shape::Map { key: Form::Header, value: &Shape::One(Form::Text), max: 16 },
            Optional("none"),
            "Headers, as `content-type`.",
        ),
        field("body", Shape::One(Form::Text), Optional("none"), "The body."),
    ],
};
