//! The keys of a route's `fallback`.

use super::Need::{Default, Optional};
use super::{Object, Shape, field};
use crate::form::Form;

pub(super) static FALLBACK: Object = Object {
    name: "fallback",
    doc: "What clients get where the gateway would answer 502, 503 or 504 as the service could not. See [resilience](resilience.md#fallback).",
    fields: &[
        field("status", Shape::One(Form::Integer { min: 200, max: 599 }), Default("503"), "The status."),
        field(
            "headers",
            Shape::Map { key: Form::Header, value: &Shape::One(Form::Text), max: 16 },
            Optional("none"),
            "Headers, as `content-type`.",
        ),
        field("body", Shape::One(Form::Text), Optional("none"), "The body."),
    ],
};
