//! The keys of `outbound`: how what services ask of a component is tried.

use super::services::BREAKER;
use super::{DURATION, integer};
use crate::shape::Need::{Default, Optional};
use crate::shape::{Field, Object, Shape, field};

pub(super) const OUTBOUND: Field = field(
    "outbound",
    Shape::Object(&ASKED),
    Optional("asked once, for as long as it takes"),
    "How what services ask of it is tried. See [resilience](resilience.md#components).",
);

static ASKED: Object = Object {
    name: "outbound",
    doc: "Bounds what services ask of a component, tries it again, and leaves the component alone while it fails. Each replica of a service counts for itself.",
    fields: &[
        field(
            "timeout",
            DURATION,
            Optional("as long as it takes"),
            "Time for one try. What took longer may have been done nevertheless.",
        ),
        field("retry", Shape::Object(&RETRY), Optional("tried once"), "`{}` for all defaults."),
        field("breaker", Shape::Object(&BREAKER), Optional("never opens"), "`{}` for all defaults."),
    ],
};

static RETRY: Object = Object {
    name: "outbound retry",
    doc: "When what failed is asked again. What a component refuses for the asker's own doing, such as a lost race, is no failure.",
    fields: &[
        field("max", integer(0, 1000), Default("2"), "Tries after the first."),
        field("pause", DURATION, Default("25ms"), "The first pause, half of it left to chance."),
        field(
            "pause-max",
            DURATION,
            Default("250ms"),
            "Pauses double up to this; where it is `pause`, each is just that.",
        ),
        field("budget", integer(0, 100), Default("20"), "Retries per hundred operations."),
        field(
            "budget-min",
            integer(0, 1_000_000),
            Default("10"),
            "Retries per second that there may be whatever the load.",
        ),
    ],
};
