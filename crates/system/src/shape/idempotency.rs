//! The keys of a route's `idempotency`.

use super::Need::{Default, Required};
use super::{Object, Shape, field};
use crate::form::Form;

pub(super) static IDEMPOTENCY: Object = Object {
    name: "route idempotency",
    doc: "The first answer to a key is kept in a store and given to all that come with the key again. See [idempotency](idempotency.md).",
    fields: &[
        field(
            "header",
            Shape::One(Form::Header),
            Default("Idempotency-Key"),
            "The header with the key, which counts in requests by other methods than GET, HEAD, OPTIONS and TRACE.",
        ),
        field("store", Shape::One(Form::Name), Required, "Where keys and answers are kept: one of `stores`."),
        field(
            "keep",
            Shape::One(Form::Duration { zero: false }),
            Default("24h"),
            "How long an answer is kept.",
        ),
        field(
            "required",
            Shape::One(Form::Flag),
            Default("false"),
            "Whether a request without a key is refused, where its method is not idempotent either.",
        ),
        field(
            "duplicates",
            Shape::Choice(&DUPLICATES),
            Default("wait"),
            "What becomes of a request while another with its key runs: it waits as long as the route's `timeout`, or is refused with 409.",
        ),
        field(
            "body",
            Shape::One(Form::Size { min: 0, max: 64 << 20 }),
            Default("1MiB"),
            "Largest body of a request with a key; it is held in memory. The route's `body` holds too.",
        ),
        field(
            "answer",
            Shape::One(Form::Size { min: 0, max: 8 << 20 }),
            Default("1MiB"),
            "Largest body of an answer that is kept.",
        ),
    ],
};

/// What becomes of a copy: the first word for waiting.
pub(crate) const DUPLICATES: [&str; 2] = ["wait", "refuse"];
