//! Bodies in chunks (RFC 9112 §7.1).

use std::borrow::Cow;

use super::case::{Case, Must, broken, case, forwarded, spoilt};

// A line per case.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    // Sizes.
    spoilt("a chunk size with a prefix", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with a plus", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with a minus", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"),
    spoilt("a last chunk size with a minus", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-0\r\n\r\n"),
    spoilt("a chunk size after a space", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size before a space", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size before a tab", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\t\r\nabc\r\n0\r\n\r\n"),
    spoilt("a space between a chunk size and its extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 ;x\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with a space inside", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0 3\r\nabc\r\n0\r\n\r\n"),
    spoilt("an empty chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n"),
    spoilt("an extension without a chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size that is no number", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size that ends like no number", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3g\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with an underscore", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0_3\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with a fraction", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3.0\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with a comma", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3,x\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with a NUL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\0\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size with a byte above ASCII", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\xff\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size in other digits", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n٣\r\nabc\r\n0\r\n\r\n".as_bytes()),
    spoilt("a chunk size of 17 digits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000003\r\nabc\r\n0\r\n\r\n"),
    spoilt("a chunk size of 2^64 and 3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"),
    spoilt("a last chunk size of 17 digits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00000000000000000\r\n\r\n"),
    case("a chunk size of 2^64 - 1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n", Must::Spoil(&[400, 413])),
    case("a chunk size of 2^63", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\nabc\r\n0\r\n\r\n", Must::Spoil(&[400, 413])),
    forwarded("a chunk size of 16 digits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000003\r\nabc\r\n0\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc"]),
    forwarded("chunk sizes in both cases", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\n01234567890123456789a"]),
    forwarded("a last chunk size of several digits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n000\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc"]),
    // Line ends.
    spoilt("a bare LF after a chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
    spoilt("a bare CR after a chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\rabc\r\n0\r\n\r\n"),
    spoilt("two CRs after a chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\r\nabc\r\n0\r\n\r\n"),
    spoilt("a bare LF after a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"),
    spoilt("a bare CR after a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r0\r\n\r\n"),
    spoilt("nothing after a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n"),
    spoilt("two other bytes after a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n"),
    spoilt("a chunk longer than its size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
    spoilt("a chunk shorter than its size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    spoilt("an empty line between two chunks", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\r\n0\r\n\r\n"),
    spoilt("a bare LF after the last chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\n\r\n"),
    spoilt("a bare LF at the end", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\n"),
    spoilt("bare LFs all over", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n"),
    spoilt("a CR and another byte at the end", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\rX\r\n\r\n"),
    // Extensions.
    spoilt("a bare LF in a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;\nxx\r\nabc\r\n0\r\n\r\n"),
    spoilt("a bare LF at the end of a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\nabc\r\n0\r\n\r\n"),
    spoilt("a bare CR in a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\ry\r\nabc\r\n0\r\n\r\n"),
    spoilt("two CRs at the end of a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\r\nabc\r\n0\r\n\r\n"),
    spoilt("a NUL in a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\0\r\nabc\r\n0\r\n\r\n"),
    spoilt("a bare LF in the last chunk's extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0;x\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    forwarded("a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc"]),
    forwarded("chunk extensions with values", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y;z=\"q;\"\r\nabc\r\n0;last\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc"]),
    forwarded("a chunk extension that looks like a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;0\r\nabc\r\n0\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc"]),
    // Data.
    forwarded("a chunk that looks like the last one", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\n0\\r\\n\\r\\n"]),
    forwarded("chunks that are followed by more", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc", "GET /2\nhost: a"]),
    forwarded("no chunk but the last", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked", "GET /2\nhost: a"]),
    // Trailers.
    spoilt("a bare LF after a trailer", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\n\r\n"),
    spoilt("a bare LF after a trailer and for the empty line", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\n\n"),
    spoilt("a bare CR in a trailer", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\rZ: q\r\n\r\n"),
    spoilt("a folded trailer", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n"),
    spoilt("a trailer that begins with white space", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n X: y\r\n\r\n"),
    spoilt("white space before a trailer's colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX : y\r\n\r\n"),
    spoilt("a trailer without a colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX\r\n\r\n"),
    spoilt("a trailer without a name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n: y\r\n\r\n"),
    spoilt("a trailer with a NUL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: \0\r\n\r\n"),
    spoilt("a request in place of a trailer", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    forwarded("a trailer", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc", "GET /2\nhost: a"]),
    spoilt("trailers that would change the framing", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    spoilt("a trailer that names another Host", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nHost: b\r\n\r\n"),
    forwarded("trailers that would change who asks whom", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Cookie\r\n\r\n3\r\nabc\r\n0\r\nAuthorization: me\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\nCookie: a=b\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", &["POST /\nhost: a\ntransfer-encoding: chunked\n\nabc", "GET /2\nhost: a"]),
    // Ends too early.
    broken("no chunk at all", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    broken("an end in a chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3"),
    broken("an end after a chunk size's CR", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r"),
    broken("an end in a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab"),
    broken("an end after a chunk's bytes", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc"),
    broken("an end after a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    broken("an end after the last chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"),
    broken("an end before the last LF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r"),
    broken("an end in a trailer", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n"),
    broken("an end in a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x"),
];

/// Those that are too long to write down.
pub(super) fn large() -> Vec<Case> {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const ABC: &str = "POST /\nhost: a\ntransfer-encoding: chunked\n\nabc";
    let case = |name, body: String, must| Case {
        name: Cow::Borrowed(name),
        sent: Cow::Owned(format!("{HEAD}{body}").into_bytes()),
        must,
    };
    // The line's length counts its CR LF.
    let line = |len: usize| format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(len - 4));
    let trailers = |count| format!("3\r\nabc\r\n0\r\n{}\r\n", "X: y\r\n".repeat(count));
    let chunk = "x".repeat(0x4000);
    vec![
        case("a chunk size's line of 256 bytes", line(256), Must::Forward(&[ABC])),
        case("a chunk size's line of 257 bytes", line(257), Must::Spoil(&[400])),
        case("a chunk size's line of 64 KiB", line(64 << 10), Must::Spoil(&[400])),
        case(
            "extensions on a hundred chunks",
            "1;x=y\r\na\r\n".repeat(100) + "0\r\n\r\n",
            Must::Forward(&[HUNDRED]),
        ),
        case("too many trailers", trailers(2_000), Must::Spoil(&[400, 431])),
        case(
            "a trailer that is too long",
            format!("3\r\nabc\r\n0\r\nX: {}\r\n\r\n", "y".repeat(80 << 10)),
            Must::Spoil(&[400, 431]),
        ),
        case(
            "chunks above the limit",
            format!("4000\r\n{chunk}\r\n").repeat(5) + "0\r\n\r\n",
            Must::Spoil(&[413]),
        ),
        case(
            "one chunk above the limit",
            format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10001)),
            Must::Spoil(&[413]),
        ),
    ]
}

const HUNDRED: &str = "POST /\nhost: a\ntransfer-encoding: chunked\n\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
