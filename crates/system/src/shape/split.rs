//! The keys of a part of a route's `split`.

use super::Need::{Default, Optional, Required};
use super::{Object, Shape, field};
use crate::form::Form;

pub(super) static SPLIT: Object = Object {
    name: "split part",
    doc: "A part of a route's requests that goes to another service: those with a header, or so many of a hundred. See [balancing](balancing.md#splitting-a-route).",
    fields: &[
        field("to", Shape::One(Form::Name), Required, "The service."),
        field(
            "percent",
            Shape::One(Form::Integer { min: 0, max: 100 }),
            Default("0"),
            "So many of a hundred requests, by chance. Those of all parts come to 100 at most.",
        ),
        field(
            "header",
            Shape::One(Form::Header),
            Optional("`percent` alone decides"),
            "Requests with this header belong to this part, whatever the percents say; the first such part has them.",
        ),
        field("value", Shape::One(Form::Text), Optional("any"), "The whole value that the header must have."),
    ],
};
