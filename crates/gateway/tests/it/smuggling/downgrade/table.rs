//! The requests and frames.

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PUSH_PROMISE, SETTINGS, WINDOW_UPDATE, block,
};
use super::{Case, Fields, Must, Raw};

const GET: &str = "GET /\nhost: a";

const fn refused(name: &'static str, fields: Fields) -> Case {
    Case { name, fields, data: &[], trailers: &[], must: Must::Refuse }
}

const fn bare(name: &'static str, fields: Fields, must: Must) -> Case {
    Case { name, fields, data: &[], trailers: &[], must }
}

const fn with_data(name: &'static str, fields: Fields, data: &'static [&'static [u8]], must: Must) -> Case {
    Case { name, fields, data, trailers: &[], must }
}

const fn with_trailers(name: &'static str, trailers: Fields, must: Must) -> Case {
    let fields: Fields =
        &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")];
    Case { name, fields, data: &[b"abc"], trailers, must }
}

// A line per case.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    bare("h2: a request", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")], Must::Forward(GET)),
    // Pseudo-headers.
    refused("h2: no method", &[(b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: no scheme", &[(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: no path", &[(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a")]),
    refused("h2: nothing at all", &[]),
    refused("h2: two methods", &[(b":method", b"GET"), (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: two schemes", &[(b":method", b"GET"), (b":scheme", b"http"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: two paths", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":path", b"/2"), (b":authority", b"a")]),
    refused("h2: two authorities", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b":authority", b"b")]),
    refused("h2: a path after a header", &[(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b"x", b"y"), (b":path", b"/")]),
    refused("h2: a second path after a header", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x", b"y"), (b":path", b"/2")]),
    refused("h2: an unknown pseudo-header", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b":x", b"y")]),
    refused("h2: a status", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b":status", b"200")]),
    refused("h2: a pseudo-header in capitals", &[(b":Method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: a colon for a name", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b":", b"y")]),
    refused("h2: an empty method", &[(b":method", b""), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: a method with a space", &[(b":method", b"GET /smuggled"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: a method that is a request", &[(b":method", b"GET / HTTP/1.1\r\nHost: b\r\n\r\nGET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: a method with a NUL", &[(b":method", b"GE\0T"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: an empty path", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b""), (b":authority", b"a")]),
    refused("h2: a path without a slash", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"x"), (b":authority", b"a")]),
    refused("h2: a path that is an asterisk", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"*"), (b":authority", b"a")]),
    refused("h2: a path that is a URL", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"http://b/x"), (b":authority", b"a")]),
    refused("h2: a path with a space", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/ HTTP/1.1"), (b":authority", b"a")]),
    refused("h2: a path that is a request", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/ HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled"), (b":authority", b"a")]),
    refused("h2: a path with an LF", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/\nX: y"), (b":authority", b"a")]),
    refused("h2: a path with a NUL", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/\0"), (b":authority", b"a")]),
    refused("h2: a path with bytes above ASCII", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/\xc3\xa4"), (b":authority", b"a")]),
    // The fragment is gone before anything of ours sees the path.
    bare("h2: a path with a fragment", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a#b"), (b":authority", b"a")], Must::Either("GET /a\nhost: a")),
    refused("h2: a path with dot segments", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a/../b"), (b":authority", b"a")]),
    refused("h2: a path with encoded dot segments", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a/%2e%2e/b"), (b":authority", b"a")]),
    bare("h2: a path with a query", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a%2fb?c=/../d"), (b":authority", b"a")], Must::Forward("GET /a%2fb?c=/../d\nhost: a")),
    bare("h2: a path of two slashes", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"//b/x"), (b":authority", b"a")], Must::Forward("GET //b/x\nhost: a")),
    refused("h2: a scheme that is a request", &[(b":method", b"GET"), (b":scheme", b"http://b/x HTTP/1.1\r\nX: y\r\n"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: a scheme that is a URL", &[(b":method", b"GET"), (b":scheme", b"http://b/x?"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: an empty scheme", &[(b":method", b"GET"), (b":scheme", b""), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: another scheme", &[(b":method", b"GET"), (b":scheme", b"ftp"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: CONNECT", &[(b":method", b"CONNECT"), (b":authority", b"a:443")]),
    refused("h2: CONNECT with a path", &[(b":method", b"CONNECT"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a:443")]),
    refused("h2: CONNECT for another protocol", &[(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    refused("h2: another protocol without CONNECT", &[(b":method", b"GET"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]),
    // Who is asked.
    refused("h2: nobody is asked", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")]),
    refused("h2: an authority with a space", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a b")]),
    refused("h2: an authority with a line end", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a\r\nX: y")]),
    refused("h2: an authority with a path", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a/b")]),
    refused("h2: an authority with a user", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"me@a")]),
    refused("h2: an authority with a NUL", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a\0")]),
    refused("h2: two Hosts", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b"host", b"a"), (b"host", b"b")]),
    refused("h2: a Host with a space", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b"host", b"a b")]),
    bare("h2: a Host and no authority", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b"host", b"a")], Must::Forward(GET)),
    bare("h2: an authority and the same Host", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"host", b"a")], Must::Forward(GET)),
    bare("h2: an authority and another Host", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"host", b"b")], Must::Either(GET)),
    bare("h2: an authority and two Hosts", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"host", b"b"), (b"host", b"c")], Must::Refuse),
    // Headers.
    refused("h2: a name in capitals", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"X-Y", b"z")]),
    refused("h2: an empty name", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"", b"z")]),
    refused("h2: a name with a colon", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x:y", b"z")]),
    refused("h2: a name that is a header", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"transfer-encoding: chunked\r\nx", b"z")]),
    refused("h2: a name with an LF", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x\ny", b"z")]),
    refused("h2: a name with a CR", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x\ry", b"z")]),
    refused("h2: a name with a NUL", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x\0y", b"z")]),
    refused("h2: a name with a space", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x y", b"z")]),
    refused("h2: a name with a space at its end", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length ", b"3")]),
    refused("h2: a name with bytes above ASCII", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x\xe9", b"z")]),
    refused("h2: a value with a line end", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x", b"y\r\nContent-Length: 40")]),
    refused("h2: a value that ends the head", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x", b"y\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")]),
    refused("h2: a value with an LF", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x", b"y\nz: q")]),
    refused("h2: a value with a CR", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x", b"y\rz: q")]),
    refused("h2: a value with a NUL", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x", b"y\0z")]),
    bare("h2: a value between white space", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x", b" y ")], Must::Either("GET /\nhost: a\nx: y")),
    bare("h2: cookies in crumbs", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"cookie", b"a=1"), (b"cookie", b"b=2")], Must::Forward("GET /\ncookie: a=1; b=2\nhost: a")),
    refused("h2: Connection", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"connection", b"close")]),
    refused("h2: Connection that names a header", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"connection", b"x"), (b"x", b"y")]),
    refused("h2: Keep-Alive", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"keep-alive", b"timeout=5")]),
    refused("h2: Proxy-Connection", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"proxy-connection", b"keep-alive")]),
    refused("h2: Upgrade", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"upgrade", b"websocket")]),
    refused("h2: Transfer-Encoding", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"transfer-encoding", b"chunked")]),
    with_data("h2: Transfer-Encoding and a body", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"transfer-encoding", b"chunked")], &[b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"], Must::Refuse),
    with_data("h2: Transfer-Encoding and a length", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"transfer-encoding", b"chunked"), (b"content-length", b"3")], &[b"abc"], Must::Refuse),
    refused("h2: TE of something else", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"te", b"gzip")]),
    bare("h2: TE of trailers", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"te", b"trailers")], Must::Forward(GET)),
    bare("h2: claims of who asks", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-proto", b"https"), (b"forwarded", b"for=6.6.6.6")], Must::Forward(GET)),
    bare("h2: an expectation that nobody knows", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"expect", b"200-ok")], Must::Refuse),
    // How long the body is.
    with_data("h2: a body", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")], &[b"a", b"", b"bc"], Must::Forward("POST /\nhost: a\ntransfer-encoding: chunked\n\nabc")),
    with_data("h2: a body on a GET", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")], &[b"abc"], Must::Forward("GET /\nhost: a\ntransfer-encoding: chunked\n\nabc")),
    with_data("h2: a length", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"3")], &[b"a", b"bc"], Must::Forward("POST /\ncontent-length: 3\nhost: a\n\nabc")),
    with_data("h2: a body that looks like a request", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")], &[b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"], Must::Forward("POST /\nhost: a\ntransfer-encoding: chunked\n\n0\\r\\n\\r\\nGET /smuggled HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")),
    with_data("h2: a body shorter than its length", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"5")], &[b"abc"], Must::Spoil),
    with_data("h2: a body longer than its length", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"3")], &[b"abcGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"], Must::Spoil),
    with_data("h2: a body longer than its length in its second frame", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"3")], &[b"ab", b"cGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"], Must::Spoil),
    with_data("h2: a body and a length of zero", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"0")], &[b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"], Must::Spoil),
    bare("h2: a length and no body", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"3")], Must::Spoil),
    refused("h2: a length that is empty, and no body", &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"")]),
    with_data("h2: two different lengths", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"3"), (b"content-length", b"4")], &[b"abc"], Must::Refuse),
    with_data("h2: two equal lengths", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"3"), (b"content-length", b"3")], &[b"abc"], Must::Refuse),
    with_data("h2: a list of lengths", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"3, 3")], &[b"abc"], Must::Refuse),
    with_data("h2: a length with a plus", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"+3")], &[b"abc"], Must::Refuse),
    with_data("h2: a length in hexadecimal", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"0x3")], &[b"abc"], Must::Refuse),
    with_data("h2: a length of 2^64 and 3", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"18446744073709551619")], &[b"abc"], Must::Refuse),
    with_data("h2: a length above the limit", &[(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"65537")], &[b"abc"], Must::Spoil),
    // Trailers.
    with_trailers("h2: a trailer", &[(b"x-sum", b"1")], Must::Forward("POST /\nhost: a\ntransfer-encoding: chunked\n\nabc")),
    with_trailers("h2: trailers that would change the framing", &[(b"content-length", b"50"), (b"host", b"b"), (b"x-forwarded-for", b"6.6.6.6")], Must::Either("POST /\nhost: a\ntransfer-encoding: chunked\n\nabc")),
    with_trailers("h2: a trailer of one hop", &[(b"transfer-encoding", b"chunked")], Must::Spoil),
    with_trailers("h2: a trailer that is a pseudo-header", &[(b":path", b"/2")], Must::Either("POST /\nhost: a\ntransfer-encoding: chunked\n\nabc")),
    with_trailers("h2: a trailer with a line end", &[(b"x", b"y\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")], Must::Spoil),
    with_trailers("h2: a trailer's name with a line end", &[(b"x\r\n\r\ny", b"z")], Must::Spoil),
];

const ASK: Fields = &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")];

pub(super) const FRAMES: &[Raw] = &[
    Raw { name: "h2: a body before its head", frames: |session| session.frame(DATA, END_STREAM, 1, b"abc") },
    Raw {
        name: "h2: a head on the connection's own stream",
        frames: |session| session.frame(HEADERS, END_HEADERS | END_STREAM, 0, &block(ASK)),
    },
    Raw {
        name: "h2: a head on a stream of the server's",
        frames: |session| session.frame(HEADERS, END_HEADERS | END_STREAM, 2, &block(ASK)),
    },
    Raw {
        name: "h2: a continuation of nothing",
        frames: |session| session.frame(CONTINUATION, END_HEADERS, 1, &block(ASK)),
    },
    Raw {
        name: "h2: another frame inside a head",
        frames: |session| {
            session.frame(HEADERS, END_STREAM, 1, &block(ASK));
            session.frame(DATA, 0, 1, b"abc");
            session.frame(CONTINUATION, END_HEADERS, 1, &[]);
        },
    },
    Raw {
        name: "h2: a continuation on another stream",
        frames: |session| {
            session.frame(HEADERS, END_STREAM, 1, &block(ASK));
            session.frame(CONTINUATION, END_HEADERS, 3, &block(ASK));
        },
    },
    Raw {
        name: "h2: a head without an end",
        frames: |session| {
            session.frame(HEADERS, END_STREAM, 1, &block(ASK));
            for _ in 0..2_000 {
                session.frame(CONTINUATION, 0, 1, &block(&[("x", "y".repeat(1_000))]));
            }
        },
    },
    Raw {
        name: "h2: a head without an end in empty frames",
        frames: |session| {
            session.frame(HEADERS, END_STREAM, 1, &[]);
            for _ in 0..100_000 {
                session.frame(CONTINUATION, 0, 1, &[]);
            }
        },
    },
    Raw {
        name: "h2: a header that is too long",
        frames: |session| {
            let fields = block(&[("x", "y".repeat(15_000))]);
            session.frame(HEADERS, END_STREAM, 1, &block(ASK));
            session.frame(CONTINUATION, 0, 1, &fields);
            session.frame(CONTINUATION, 0, 1, &fields);
            session.frame(CONTINUATION, END_HEADERS, 1, &fields);
        },
    },
    Raw {
        name: "h2: a frame that is too long",
        frames: |session| session.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0; 20_000]),
    },
    Raw {
        name: "h2: a field that no table has",
        frames: |session| session.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff, 0x7f]),
    },
    Raw {
        name: "h2: a field that breaks off",
        frames: |session| session.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0, 100, b'x']),
    },
    Raw {
        name: "h2: a length of a field without an end",
        frames: |session| session.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 64]),
    },
    Raw {
        name: "h2: a table that grows too large",
        frames: |session| {
            session.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x3f, 0xff, 0xff, 0xff, 0x7f]);
        },
    },
    Raw {
        name: "h2: padding longer than its frame",
        frames: |session| session.frame(HEADERS, END_HEADERS | END_STREAM | 8, 1, &[200, 0, 0]),
    },
    Raw {
        name: "h2: a promise of a client's",
        frames: |session| session.frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
    },
    Raw { name: "h2: settings of five bytes", frames: |session| session.frame(SETTINGS, 0, 0, &[0; 5]) },
    Raw { name: "h2: settings of a stream", frames: |session| session.frame(SETTINGS, 0, 1, &[]) },
    Raw { name: "h2: a ping of seven bytes", frames: |session| session.frame(PING, 0, 0, &[0; 7]) },
    Raw {
        name: "h2: a window that grows by nothing",
        frames: |session| session.frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
    },
    Raw {
        name: "h2: a window that grows too large",
        frames: |session| session.frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
    },
];
