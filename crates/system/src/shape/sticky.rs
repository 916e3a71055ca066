//! The keys of a service's `sticky`.

use super::Need::Optional;
use super::{Object, Shape, field};
use crate::form::Form;

pub(crate) static STICKY: Object = Object {
    name: "sticky",
    doc: "A signed cookie brings a client back to the replica that answered it first, while that takes requests. See [balancing](balancing.md#sticky-sessions).",
    fields: &[
        field(
            "cookie",
            Shape::One(Form::Text),
            Optional("`fw-` and the name of the service"),
            "The name of the cookie; another one for each service.",
        ),
        field(
            "ttl",
            Shape::One(Form::Duration { zero: false }),
            Optional("until the browser is closed"),
            "How long a client keeps the cookie.",
        ),
        field(
            "secret",
            Shape::One(Form::Text),
            Optional("a random one for each start of the node"),
            "What the cookie is signed by; at least 16 characters. With it sessions outlive the node, and nodes can share them. Take it from the environment: `\"${env:STICKY_SECRET}\"`.",
        ),
    ],
};
