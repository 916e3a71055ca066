//! The list. A `~` in a command line stands for a space within a word.

use anyhow::{Result, ensure};

use super::done::{Done, FILE};
use super::{Feature, UPLOAD_BYTES};
use crate::certificates::CLIENT;
use crate::suites::place::pattern;

const BIG: usize = 8 << 20;

macro_rules! features {
    ($($name:literal, $words:literal, $judge:expr;)*) => {
        &[$(Feature { name: $name, words: $words, judge: $judge }),*]
    };
}

pub(super) const CASES: &[Feature] = features![
    // HTTP/1.1
    "GET", "-o {body} {plain}/seen?a=b",
        |done| done.all(200)?.by("1.1")?.seen("/method", "GET")?.seen("/url", "/seen?a=b")?.fine();
    "HEAD gives the length and no body", "-I -o {body} {plain}/file",
        |done| done.all(200)?.says("content-length: 100000")?.fine();
    "PUT", "-X PUT -d abc -o {body} {plain}/seen",
        |done| done.all(200)?.seen("/method", "PUT")?.seen("/length", 3)?.fine();
    "DELETE", "-X DELETE -o {body} {plain}/seen", |done| done.all(200)?.seen("/method", "DELETE")?.fine();
    "PATCH", "-X PATCH -d abc -o {body} {plain}/seen", |done| done.all(200)?.seen("/method", "PATCH")?.fine();
    "OPTIONS", "-X OPTIONS -o {body} {plain}/seen", |done| done.all(200)?.seen("/method", "OPTIONS")?.fine();
    "a connection is kept", "-o {body} {plain}/seen?[1-5]", |done| done.all(200)?.connects(1)?.fine();
    "and after answers without a body", "-o {body} {plain}/empty?[1-3]",
        |done| done.all(204)?.connects(1)?.fine();
    "and after a HEAD", "-I -o {body} {plain}/file?[1-3]", |done| done.all(200)?.connects(1)?.fine();
    "and after an upload", "-T {upload} -o {body} {plain}/seen?[1-3]",
        |done| done.all(200)?.seen("/length", UPLOAD_BYTES)?.connects(1)?.fine();
    "Connection: close", "-H Connection:~close -o {body} {plain}/seen?[1-2]",
        |done| done.all(200)?.connects(2)?.says("connection: close")?.fine();
    "HTTP/1.0", "--http1.0 -o {body} {plain}/file", |done| done.all(200)?.file(0, FILE)?.fine();
    "HTTP/1.0 gets no chunks", "--http1.0 -o {body} {plain}/trailers",
        |done| done.all(200)?.does_not_say("transfer-encoding")?.body(b"first,last")?.fine();
    "HTTP/1.0 that keeps its connection", "--http1.0 -H Connection:~keep-alive -o {body} {plain}/file?[1-2]",
        |done| done.all(200)?.file(0, FILE)?.fine();
    "Expect: 100-continue is answered", "-T {upload} -H Expect:~100-continue --expect100-timeout 10 -o {body} {plain}/echo",
        |done| done.all(200)?.says("100 continue")?.body(&pattern(UPLOAD_BYTES))?.fine();
    "an expectation that the server refuses", "-T {upload} -H Expect:~100-continue -o {body} {plain}/refuse",
        |done| answered(done, 413);
    "an answer before the body is sent", "-T {upload} -H Expect: -o {body} {plain}/refuse",
        |done| answered(done, 413);
    "upload with a length", "-T {upload} -H Expect: -o {body} {plain}/echo",
        |done| done.all(200)?.body(&pattern(UPLOAD_BYTES))?.fine();
    "upload in chunks", "-T {upload} -H Transfer-Encoding:~chunked -H Expect: -o {body} {plain}/echo",
        |done| done.all(200)?.body(&pattern(UPLOAD_BYTES))?.fine();
    "upload in chunks that expects 100-continue",
        "-T {upload} -H Transfer-Encoding:~chunked -H Expect:~100-continue --expect100-timeout 10 -o {body} {plain}/echo",
        |done| done.all(200)?.says("100 continue")?.body(&pattern(UPLOAD_BYTES))?.fine();
    "a slow upload", "-T {upload} --limit-rate 3M -H Expect: -o {body} {plain}/seen",
        |done| done.all(200)?.seen("/length", UPLOAD_BYTES)?.fine();
    "a form", "-F name=value -F file=@{upload} -o {body} {plain}/seen", |done| {
        done.all(200)?;
        let kind = done.what("/headers/content-type")?.to_string();
        ensure!(kind.contains("multipart/form-data"), "it is {kind}");
        Ok(())
    };
    "range", "-r 10-19 -o {body} {plain}/file",
        |done| done.all(206)?.says("content-range: bytes 10-19/100000")?.file(10, 20)?.fine();
    "range to the end", "-r 99000- -o {body} {plain}/file", |done| done.all(206)?.file(99_000, FILE)?.fine();
    "range of the last bytes", "-r -500 -o {body} {plain}/file",
        |done| done.all(206)?.file(FILE - 500, FILE)?.fine();
    "a download is taken up again", "-C - -o {part} {plain}/file", |done| {
        done.all(206)?;
        ensure!(done.part == pattern(FILE), "the file is not whole: {} bytes", done.part.len());
        Ok(())
    };
    "validation by ETag", "-H If-None-Match:~\"file\" -o {body} {plain}/file",
        |done| done.all(304)?.says("etag: \"file\"")?.body(b"")?.fine();
    "validation by time", "-z 20260601 -o {body} {plain}/file", |done| done.all(304)?.body(b"")?.fine();
    "compressed", "--compressed -o {body} {plain}/gzip",
        |done| done.all(200)?.says("content-encoding: gzip")?.says("vary: accept-encoding")?.file(0, FILE)?.fine();
    "not compressed unless asked for", "-o {body} {plain}/gzip",
        |done| done.all(200)?.does_not_say("content-encoding")?.file(0, FILE)?.fine();
    "trailers", "-H TE:~trailers -H Connection:~TE -o {body} {plain}/trailers",
        |done| done.all(200)?.body(b"first,last")?.says("x-checksum: right")?.fine();
    "early hints (103)", "-o {body} {plain}/hints",
        |done| done.all(200)?.body(b"after hints")?.says("http/1.1 103 ")?.fine();
    "events pass at once", "-N --max-time 4 -o {body} {plain}/events", events_passed;
    "an answer that ends with its connection", "-o {body} {plain}/to-the-end",
        |done| done.all(200)?.file(0, FILE)?.fine();
    "redirect", "-L -o {body} {plain}/moved", |done| {
        done.all(200)?;
        ensure!(done.transfers.iter().all(|transfer| transfer.num_redirects == 1), "it was not followed");
        Ok(())
    };
    "user and password", "-u me:secret -o {body} {plain}/seen",
        |done| done.all(200)?.seen("/headers/authorization", "Basic bWU6c2VjcmV0")?.fine();
    "cookies", "-b a=1;b=2 -o {body} {plain}/seen", |done| done.all(200)?.seen("/headers/cookie", "a=1;b=2")?.fine();
    "Host", "-H Host:~shop.example:8080 -o {body} {plain}/seen",
        |done| done.all(200)?.seen("/headers/host", "shop.example:8080")?.fine();
    "what Connection names goes no further",
        "-H Connection:~x-hop -H X-Hop:~1 -H Keep-Alive:~5 -H Proxy-Connection:~keep-alive -o {body} {plain}/seen",
        |done| done.all(200)?.seen("/headers/x-hop", ())?.fine();
    "a long target", "-o {body} {plain}/seen?{4000}", |done| done.all(200)?.fine();
    "a long header", "-H X-Long:~{4000} -o {body} {plain}/seen",
        |done| done.all(200)?.seen("/headers/x-long", "x".repeat(4000))?.fine();
    "a large answer", "-o {body} {plain}/big", |done| done.all(200)?.body(&pattern(BIG))?.fine();
    "a slow reader", "--limit-rate 4M -o {body} {plain}/big", |done| done.all(200)?.body(&pattern(BIG))?.fine();
    "20 at once", "-Z --parallel-max 20 -o {body} {plain}/seen?[1-20]", |done| done.all(200)?.fine();
    // HTTP/2
    "HTTP/2 by prior knowledge", "--http2-prior-knowledge -o {body} {http2}/seen",
        |done| done.all(200)?.by("2")?.seen("/method", "GET")?.fine();
    "an upgrade to HTTP/2 is answered", "--http2 -o {body} {plain}/seen",
        |done| done.all(200)?.seen("/headers/upgrade", ())?.fine();
    "and with a body", "--http2 -d abc -o {body} {plain}/seen", |done| done.all(200)?.seen("/length", 3)?.fine();
    "HTTP/2: HEAD", "--http2-prior-knowledge -I -o {body} {http2}/file",
        |done| done.all(200)?.says("content-length: 100000")?.fine();
    "TLS: an HTTP/2 connection is kept", "--cacert {ca.pem} -o {body} {tls}/seen?[1-5]",
        |done| done.all(200)?.by("2")?.connects(1)?.fine();
    "TLS: 50 at once by HTTP/2", "--cacert {ca.pem} -Z --parallel-max 50 -o {body} {tls}/seen?[1-50]",
        |done| done.all(200)?.by("2")?.fine();
    "HTTP/2: upload", "--http2-prior-knowledge -T {upload} -o {body} {http2}/echo",
        |done| done.all(200)?.by("2")?.body(&pattern(UPLOAD_BYTES))?.fine();
    "HTTP/2: answer before the body is sent", "--http2-prior-knowledge -T {upload} -o {body} {http2}/refuse",
        |done| answered(done, 413);
    "HTTP/2: range", "--http2-prior-knowledge -r 10-19 -o {body} {http2}/file",
        |done| done.all(206)?.by("2")?.file(10, 20)?.fine();
    "HTTP/2: compressed", "--http2-prior-knowledge --compressed -o {body} {http2}/gzip",
        |done| done.all(200)?.by("2")?.says("content-encoding: gzip")?.file(0, FILE)?.fine();
    "HTTP/2: no body", "--http2-prior-knowledge -o {body} {http2}/empty", |done| done.all(204)?.by("2")?.body(b"")?.fine();
    "HTTP/2: validation", "--http2-prior-knowledge -H If-None-Match:~\"file\" -o {body} {http2}/file",
        |done| done.all(304)?.by("2")?.body(b"")?.fine();
    "HTTP/2: trailers", "--http2-prior-knowledge -H TE:~trailers -o {body} {http2}/trailers",
        |done| done.all(200)?.by("2")?.body(b"first,last")?.says("x-checksum: right")?.fine();
    "HTTP/2: early hints (103)", "--http2-prior-knowledge -o {body} {http2}/hints",
        |done| done.all(200)?.by("2")?.body(b"after hints")?.says("http/2 103 ")?.fine();
    "HTTP/2: events pass at once", "--http2-prior-knowledge -N --max-time 4 -o {body} {http2}/events", events_passed;
    "HTTP/2: an answer that ends with its connection", "--http2-prior-knowledge -o {body} {http2}/to-the-end",
        |done| done.all(200)?.file(0, FILE)?.fine();
    "HTTP/2: cookies", "--http2-prior-knowledge -b a=1;b=2 -o {body} {http2}/seen",
        |done| done.all(200)?.seen("/headers/cookie", "a=1;b=2")?.fine();
    "HTTP/2: a long header", "--http2-prior-knowledge -H X-Long:~{4000} -o {body} {http2}/seen",
        |done| done.all(200)?.seen("/headers/x-long", "x".repeat(4000))?.fine();
    "HTTP/2: a large answer", "--http2-prior-knowledge -o {body} {http2}/big",
        |done| done.all(200)?.body(&pattern(BIG))?.fine();
    "HTTP/2: a slow reader", "--http2-prior-knowledge --limit-rate 4M -o {body} {http2}/big",
        |done| done.all(200)?.body(&pattern(BIG))?.fine();
    // TLS
    "TLS: HTTP/2 by ALPN", "--cacert {ca.pem} -o {body} {tls}/seen", |done| done.all(200)?.by("2")?.fine();
    "TLS: HTTP/1.1 by ALPN", "--http1.1 --cacert {ca.pem} -o {body} {tls}/seen", |done| done.all(200)?.by("1.1")?.fine();
    "TLS: no ALPN", "--no-alpn --cacert {ca.pem} -o {body} {tls}/seen", |done| done.all(200)?.by("1.1")?.fine();
    "TLS 1.2", "--tls-max 1.2 --cacert {ca.pem} -o {body} {tls}/seen", |done| done.all(200)?.by("2")?.fine();
    "TLS 1.3", "--tlsv1.3 --cacert {ca.pem} -o {body} {tls}/seen", |done| done.all(200)?.by("2")?.fine();
    "TLS 1.1 is refused",
        "--tlsv1.0 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 --cacert {ca.pem} -o {body} {tls}/seen", refused;
    "TLS: ChaCha20", "--tls13-ciphers TLS_CHACHA20_POLY1305_SHA256 --tlsv1.3 --cacert {ca.pem} -o {body} {tls}/seen",
        |done| done.all(200)?.fine();
    "TLS: another name", "-k --resolve other.example:{tls-port}:127.0.0.1 -o {body} https://other.example:{tls-port}/seen",
        |done| done.all(200)?.fine();
    "TLS: upload by HTTP/2", "-T {upload} --cacert {ca.pem} -o {body} {tls}/echo",
        |done| done.all(200)?.by("2")?.body(&pattern(UPLOAD_BYTES))?.fine();
    "TLS: upload by HTTP/1.1", "--http1.1 -T {upload} --cacert {ca.pem} -o {body} {tls}/echo",
        |done| done.all(200)?.body(&pattern(UPLOAD_BYTES))?.fine();
    "TLS: a large answer", "--cacert {ca.pem} -o {body} {tls}/big", |done| done.all(200)?.body(&pattern(BIG))?.fine();
    "TLS: a client's certificate",
        "--cert {client.pem} --key {client.key} --cacert {ca.pem} -o {body} {tls}/seen", |done| {
            done.all(200)?;
            let told = done.what("/headers/x-forwarded-client-cert")?.to_string();
            ensure!(told.contains(CLIENT), "the server is told {told}");
            Ok(())
        };
    "TLS: a client's certificate from nobody knows whom",
        "--cert {stranger.pem} --key {stranger.key} --cacert {ca.pem} -o {body} {tls}/seen", refused;
    "TLS: nobody says so himself", "-H X-Forwarded-Client-Cert:~mine --interface 127.0.0.2 --cacert {ca.pem} -o {body} {tls}/seen", |done| {
        done.all(200)?;
        let told = done.what("/headers/x-forwarded-client-cert")?.to_string();
        ensure!(!told.contains("mine"), "the server is told {told}");
        Ok(())
    };
    // PROXY protocol
    "PROXY protocol", "--haproxy-protocol -o {body} {proxied}/seen",
        |done| done.all(200)?.seen("/headers/x-forwarded-for", "127.0.0.1")?.fine();
    "PROXY protocol: a connection without is refused", "-o {body} {proxied}/seen", refused;
];

/// The status arrived; that the upload was not finished is no failure.
fn answered(done: &Done, status: u16) -> Result<()> {
    let found: Vec<u16> = done.transfers.iter().map(|transfer| transfer.http_code).collect();
    ensure!(found == [status], "status {found:?}: curl ended with {}: {}", done.exit, done.said);
    Ok(())
}

/// There was no handshake, or no more than a refusal.
fn refused(done: &Done) -> Result<()> {
    let is_served = done.transfers.iter().any(|transfer| (200..400).contains(&transfer.http_code));
    ensure!(!is_served, "it is served");
    Ok(())
}

/// curl was still waiting for the last event when its time was over.
fn events_passed(done: &Done) -> Result<()> {
    done.body(b"data: first\n\n")?;
    ensure!(done.exit == 28, "curl ended with {}: {}", done.exit, done.said);
    Ok(())
}
