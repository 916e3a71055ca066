//! Several requests on one connection (RFC 9112 §9.3), and what follows one that is refused.

use std::borrow::Cow;

use super::case::{Case, Must, case, forwarded};

// A line per case.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    forwarded("three requests at once", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\nHEAD /3 HTTP/1.1\r\nHost: c\r\n\r\n", &["GET /1\nhost: a", "GET /2\nhost: b", "HEAD /3\nhost: c"]),
    forwarded("a length, chunks and no body at once", b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPUT /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", &["POST /1\ncontent-length: 3\nhost: a\n\nabc", "PUT /2\nhost: a\ntransfer-encoding: chunked\n\ndef", "GET /3\nhost: a"]),
    forwarded("a request after the last", b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /1\nhost: a"]),
    forwarded("a request after the last of several options", b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, CLOSE\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /1\nhost: a"]),
    forwarded("bytes after the last request", b"POST /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabcdef", &["POST /1\ncontent-length: 3\nhost: a\n\nabc"]),
    case("a refused request after a good one", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", Must::Refuse(&["GET /1\nhost: a"], &[400])),
    case("two readings after a good request", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxxGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", Must::Refuse(&["GET /1\nhost: a"], &[400])),
    case("a fold after a good request", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", Must::Refuse(&["GET /1\nhost: a"], &[400])),
    case("rubbish after a good request", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\0\0\0\0\r\n\r\n", Must::Refuse(&["GET /1\nhost: a"], &[400])),
    case("rubbish after a body", b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdef /x\r\n\r\n", Must::Refuse(&["POST /1\ncontent-length: 3\nhost: a\n\nabc"], &[400])),
    case("rubbish after chunks", b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nX\r\n\r\n", Must::Refuse(&["POST /1\nhost: a\ntransfer-encoding: chunked\n\nabc"], &[400])),
    case("CONNECT after a good request", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nCONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", Must::Refuse(&["GET /1\nhost: a"], &[501])),
    case("HTTP/2 after a good request", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Must::Refuse(&["GET /1\nhost: a"], &[400, 505])),
    case("almost HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", Must::Refuse(&[], &[400, 505])),
    case("good requests after a refused one", b"GET /1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", Must::Refuse(&[], &[400])),
    case("a request after one without a version", b"GET /1\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", Must::Refuse(&[], &[400])),
    case("a request after a refused length", b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", Must::Refuse(&[], &[413])),
];

/// Those that are too long to write down: the limits are 32 KiB and 100 headers.
pub(super) fn large() -> Vec<Case> {
    let case = |name, sent: String, must| Case {
        name: Cow::Borrowed(name),
        sent: Cow::Owned(sent.into_bytes()),
        must,
    };
    let headers = |count| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count));
    let header = |len| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(len));
    let target = |len| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(len));
    let after = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        case("101 headers", headers(100), Must::Refuse(&[], &[431])),
        case("100,000 headers", headers(100_000), Must::Refuse(&[], &[431])),
        case("a header that is too long", header(33 << 10) + after, Must::Refuse(&[], &[431])),
        case("a header of 1 MiB", header(1 << 20), Must::Refuse(&[], &[431])),
        case(
            "a name that is too long",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}: x\r\n\r\n", "y".repeat(40 << 10)),
            Must::Refuse(&[], &[431]),
        ),
        case("a line without an end", "G".repeat(40 << 10), Must::Refuse(&[], &[400, 414, 431, 501])),
        case(
            "a header without an end",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(40 << 10)),
            Must::Refuse(&[], &[431]),
        ),
        case(
            "headers without an end",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X: y\r\n".repeat(10_000)),
            Must::Refuse(&[], &[431]),
        ),
        case("a target that is too long", target(20 << 10) + after, Must::Refuse(&[], &[414])),
        case("a target of 100 KiB", target(100 << 10), Must::Refuse(&[], &[414, 431])),
        case(
            "too many empty lines before a request",
            "\r\n".repeat(20_000) + after,
            Must::Refuse(&[], &[400, 431]),
        ),
        case(
            "a good request and then too many headers",
            format!("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n{}", headers(200)),
            Must::Refuse(&["GET /1\nhost: a"], &[431]),
        ),
    ]
}
