//! Services: where their replicas come from, who gets the next request, and what protects them.

use floodway_policy::balance::Balance;
use floodway_policy::snapshot::Protocol;

use super::front::SERVICE_TLS;
use super::{ADDRESS, COMMAND, DURATION, EMPTY, FILE, LITERAL, NAME, PAUSE, RETRY, TEXT, integer};
use crate::form::Form;
use crate::shape::Need::{Default, Optional, Required};
use crate::shape::sticky::STICKY;
use crate::shape::{Object, Shape, field};

const WEIGHT: Shape = integer(1, 1_000_000);
const PROTOCOLS: [&str; Protocol::NAMED.len() + 1] = [Protocol::NAMED[0].0, Protocol::NAMED[1].0, GRPC_APP];
/// HTTP/2, spoken by an app that serves Dapr's `AppCallback`.
pub(crate) const GRPC_APP: &str = "grpc";

const BALANCES: [&str; Balance::NAMED.len()] = {
    let mut names = [""; Balance::NAMED.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = Balance::NAMED[place].0;
        place += 1;
    }
    names
};

static AT: Object = Object {
    name: "address of a service",
    doc: "Where one replica listens. Only an address is short for one with that `address`.",
    fields: &[
        field("address", ADDRESS, Required, "The IP address and port."),
        field("zone", NAME, Optional("none: it is not in the zone of the node"), "Where it is."),
        field("weight", WEIGHT, Default("1"), "Its weight, as in `weights`; either here or there."),
    ],
};

pub(super) static SERVICE: Object = Object {
    name: "service",
    doc: "A program, started as often as `replicas` says, or found `at` addresses.",
    fields: &[
        field(
            "build",
            TEXT,
            Optional("nothing to build"),
            "Run by `sh -c` in `dir` before the start; once, where services share it.",
        ),
        field(
            "run",
            COMMAND,
            Optional("`at` must be there"),
            "The program and its arguments, split as a shell does but not run by one; relative to `dir`. It must listen on 127.0.0.1 at `PORT`.",
        ),
        field(
            "at",
            Shape::List { item: &Shape::Short(&AT), max: 1000 },
            Optional("`run` must be there"),
            "Where it listens, if it is not ours to start.",
        ),
        field("dir", FILE, Default("."), "The working folder of `build` and `run`, relative to the file."),
        field(
            "env",
            Shape::Map { key: Form::Text, value: &LITERAL, max: 1000 },
            Optional("empty"),
            "Environment variables of `run`, besides those the node sets.",
        ),
        field("replicas", integer(1, 1000), Default("1"), "How many of it run."),
        field(
            "backups",
            integer(0, 999),
            Default("0"),
            "Of the replicas or addresses, so many at the end get requests only while no other can take any.",
        ),
        field("health", Shape::Object(&HEALTH), EMPTY, "How a replica is probed."),
        field(
            "protocol",
            Shape::Choice(&PROTOCOLS),
            Default("http1"),
            "What it speaks: HTTP/1.1, or HTTP/2 (by ALPN with `tls`, else by prior knowledge), which gRPC needs; `grpc` is HTTP/2 of a service that is asked and told by gRPC, through Dapr's `AppCallback`.",
        ),
        field(
            "tls",
            Shape::Object(&SERVICE_TLS),
            Optional("no TLS"),
            "It speaks TLS; `{}` for all defaults.",
        ),
        field(
            "balance",
            Shape::Choice(&BALANCES),
            Default("round-robin"),
            "Which replica gets the next request.",
        ),
        field(
            "weights",
            Shape::List { item: &WEIGHT, max: 1000 },
            Optional("all equal"),
            "A weight for each replica or address, with `balance: weighted`, `least-requests`, `power-of-two` or `peak-ewma`.",
        ),
        field(
            "hash",
            Shape::Object(&HASH),
            Optional("by the client's address"),
            "What requests are told apart by, with `balance: hash`.",
        ),
        field(
            "sticky",
            Shape::Object(&STICKY),
            Optional("each request goes anywhere"),
            "Keeps the requests of a client together; `{}` for all defaults.",
        ),
        field(
            "slow-start",
            PAUSE,
            Default("0s"),
            "Time in which a replica that has become ready gets more and more, from a tenth of its share.",
        ),
        field(
            "outlier",
            Shape::Object(&OUTLIER),
            Optional("none is left out"),
            "Leaves out replicas that fail or are slow; `{}` for all defaults.",
        ),
        field("timeout", DURATION, Default("30s"), "Time for a call to it from another service."),
        field(
            "retry",
            Shape::Object(&RETRY),
            EMPTY,
            "When a call to it from another service is tried again.",
        ),
        field(
            "breaker",
            Shape::Object(&BREAKER),
            Optional("never opens"),
            "Leaves it alone while it fails; `{}` for all defaults.",
        ),
        field(
            "concurrency",
            Shape::Object(&CONCURRENCY),
            Optional("no bound"),
            "Bounds what it gets at once; `{}` finds the bound by itself.",
        ),
    ],
};

static HEALTH: Object = Object {
    name: "health",
    doc: "A probe, with the fields and rules of Kubernetes but for one: during `delay` a failure does not count, and a success counts at once.",
    fields: &[
        field(
            "http",
            Shape::One(Form::RequestPath),
            Optional("`tcp: true`"),
            "A GET of this path must be answered with 200 to 399.",
        ),
        field(
            "grpc",
            LITERAL,
            Optional("`tcp: true`"),
            "This service must be SERVING by the gRPC health checking protocol; \"\" asks for the replica as a whole. Needs `protocol: http2`.",
        ),
        field(
            "tcp",
            Shape::One(Form::Flag),
            Optional("true without `http` and `grpc`"),
            "A connection must be possible.",
        ),
        field("delay", PAUSE, Default("5s"), "Failures in this time after the start do not count."),
        field("timeout", DURATION, Default("1s"), "A probe without an answer after this time has failed."),
        field("period", DURATION, Default("5s"), "Pause between two probes."),
        field(
            "success",
            integer(1, 1000),
            Default("1"),
            "Successes in a row that make an unhealthy replica healthy.",
        ),
        field("failure", integer(1, 1000), Default("3"), "Failures in a row that make it unhealthy."),
    ],
};

pub(super) static BREAKER: Object = Object {
    name: "breaker",
    doc: "Leaves alone for a while what fails most of the time. For a service, each worker of the node has its own.",
    fields: &[
        field("percent", integer(1, 100), Default("50"), "It opens where so many of a hundred failed ..."),
        field("volume", integer(1, 1_000_000), Default("20"), "... of so many at least ..."),
        field("window", DURATION, Default("10s"), "... within this time."),
        field("open", DURATION, Default("5s"), "So long nothing is sent; then a few tries are."),
        field("tries", integer(1, 1_000), Default("3"), "So many of them must succeed for it to close."),
    ],
};

static CONCURRENCY: Object = Object {
    name: "concurrency",
    doc: "Bounds what a service gets at once; the rest waits in a short queue or is refused. The workers of the node share it out.",
    fields: &[
        field(
            "limit",
            integer(1, 1_000_000),
            Optional("found by itself, by how long answers take"),
            "Requests in flight.",
        ),
        field("min", integer(1, 1_000_000), Default("4"), "A limit that is found is never lower."),
        field("max", integer(1, 1_000_000), Default("1000"), "A limit that is found is never higher."),
        field("queue", integer(0, 1_000_000), Default("100"), "Requests that may wait."),
        field("wait", DURATION, Default("1s"), "The longest that one waits."),
    ],
};

static HASH: Object = Object {
    name: "hash",
    doc: "Requests with the same key go to the same replica; when one leaves, only its keys move.",
    fields: &[
        field(
            "by",
            TEXT,
            Default("client-ip"),
            "`client-ip`, `path`, `header:NAME` or `cookie:NAME`; without that header or cookie, the client's address.",
        ),
        field(
            "bound",
            integer(0, 10_000),
            Default("0"),
            "Percent of the mean that a replica may have in flight before keys go elsewhere; 0 for no bound. 125 is usual.",
        ),
    ],
};

static OUTLIER: Object = Object {
    name: "outlier",
    doc: "Replicas whose requests fail in a row, or fail or take far more than the others', get none for a while. Each worker of the node judges by what it sees.",
    fields: &[
        field("consecutive", integer(1, 1_000_000), Default("5"), "So many failures in a row."),
        field("interval", DURATION, Default("10s"), "Successes and times are compared over this time."),
        field(
            "volume",
            integer(1, 1_000_000),
            Default("50"),
            "Only replicas with so many requests in it are compared, and only three or more of them.",
        ),
        field(
            "slow",
            integer(0, 1_000),
            Default("5"),
            "So many times as slow as the median replica is too slow; 0 for never.",
        ),
        field("time", DURATION, Default("10s"), "So long the first time, twice as long each further one ..."),
        field("time-max", DURATION, Default("5m"), "... up to this."),
        field("share", integer(1, 100), Default("50"), "At most so many percent are out at once."),
        field(
            "panic",
            integer(0, 100),
            Default("50"),
            "Where fewer percent of the ready ones are left, none is out.",
        ),
    ],
};
