//! The keys of a route's `hedge`.

use super::Need::Default;
use super::{Object, Shape, field};
use crate::form::Form;

pub(super) static HEDGE: Object = Object {
    name: "hedge",
    doc: "A second try at another replica while the first is late; the first good answer wins, and the other try is given up. Only for requests without a body that may happen twice. See [resilience](resilience.md#hedging).",
    fields: &[
        field(
            "after",
            Shape::One(Form::Late),
            Default("p95"),
            "When a try is late: after this time, or once it takes longer than 95 of a hundred recent ones did.",
        ),
        field(
            "budget",
            Shape::One(Form::Share),
            Default("5%"),
            "Second tries, as a share of the requests that may have one.",
        ),
    ],
};
