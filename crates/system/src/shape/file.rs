//! Every key of the system file.

use floodway_blocks::Block;
use floodway_policy::admission::Class;

mod front;
mod loads;
mod node;
mod outbound;
mod outside;
mod services;

use self::front::{LISTEN, TLS};
use self::loads::LOAD;
use self::node::NODE;
use self::outbound::OUTBOUND;
use self::outside::{BINDING, CONFIGURATION, JOBS, SECRETS};
pub(crate) use self::services::GRPC_APP;
use self::services::{BREAKER, SERVICE};
use super::Need::{Default, Optional, Required};
use super::fallback::FALLBACK;
use super::hedge::HEDGE;
use super::idempotency::IDEMPOTENCY;
use super::queue::QUEUE;
use super::split::SPLIT;
use super::telemetry::TELEMETRY;
use super::{Field, Object, Shape, field};
use crate::form::Form;

const TEXT: Shape = Shape::One(Form::Text);
const NAME: Shape = Shape::One(Form::Name);
const DURATION: Shape = Shape::One(Form::Duration { zero: false });
const PAUSE: Shape = Shape::One(Form::Duration { zero: true });
const COMMAND: Shape = Shape::One(Form::Command);
const FILE: Shape = Shape::One(Form::File);
const LITERAL: Shape = Shape::One(Form::Literal);
const ADDRESS: Shape = Shape::One(Form::Address);
const BODY: Shape = Shape::One(Form::Size { min: 0, max: 1 << 40 });
const METHOD: Shape = Shape::Choice(&METHODS);
const RETRIED_STATUS: Shape = integer(429, 514);
const CLASSES: [&str; Class::COUNT] = {
    let mut names = [""; Class::COUNT];
    let mut place = 0;
    while place < names.len() {
        names[place] = Class::NAMED[place].0;
        place += 1;
    }
    names
};
const COUNT: Shape = integer(0, COUNT_MAX);
const EMPTY: super::Need = super::Need::Empty;

/// Each profile is checked as a whole file.
pub(crate) const PROFILES_MAX: usize = 100;
const COUNT_MAX: i64 = 1_000_000_000_000;

const fn integer(min: i64, max: i64) -> Shape {
    Shape::One(Form::Integer { min, max })
}

/// The methods that a route or a load can name.
pub(crate) const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];

/// The whole file.
pub(crate) static FILE_SHAPE: Object = Object {
    name: "system",
    doc: "The file as a whole.",
    fields: &[
        field("system", NAME, Required, "The name of the system."),
        field("node", Shape::Object(&NODE), EMPTY, "The process that runs it."),
        field(
            "services",
            Shape::Map { key: Form::Name, value: &Shape::Object(&SERVICE), max: 1000 },
            Optional("none"),
            "The programs of the system, by name.",
        ),
        field(
            "gateway",
            Shape::Object(&GATEWAY),
            Optional("no outside traffic"),
            "The entry for outside traffic.",
        ),
        field("telemetry", Shape::Object(&TELEMETRY), EMPTY, "What is told of single requests."),
        field(
            "stores",
            Shape::Map { key: Form::Name, value: &Shape::Engine(Block::State, &STORE), max: 1000 },
            Optional("none"),
            "Where services keep state, by name.",
        ),
        field(
            "topics",
            Shape::Map { key: Form::Name, value: &Shape::Engine(Block::Topics, &TOPICS), max: 1000 },
            Optional("none"),
            "Where services publish and subscribe, by name.",
        ),
        field(
            "locks",
            Shape::Map { key: Form::Name, value: &Shape::Engine(Block::Locks, &LOCK), max: 1000 },
            Optional("none"),
            "Where services take leases, by name.",
        ),
        field("jobs", Shape::Object(&JOBS), EMPTY, "How what is due at a time is run."),
        field(
            "secrets",
            Shape::Map { key: Form::Name, value: &Shape::Engine(Block::Secrets, &SECRETS), max: 1000 },
            Optional("none"),
            "Where services read secrets, by name.",
        ),
        field(
            "configuration",
            Shape::Map {
                key: Form::Name,
                value: &Shape::Engine(Block::Configuration, &CONFIGURATION),
                max: 1000,
            },
            Optional("none"),
            "Where services read and watch configuration, by name.",
        ),
        field(
            "bindings",
            Shape::Map { key: Form::Name, value: &Shape::Engine(Block::Bindings, &BINDING), max: 1000 },
            Optional("none"),
            "What is outside, by name: services ask it, or are told of it.",
        ),
        field(
            "loads",
            Shape::Map { key: Form::Name, value: &Shape::Object(&LOAD), max: 1000 },
            Optional("none"),
            "Requests to offer to the gateway, by name: `floodway up --load NAME`.",
        ),
        field(
            "profiles",
            Shape::Map { key: Form::Name, value: &Shape::Overlay, max: PROFILES_MAX },
            Optional("none"),
            "What differs in another place, by name: `--profile NAME` lays it over the file.",
        ),
    ],
};

static GATEWAY: Object = Object {
    name: "gateway",
    doc: "Takes requests from outside and sends each to a service by its route.",
    fields: &[
        field(
            "listen",
            Shape::OneOrMany { item: &Shape::Short(&LISTEN), max: 16 },
            Required,
            "The address, or addresses, to listen on.",
        ),
        field(
            "tls",
            Shape::Object(&TLS),
            Optional("no TLS"),
            "TLS with clients, on all listeners but those with `tls: false`.",
        ),
        field(
            "trusted-proxies",
            Shape::List { item: &Shape::One(Form::Network), max: 1000 },
            Optional("none"),
            "The proxies in front of this gateway. Only what they say of a client is believed: `X-Forwarded-For`, `-Proto` and `-Host`, or a header of the PROXY protocol. See [trust](tls.md#who-is-believed).",
        ),
        field("limits", Shape::Object(&LIMITS), EMPTY, "What is accepted from clients."),
        field("cache", Shape::Object(&CACHE), EMPTY, "The memory for the caches of routes."),
        field(
            "routes",
            Shape::List { item: &Shape::Object(&ROUTE), max: 10_000 },
            Optional("none"),
            "Which request goes where. The most specific match wins: one with a host before one without, an exact path before a prefix, a longer prefix before a shorter one.",
        ),
    ],
};

static LIMITS: Object = Object {
    name: "limits",
    doc: "What the gateway accepts from clients; what is beyond is refused.",
    fields: &[
        field(
            "header-bytes",
            Shape::One(Form::Size { min: 8 << 10, max: 1 << 20 }),
            Default("32KiB"),
            "A request's line and headers together.",
        ),
        field("headers", integer(1, 1000), Default("100"), "Headers of one request."),
        field("body", BODY, Default("10MiB"), "A request's body, where its route says nothing else."),
        field(
            "handshake-timeout",
            DURATION,
            Default("10s"),
            "Time from taking a connection to where its first request may begin: a PROXY header and a TLS handshake together.",
        ),
        field("header-timeout", DURATION, Default("10s"), "Time for a request's head to arrive."),
        field("idle-timeout", DURATION, Default("75s"), "Time a connection may be idle."),
        field(
            "body-rate",
            Shape::One(Form::Size { min: 0, max: 1 << 30 }),
            Default("500B"),
            "Bytes a second of a request's body, over each `idle-timeout`, as long as the service takes them.",
        ),
        field("connections", integer(1, 1_000_000), Default("10000"), "Open client connections of the node."),
        field(
            "connections-per-client",
            integer(1, 1_000_000),
            Optional("as many as `connections`"),
            "Of them, those of one client address (in IPv6 a /64) that is no trusted proxy.",
        ),
    ],
};

static CACHE: Object = Object {
    name: "cache",
    doc: "Where responses are kept that routes with a `cache` store: in memory, shared by all workers.",
    fields: &[field(
        "memory",
        Shape::One(Form::Size { min: 1 << 20, max: 1 << 44 }),
        Default("256MiB"),
        "What is kept at most; beyond it what is asked for least goes.",
    )],
};

static ROUTE_CACHE: Object = Object {
    name: "route cache",
    doc: "Stores responses and serves them again, as RFC 9111 has it for shared caches. What a response says of itself comes before what is said here. Give `cache: {}` for all defaults.",
    fields: &[
        field(
            "fresh",
            DURATION,
            Optional("a tenth of the time since it was last modified"),
            "How long a response is fresh that does not say it.",
        ),
        field(
            "heuristic",
            PAUSE,
            Default("1d"),
            "Without `fresh`, how long at most a response is fresh only because it was last modified long ago; `0s` for never.",
        ),
        field(
            "stale-while-revalidate",
            PAUSE,
            Default("0s"),
            "How long after that it is served while a new one is brought, where it does not say it.",
        ),
        field(
            "stale-if-error",
            PAUSE,
            Default("0s"),
            "How long after that it is served when the service fails, where it does not say it.",
        ),
        field("body", BODY, Default("8MiB"), "Largest body that is stored."),
        field(
            "wait",
            PAUSE,
            Default("5s"),
            "How long a request waits for the response to another that asks the same; `0s` for not at all.",
        ),
        field(
            "obey-clients",
            Shape::One(Form::Flag),
            Default("false"),
            "Whether clients can ask past the cache: by `Cache-Control` of requests, and `Pragma`.",
        ),
    ],
};

static ROUTE: Object = Object {
    name: "route",
    doc: "Sends the requests that match to a service.",
    fields: &[
        field("match", Shape::Object(&MATCH), Required, "Which requests."),
        field("to", NAME, Required, "The service."),
        field(
            "split",
            Shape::List { item: &Shape::Object(&SPLIT), max: 16 },
            Optional("all go there"),
            "Which requests go to other services instead.",
        ),
        field(
            "timeout",
            DURATION,
            Default("30s"),
            "Time until the head of the response must be there, all tries included.",
        ),
        field(
            "total-timeout",
            DURATION,
            Optional("as long as something moves"),
            "Time until the whole response must have been passed on; then it is cut off. WebSockets and other tunnels know no such bound.",
        ),
        field("connect-timeout", DURATION, Default("1s"), "Time for one connection to be made."),
        field(
            "deadline",
            Shape::One(Form::Flag),
            Default("false"),
            "Whether clients may say in `x-envoy-expected-rq-timeout-ms` how many milliseconds they wait, and the service is told there what is left. `grpc-timeout` of gRPC always counts. Both can only shorten `timeout`.",
        ),
        field(
            "limit",
            Shape::Object(&LIMIT),
            Optional("as often as they like"),
            "How often clients may ask; more is answered with 429.",
        ),
        field("retry", Shape::Object(&RETRY), EMPTY, "When a request is tried again."),
        field(
            "hedge",
            Shape::Object(&HEDGE),
            Optional("one try at a time"),
            "When a second try is made beside one that is late.",
        ),
        field(
            "fallback",
            Shape::Object(&FALLBACK),
            Optional("a problem with its code"),
            "What clients get where the service cannot answer.",
        ),
        field(
            "priority",
            Shape::Object(&PRIORITY),
            Optional("all are `normal`"),
            "How much a request matters: who waits and who is refused first where a service has a `concurrency`.",
        ),
        field("body", BODY, Optional("the gateway's limit"), "Largest body of a request."),
        field(
            "cache",
            Shape::Object(&ROUTE_CACHE),
            Optional("nothing is cached"),
            "Store responses and serve them again; `{}` for all defaults.",
        ),
        field(
            "idempotency",
            Shape::Object(&IDEMPOTENCY),
            Optional("each request runs"),
            "Run a request with an `Idempotency-Key` once, and give its copies the same answer.",
        ),
    ],
};

static RETRY: Object = Object {
    name: "retry",
    doc: "Tries a request again where that is safe: what never reached a replica, and what may happen twice and has no body, or a small one. The first time elsewhere at once, then after pauses that double.",
    fields: &[
        field("max", integer(0, 5), Default("2"), "Tries after the first."),
        field(
            "statuses",
            Shape::List { item: &RETRIED_STATUS, max: 16 },
            Optional("none"),
            "Statuses that are tried again: 429, or 500 to 514.",
        ),
        field(
            "try-timeout",
            DURATION,
            Optional("the whole `timeout`"),
            "A try without the head of a response after this time is given up for another one.",
        ),
        field("pause", DURATION, Default("25ms"), "The first pause, half of it left to chance."),
        field("pause-max", DURATION, Default("250ms"), "No pause is longer."),
        field(
            "budget",
            integer(0, 100),
            Default("20"),
            "Retries per hundred requests, of those that had reached a replica.",
        ),
        field(
            "budget-min",
            integer(0, 1_000_000),
            Default("10"),
            "Such retries per second that there may be whatever the load.",
        ),
    ],
};

static LIMIT: Object = Object {
    name: "limit",
    doc: "So many requests per time, spread evenly, and a burst at once. The workers of the node share both out.",
    fields: &[
        field("rate", Shape::One(Form::Rate), Required, "Requests per time, as in `100/s`."),
        field(
            "burst",
            integer(1, 1_000_000),
            Optional("what comes in a second"),
            "Requests that may come at once.",
        ),
        field(
            "key",
            TEXT,
            Default("client-ip"),
            "Whose are counted together: `client-ip` (in IPv6 a /64), `route` for all, or `header:NAME`.",
        ),
    ],
};

static PRIORITY: Object = Object {
    name: "priority",
    doc: "Reads from a header how much a request matters: `critical`, `normal`, `low` or `background`.",
    fields: &[
        field("header", Shape::One(Form::Header), Default("x-priority"), "The header."),
        field("default", Shape::Choice(&CLASSES), Default("normal"), "Where it says nothing that is known."),
    ],
};

static MATCH: Object = Object {
    name: "match",
    doc: "What a request must look like.",
    fields: &[
        field(
            "path",
            Shape::One(Form::PathPattern),
            Required,
            "A path and no other, or with `/*` at its end every path below.",
        ),
        field(
            "method",
            Shape::OneOrMany { item: &METHOD, max: 9 },
            Optional("any"),
            "The method, or a list of them. TRACE passes only where it is named.",
        ),
        field("host", Shape::One(Form::Host), Optional("any"), "The host, without port."),
    ],
};

static STORE: Object = Object {
    name: "store",
    doc: "Values by key.",
    fields: &[
        ENGINE,
        OUTBOUND,
        field(
            "outbox",
            Shape::Object(&OUTBOX),
            Optional("none"),
            "Publish a message with each transaction, in one commit with it.",
        ),
    ],
};

static OUTBOX: Object = Object {
    name: "outbox",
    doc: "Messages that are committed with the changes of a transaction. Store and topics must have the same engine.",
    fields: &[
        field("topics", NAME, Required, "The topics component."),
        field("topic", TEXT, Required, "The topic."),
    ],
};

static TOPICS: Object = Object {
    name: "topics component",
    doc: "Messages to every group that subscribes, at least once.",
    fields: &[
        ENGINE,
        OUTBOUND,
        field(
            "retry",
            Shape::Object(&DELIVERY_RETRY),
            EMPTY,
            "What happens to a message that a subscriber fails to take.",
        ),
        field(
            "dead-letter",
            TEXT,
            Optional("tried until it is taken"),
            "The topic for messages that are given up, unless a subscription names another.",
        ),
        field(
            "in-flight",
            integer(1, 4096),
            Default("64"),
            "Messages of one subscription under way at once.",
        ),
        field("timeout", DURATION, Default("30s"), "Time for a subscriber's answer to one delivery."),
        field(
            "breaker",
            Shape::Object(&BREAKER),
            Optional("never opens"),
            "Leaves a subscriber alone while it fails, and its messages wait; `{}` for all defaults.",
        ),
        field(
            "queues",
            Shape::Map { key: Form::Name, value: &Shape::Object(&QUEUE), max: 1000 },
            Optional("none"),
            "The topics that are task queues, by name; the keys of the component that speak of deliveries are not theirs.",
        ),
        field(
            "dedup",
            DURATION,
            Default("5m"),
            "For how long after a message another with the same `deduplicationId` is a duplicate; the ids are kept on disk.",
        ),
    ],
};

pub(super) static DELIVERY_RETRY: Object = Object {
    name: "delivery retry",
    doc: "Tries of one message. Waits double from `initial` to `max`.",
    fields: &[
        field(
            "attempts",
            integer(1, 1_000_000),
            Default("5"),
            "Failed deliveries after which a message is given up, where there is a dead-letter topic.",
        ),
        field("initial", DURATION, Default("500ms"), "The first wait."),
        field("max", DURATION, Default("30s"), "The longest wait."),
    ],
};

static LOCK: Object = Object { name: "lock component", doc: "Leases by name.", fields: &[ENGINE, OUTBOUND] };

/// The options of an engine are its own to describe.
const ENGINE: Field = field("engine", NAME, Required, "What does the work.");
