//! The shape of what services reach outside of the system, and of what is there without being asked for.

use super::super::Need::{Default, Optional};
use super::super::{Object, Shape, field};
use super::outbound::OUTBOUND;
use super::services::BREAKER;
use super::{DURATION, ENGINE, integer};

pub(super) static SECRETS: Object = Object {
    name: "secrets component",
    doc: "Texts that services read and nobody prints.",
    fields: &[ENGINE, OUTBOUND],
};

pub(super) static JOBS: Object = Object {
    name: "jobs",
    doc: "How [jobs](jobs.md) run. They are there without being asked for.",
    fields: &[
        field("timeout", DURATION, Default("60s"), "Time for a service's answer to one run."),
        field("in-flight", integer(1, 4096), Default("64"), "Runs of one service under way at once."),
        field(
            "breaker",
            Shape::Object(&BREAKER),
            Optional("never opens"),
            "Leaves a service alone while it fails, and its runs wait; `{}` for all defaults.",
        ),
    ],
};

pub(super) static BINDING: Object = Object {
    name: "binding",
    doc: "Something outside that services ask (`http`), or that tells them (`cron`).",
    fields: &[ENGINE, OUTBOUND],
};

pub(super) static CONFIGURATION: Object = Object {
    name: "configuration component",
    doc: "Values that change while services run; who subscribes is told.",
    fields: &[ENGINE, OUTBOUND],
};
