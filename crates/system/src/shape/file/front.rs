//! Where the gateway takes connections, and TLS with clients and services.

use super::{ADDRESS, FILE};
use crate::form::Form;
use crate::shape::Need::{Default, Optional, Required};
use crate::shape::{Object, Shape, field};

pub(super) static LISTEN: Object = Object {
    name: "listener",
    doc: "Where connections are taken. Only an address is short for a listener with that `address`.",
    fields: &[
        field("address", ADDRESS, Required, "The address; port 0 takes any free one."),
        field(
            "tls",
            Shape::One(Form::Flag),
            Optional("true where the gateway has `tls`"),
            "Clients speak TLS.",
        ),
        field(
            "proxy-protocol",
            Shape::One(Form::Flag),
            Default("false"),
            "Each connection begins with a header of the PROXY protocol, version 1 or 2, and its sender is one of the `trusted-proxies`.",
        ),
    ],
};

pub(super) static TLS: Object = Object {
    name: "TLS front",
    doc: "TLS 1.2 and 1.3 with clients, who choose HTTP/2 or HTTP/1.1 in the handshake. Files are read anew when they change. See [TLS](tls.md).",
    fields: &[
        field(
            "certificates",
            Shape::List { item: &Shape::Object(&CERTIFICATE), max: 1000 },
            Required,
            "The certificates. A client is shown the one for the name it asks for, or the first.",
        ),
        field(
            "client",
            Shape::Object(&CLIENT_CERTIFICATES),
            Optional("clients are not asked for certificates"),
            "Asks clients for certificates, and tells services of them in `X-Forwarded-Client-Cert`.",
        ),
    ],
};

static CERTIFICATE: Object = Object {
    name: "certificate",
    doc: "A certificate and its private key.",
    fields: &[
        field(
            "cert",
            FILE,
            Required,
            "A PEM file, relative to the system file: the certificate, then those that lead to its authority.",
        ),
        field("key", FILE, Required, "A PEM file with its private key."),
    ],
};

static CLIENT_CERTIFICATES: Object = Object {
    name: "client certificate",
    doc: "Which clients are let in.",
    fields: &[
        field("ca", FILE, Required, "A PEM file with the authorities that may have issued the certificates."),
        field(
            "required",
            Shape::One(Form::Flag),
            Default("true"),
            "A client without a certificate is refused. Else it is served; one with a wrong certificate is not.",
        ),
    ],
};

pub(super) static SERVICE_TLS: Object = Object {
    name: "service's TLS",
    doc: "TLS 1.2 and 1.3 with the replicas of a service. Files are read anew when they change. See [TLS](tls.md).",
    fields: &[
        field(
            "ca",
            FILE,
            Optional("those that the machine believes"),
            "A PEM file with the authorities that may have issued the replicas' certificates.",
        ),
        field(
            "name",
            Shape::One(Form::Host),
            Optional("the address of the replica"),
            "The host name that their certificates must be for.",
        ),
        field(
            "cert",
            FILE,
            Optional("none is shown"),
            "A PEM file with the certificate that the gateway shows, then those that lead to its authority.",
        ),
        field("key", FILE, Optional("needed with `cert`"), "A PEM file with its private key."),
        field(
            "verify",
            Shape::One(Form::Flag),
            Default("true"),
            "Whether certificates are checked. Without, anybody on the way can read and change what passes.",
        ),
    ],
};
