//! The node: the process that runs the system.

use super::{ADDRESS, EMPTY, FILE, NAME, PAUSE, TEXT, integer};
use crate::form::Form;
use crate::shape::Need::{Default, Optional};
use crate::shape::{Object, Shape, field};

pub(super) static NODE: Object = Object {
    name: "node",
    doc: "The one process that runs the system.",
    fields: &[
        field("data", FILE, Default(".floodway"), "The folder for what must last, relative to the file."),
        field(
            "zone",
            NAME,
            Optional("no zone is preferred"),
            "Where it runs, and its replicas with it: replicas `at` addresses in the same zone come first. See [balancing](balancing.md#zones).",
        ),
        field("workers", integer(1, 1024), Optional("one per core"), "Threads that carry traffic."),
        field(
            "grace",
            PAUSE,
            Default("10s"),
            "On a stop, time to finish requests and to end replicas before they are killed.",
        ),
        field("admin", Shape::Object(&ADMIN), EMPTY, "Where `floodway status` and `floodway drain` ask."),
        field("api", Shape::Object(&API), EMPTY, "The ports where replicas ask for blocks."),
    ],
};

static ADMIN: Object = Object {
    name: "admin",
    doc: "The admin API.",
    fields: &[
        field(
            "listen",
            ADDRESS,
            Default("127.0.0.1:0"),
            "Its address; port 0 takes any free one. Beyond loopback it needs a `token`.",
        ),
        field(
            "token",
            TEXT,
            Optional("no token is asked for"),
            "What callers must show. Take it from the environment: `\"${env:ADMIN_TOKEN}\"`.",
        ),
    ],
};

static API: Object = Object {
    name: "api",
    doc: "The block API: one port for each replica.",
    fields: &[
        field(
            "bind",
            Shape::One(Form::Ip),
            Default("127.0.0.1"),
            "The IP address of the ports. Beyond loopback it needs a `token`.",
        ),
        field(
            "token",
            TEXT,
            Optional("no token is asked for"),
            "What callers must show in `dapr-api-token`; replicas get it as `DAPR_API_TOKEN`.",
        ),
    ],
};
