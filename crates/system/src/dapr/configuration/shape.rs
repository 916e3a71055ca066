//! The shape of configuration documents.

use super::super::shape::{API_VERSION, FLAG, KIND, LITERAL, METADATA, TEXT};
use crate::form::Form;
use crate::shape::Need::{Optional, Required};
use crate::shape::{Field, Object, Shape, field};

const ACTIONS: Shape = Shape::Choice(&["allow", "deny"]);
const TEXTS: Shape = Shape::List { item: &TEXT, max: 10_000 };
const DEFAULT_ACTION: Field =
    field("defaultAction", ACTIONS, Optional("that of all"), "For what no rule names.");

pub(in crate::dapr) static CONFIGURATION: Object = Object {
    name: "configuration document",
    doc: "What services may do.",
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        field("spec", Shape::Object(&SPEC), Required, "What services may do."),
    ],
};

static SPEC: Object = Object {
    name: "configuration's spec",
    doc: "What services may do.",
    fields: &[
        field("accessControl", Shape::Object(&ACCESS), Optional("all"), "Who may call what."),
        field("api", Shape::Object(&API), Optional("all of it"), "Which parts of the API there are."),
        field("secrets", Shape::Object(&SECRETS), Optional("all"), "Which secrets may be read."),
        field("components", Shape::Object(&COMPONENTS), Optional("all"), "Which types there may be."),
        field("tracing", Shape::Object(&TRACING), Optional("none"), "Where spans go."),
        field("metric", Shape::Object(&SWITCH), Optional("on"), "Only `enabled: true`."),
        field("metrics", Shape::Object(&SWITCH), Optional("on"), "Only `enabled: true`."),
        field("mtls", Shape::Object(&MTLS), Optional("off"), "Only `enabled: false`."),
        field("logging", Shape::Object(&LOGGING), Optional("off"), "Only `enabled: false`."),
        field("httpPipeline", Shape::Object(&PIPELINE), Optional("none"), "Only without handlers."),
        field("appHttpPipeline", Shape::Object(&PIPELINE), Optional("none"), "Only without handlers."),
        field("nameResolution", Shape::Object(&RESOLUTION), Optional("the node's"), "Not served."),
        field(
            "features",
            Shape::List { item: &Shape::Object(&FEATURE), max: 1000 },
            Optional("none"),
            "Only `enabled: false`.",
        ),
    ],
};

static ACCESS: Object = Object {
    name: "accessControl",
    doc: "Who may call what.",
    fields: &[
        DEFAULT_ACTION,
        field("trustDomain", TEXT, Optional("public"), "Always `public`."),
        field(
            "policies",
            Shape::List { item: &Shape::Object(&POLICY), max: 10_000 },
            Optional("none"),
            "What single callers may.",
        ),
    ],
};

static POLICY: Object = Object {
    name: "access control policy",
    doc: "What a caller may.",
    fields: &[
        field("appId", TEXT, Required, "The caller."),
        DEFAULT_ACTION,
        field("trustDomain", TEXT, Optional("public"), "Always `public`."),
        field("namespace", TEXT, Optional("default"), "Always `default`."),
        field(
            "operations",
            Shape::List { item: &Shape::Object(&OPERATION), max: 10_000 },
            Optional("none"),
            "What is said of single methods.",
        ),
    ],
};

static OPERATION: Object = Object {
    name: "operation",
    doc: "What is said of methods.",
    fields: &[
        field("name", TEXT, Required, "A path, with `*` or without."),
        field("httpVerb", TEXTS, Optional("none: it is for gRPC"), "Verbs, or `*`."),
        field("action", ACTIONS, Required, "Whether it may be called."),
    ],
};

static API: Object = Object {
    name: "api",
    doc: "Which parts of the API there are.",
    fields: &[
        field(
            "allowed",
            Shape::List { item: &Shape::Object(&RULE), max: 1000 },
            Optional("all"),
            "Only these.",
        ),
        field(
            "denied",
            Shape::List { item: &Shape::Object(&RULE), max: 1000 },
            Optional("none"),
            "Not these.",
        ),
    ],
};

static RULE: Object = Object {
    name: "API rule",
    doc: "A part of the API.",
    fields: &[
        field("name", TEXT, Required, "As in `state`."),
        field("version", TEXT, Required, "As in `v1.0` and `v1.0-alpha1`, or `v1` and `v1alpha1`."),
        field("protocol", Shape::Choice(&["http", "grpc"]), Optional("both"), "By which protocol."),
    ],
};

static SECRETS: Object = Object {
    name: "secrets",
    doc: "Which secrets may be read.",
    fields: &[field(
        "scopes",
        Shape::List { item: &Shape::Object(&SECRET_SCOPE), max: 1000 },
        Required,
        "By component.",
    )],
};

static SECRET_SCOPE: Object = Object {
    name: "secret scope",
    doc: "Which secrets of a component may be read.",
    fields: &[
        field("storeName", TEXT, Required, "The component."),
        field("defaultAccess", ACTIONS, Optional("allow"), "For what no list names."),
        field("allowedSecrets", TEXTS, Optional("no bound"), "Only these."),
        field("deniedSecrets", TEXTS, Optional("none"), "Not these."),
    ],
};

static COMPONENTS: Object = Object {
    name: "components",
    doc: "Which types there may be.",
    fields: &[field("deny", TEXTS, Required, "Types, or `*` for the end of one; with `/v1` for a version.")],
};

static TRACING: Object = Object {
    name: "tracing",
    doc: "Where spans go.",
    fields: &[
        field("samplingRate", LITERAL, Optional("as Dapr's, one of ten thousand"), "From 0 to 1."),
        field("stdout", FLAG, Optional("false"), "Only `false`."),
        field("otel", Shape::Object(&OTEL), Optional("none"), "A collector of OTLP."),
        field("zipkin", Shape::Object(&ZIPKIN), Optional("none"), "Not served."),
    ],
};

static OTEL: Object = Object {
    name: "otel",
    doc: "A collector of OTLP.",
    fields: &[
        field("endpointAddress", TEXT, Required, "As in `127.0.0.1:4318`."),
        field("protocol", Shape::Choice(&["http", "grpc"]), Required, "Only `http`."),
        field("isSecure", FLAG, Optional("true"), "Only `false`, which must be written."),
    ],
};

static ZIPKIN: Object = Object {
    name: "zipkin",
    doc: "Not served.",
    fields: &[field("endpointAddress", TEXT, Required, "A URL.")],
};

static SWITCH: Object = Object {
    name: "switch",
    doc: "On or off.",
    fields: &[field("enabled", FLAG, Required, "Whether it is on.")],
};

static MTLS: Object = Object {
    name: "mtls",
    doc: "Replicas are called on loopback.",
    fields: &[
        field("enabled", FLAG, Required, "Only `false`."),
        field("workloadCertTTL", LITERAL, Optional("none"), "Without a meaning here."),
        field("allowedClockSkew", LITERAL, Optional("none"), "Without a meaning here."),
    ],
};

static LOGGING: Object = Object {
    name: "logging",
    doc: "Logs of the API.",
    fields: &[field("apiLogging", Shape::Object(&API_LOGGING), Optional("off"), "Only `enabled: false`.")],
};

static API_LOGGING: Object = Object {
    name: "apiLogging",
    doc: "Logs of the API.",
    fields: &[
        field("enabled", FLAG, Optional("false"), "Only `false`."),
        field("obfuscateURLs", FLAG, Optional("false"), "Without a meaning here."),
        field("omitHealthChecks", FLAG, Optional("false"), "Without a meaning here."),
    ],
};

static PIPELINE: Object = Object {
    name: "pipeline",
    doc: "Handlers on the way of requests.",
    fields: &[field(
        "handlers",
        Shape::List { item: &Shape::Object(&HANDLER), max: 1000 },
        Optional("none"),
        "Not served.",
    )],
};

static HANDLER: Object = Object {
    name: "handler",
    doc: "Not served.",
    fields: &[
        field("name", TEXT, Required, "The middleware."),
        field("type", TEXT, Required, "Its type."),
        field("version", TEXT, Optional("none"), "Its version."),
    ],
};

static RESOLUTION: Object = Object {
    name: "nameResolution",
    doc: "Not served.",
    fields: &[
        field("component", TEXT, Optional("none"), "Its type."),
        field("version", TEXT, Optional("none"), "Its version."),
        field(
            "configuration",
            Shape::Map { key: Form::Literal, value: &LITERAL, max: 1000 },
            Optional("none"),
            "Its options.",
        ),
    ],
};

static FEATURE: Object = Object {
    name: "feature",
    doc: "A preview of Dapr's.",
    fields: &[field("name", TEXT, Required, "Its name."), field("enabled", FLAG, Required, "Only `false`.")],
};
