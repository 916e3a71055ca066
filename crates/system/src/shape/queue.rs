//! Task queues of a topics component.

use super::Need::{Default, Empty, Optional, Required};
use super::file::DELIVERY_RETRY;
use super::{Object, Shape, field};
use crate::form::Form;

pub(crate) static QUEUE: Object = Object {
    name: "task queue",
    doc: "A topic whose messages are tasks of the one service that subscribes: each is run by one of its replicas at a time, those of a higher `priority` first.",
    fields: &[
        field("retry", Shape::Object(&DELIVERY_RETRY), Empty, "What happens to a task that fails."),
        field(
            "dead-letter",
            Shape::One(Form::Text),
            Optional("tried until it succeeds"),
            "The topic of the component for tasks that are given up, unless the subscription names another.",
        ),
        field(
            "in-flight",
            Shape::One(Form::Integer { min: 1, max: 4096 }),
            Default("64"),
            "Tasks under way at once.",
        ),
        field(
            "timeout",
            Shape::One(Form::Duration { zero: false }),
            Default("30s"),
            "Time for one run of a task: after it, the task is given to a worker again.",
        ),
        field(
            "results",
            Shape::Object(&RESULTS),
            Optional("not kept"),
            "Where the answers of workers are kept.",
        ),
    ],
};

static RESULTS: Object = Object {
    name: "place of results",
    doc: "The body of the answer to a task that succeeded, by the task's id.",
    fields: &[
        field("store", Shape::One(Form::Name), Required, "The store."),
        field(
            "keep",
            Shape::One(Form::Duration { zero: false }),
            Default("24h"),
            "How long a result is kept.",
        ),
    ],
};
