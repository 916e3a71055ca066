//! The replies (RFC 9112 §4, §6, §7; RFC 9110 §15).

use std::borrow::Cow;

use super::Must::{Refuse, Tear, Whole, WholeOnce};
use super::Then::{Close, Stay};
use super::{Must, Reply, Then};

const fn reply(name: &'static str, bytes: &'static [u8], then: Then, must: Must) -> Reply {
    Reply { name, method: "GET", bytes: Cow::Borrowed(bytes), then, must }
}

const fn to_head(name: &'static str, bytes: &'static [u8], then: Then, must: Must) -> Reply {
    Reply { name, method: "HEAD", bytes: Cow::Borrowed(bytes), then, must }
}

// A line per reply.
#[rustfmt::skip]
pub(super) const REPLIES: &[Reply] = &[
    // What is right.
    reply("an answer with a length", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("an answer in chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", Stay, Whole(200, "ok")),
    reply("an answer that ends with its connection", b"HTTP/1.1 200 OK\r\n\r\nok", Close, WholeOnce(200, "ok")),
    reply("an answer of HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nok", Close, WholeOnce(200, "ok")),
    reply("an answer of HTTP/1.0 that keeps its connection", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("an answer of HTTP/1.0 that does not say so", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("an answer that is the last", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("an answer that is the last among other options", b"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("an answer with headers for one hop", b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("an empty reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("a status of one's own", b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok", Stay, Whole(299, "ok")),
    // How long the body is.
    reply("a length and chunks in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Stay, WholeOnce(200, "ok")),
    reply("chunks and a length in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 200\r\n\r\n2\r\nok\r\n0\r\n\r\n", Stay, WholeOnce(200, "ok")),
    reply("two different lengths in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", Stay, Refuse),
    reply("two equal lengths in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("a list of equal lengths in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("a list of different lengths in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!", Stay, Refuse),
    reply("a length with a plus in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", Stay, Refuse),
    reply("a length with a minus in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", Stay, Refuse),
    reply("a length in hexadecimal in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", Stay, Refuse),
    reply("an empty length in an answer", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", Stay, Refuse),
    reply("a length of 2^64 in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nok", Stay, Refuse),
    reply("a length of 2^64 and 2 in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok", Stay, Refuse),
    reply("an unknown coding in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Close, Refuse),
    reply("gzip before chunks in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Stay, Refuse),
    reply("chunks twice in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Stay, WholeOnce(200, "ok")),
    reply("identity after chunks in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n", Close, Refuse),
    reply("chunks in an answer of HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Close, Refuse),
    // The status line.
    reply("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a status of no digits", b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a status below 100", b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a status of nothing", b"HTTP/1.1  OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("two spaces before the status", b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a tab before the status", b"HTTP/1.1\t200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("an answer of HTTP/2", b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("an answer of HTTP/1.2", b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("an answer of HTTP/9.9", b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("an answer of another protocol", b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("an answer in lower case", b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("an answer of HTTP/0.9", b"<html>hello</html>\r\n", Close, Refuse),
    reply("a request for an answer", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Stay, Refuse),
    reply("a record of TLS for an answer", b"\x15\x03\x01\x00\x02\x02\x16", Close, Refuse),
    reply("HTTP/2 for an answer", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", Close, Refuse),
    reply("a reason with a NUL", b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a reason with a bare CR", b"HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("no reason and no space", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("a space before the answer", b" HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    // Line ends, names and values.
    reply("bare LFs for all line ends of an answer", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Stay, WholeOnce(200, "ok")),
    reply("a bare LF after the status line", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("a bare LF after a header of an answer", b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("a bare LF for the empty line of an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", Stay, WholeOnce(200, "ok")),
    reply("a bare CR in a value of an answer", b"HTTP/1.1 200 OK\r\nX: y\rSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a folded header of an answer", b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("a fold that hides a length", b"HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 40\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("a space before the first header of an answer", b"HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a space before a colon of an answer", b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("a space before the colon of a length", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", Close, WholeOnce(200, "ok")),
    reply("no colon in an answer", b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("no name in an answer", b"HTTP/1.1 200 OK\r\n: y\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a name of two words in an answer", b"HTTP/1.1 200 OK\r\nX Y: z\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a name with a NUL in an answer", b"HTTP/1.1 200 OK\r\nX\0: y\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a NUL in a value of an answer", b"HTTP/1.1 200 OK\r\nX: y\0\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("a control byte in a value of an answer", b"HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    // Interim answers.
    reply("100 and then an answer", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("103 and then an answer", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("several interim answers", b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Whole(200, "ok")),
    reply("an interim answer with a length", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 40\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("an interim answer with chunks", b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, WholeOnce(200, "ok")),
    reply("an interim answer and no other", b"HTTP/1.1 100 Continue\r\n\r\n", Close, Refuse),
    reply("an interim answer and rubbish", b"HTTP/1.1 100 Continue\r\n\r\nrubbish\r\n\r\n", Stay, Refuse),
    reply("101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Stay, Refuse),
    reply("101 to HTTP/2 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", Stay, Refuse),
    reply("101 without a protocol", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Stay, Refuse),
    // Ends too early.
    reply("no answer", b"", Close, Refuse),
    reply("an end in the status line", b"HTTP/1.1 20", Close, Refuse),
    reply("an end after the status line", b"HTTP/1.1 200 OK\r\n", Close, Refuse),
    reply("an end in a header of an answer", b"HTTP/1.1 200 OK\r\nContent-Le", Close, Refuse),
    reply("an end before the empty line of an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", Close, Refuse),
    reply("an end before the body of an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", Close, Tear),
    reply("an end in the body of an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", Close, Tear),
    reply("an end before the first chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Close, Tear),
    reply("an end in a chunk size of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2", Close, Tear),
    reply("an end in a chunk of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", Close, Tear),
    reply("an end after a chunk of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Close, Tear),
    reply("an end after the last chunk size of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", Close, Tear),
    reply("an end in a trailer of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n", Close, Tear),
    // Chunks.
    reply("a chunk size that is no number in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("a chunk size with a prefix in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("a chunk size with a minus in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("an empty chunk size in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("a chunk size of 2^64 and 2 in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("a chunk longer than its size in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n", Stay, Tear),
    reply("a chunk shorter than its size in an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("a bare LF after a chunk size of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("a bare LF after a chunk of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n", Stay, Tear),
    reply("a bare LF in a chunk extension of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;\nx\r\nok\r\n0\r\n\r\n", Stay, Tear),
    reply("a folded trailer of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n z\r\n\r\n", Stay, Tear),
    reply("an answer in place of a trailer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Stay, Tear),
    reply("a chunk extension of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0;z\r\n\r\n", Stay, Whole(200, "ok")),
    reply("a trailer of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", Stay, Whole(200, "ok")),
    reply("a trailer that would change the framing of an answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: x\r\nConnection: keep-alive\r\n\r\n", Stay, Tear),
    // More than was asked for.
    reply("a second answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Stay, WholeOnce(200, "ok")),
    reply("a second answer after chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Stay, WholeOnce(200, "ok")),
    reply("a second answer after an empty one", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Stay, WholeOnce(200, "")),
    reply("a second answer after 204", b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Stay, WholeOnce(204, "")),
    reply("a second answer after 304", b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Stay, WholeOnce(304, "")),
    reply("an interim answer after the answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 100 Continue\r\n\r\n", Stay, WholeOnce(200, "ok")),
    reply("a byte after the answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", Stay, WholeOnce(200, "ok")),
    reply("a line end after the answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n", Stay, WholeOnce(200, "ok")),
    reply("half an answer after the answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX: ", Stay, WholeOnce(200, "ok")),
    reply("204 with a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nno", Stay, WholeOnce(204, "")),
    reply("204 with chunks", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", Stay, WholeOnce(204, "")),
    reply("204 with an answer for a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Stay, WholeOnce(204, "")),
    reply("304 with a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nno", Stay, WholeOnce(304, "")),
    reply("304 with chunks", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", Stay, WholeOnce(304, "")),
    reply("304 with the length of another answer", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 20\r\n\r\n", Stay, Whole(304, "")),
    to_head("HEAD with a length", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", Stay, Whole(200, "")),
    to_head("HEAD with chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Stay, Whole(200, "")),
    to_head("HEAD with a body", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", Stay, WholeOnce(200, "")),
    to_head("HEAD with a body in chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", Stay, WholeOnce(200, "")),
    to_head("HEAD with an answer for a body", b"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Stay, WholeOnce(200, "")),
    to_head("HEAD with two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", Stay, Refuse),
];

/// Those that are too long to write down.
pub(super) fn large() -> Vec<Reply> {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let reply = |name, bytes: String, then, must| Reply {
        name,
        method: "GET",
        bytes: Cow::Owned(bytes.into_bytes()),
        then,
        must,
    };
    let header = |len| format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok", "y".repeat(len));
    let headers =
        |count| format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "X: y\r\n".repeat(count));
    let interim = |count| "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(count);
    vec![
        reply("ten interim answers", interim(10) + OK, Stay, Whole(200, "ok")),
        reply("a flood of interim answers", interim(20_000) + OK, Stay, Refuse),
        reply("a flood of headers", headers(20_000), Stay, Refuse),
        reply(
            "headers of an answer without an end",
            format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(200_000)),
            Close,
            Refuse,
        ),
        reply("a header of 1 MiB in an answer", header(1 << 20), Stay, Refuse),
        reply(
            "a reason of 1 MiB",
            format!("HTTP/1.1 200 {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(1 << 20)),
            Stay,
            Refuse,
        ),
        reply("a status line without an end", "H".repeat(1 << 20), Close, Refuse),
        reply(
            "a chunk extension of 1 MiB in an answer",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;{}\r\nok\r\n0\r\n\r\n",
                "x".repeat(1 << 20)
            ),
            Stay,
            Tear,
        ),
        reply(
            "trailers of 1 MiB in an answer",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{}\r\n",
                "X: y\r\n".repeat(200_000)
            ),
            Stay,
            Tear,
        ),
    ]
}
