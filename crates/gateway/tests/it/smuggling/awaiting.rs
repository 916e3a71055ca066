//! What the gateway does not do yet as its rules say. Each of these is played, and one that holds must leave its
//! list.

/// Requests of a cached route, expected with one rule for what an upgrade is.
pub(super) const REQUESTS_OF_CACHED_ROUTES: &[&str] = &[
    "an offer of HTTP/2",
    "an offer of HTTP/2 that Connection names in part",
    "an offer of HTTP/2 in capitals",
    "an upgrade in HTTP/1.0",
];

/// Answers of a cached route, expected with our own reading of answers there: hyper's client takes them.
pub(super) const ANSWERS_OF_CACHED_ROUTES: &[&str] = &[
    "a length and chunks in an answer",
    "chunks and a length in an answer",
    "two equal lengths in an answer",
    "a list of equal lengths in an answer",
    "an unknown coding in an answer",
    "gzip before chunks in an answer",
    "chunks twice in an answer",
    "identity after chunks in an answer",
    "bare LFs for all line ends of an answer",
    "a bare LF after the status line",
    "a bare LF after a header of an answer",
    "a bare LF for the empty line of an answer",
    "an interim answer with a length",
    "an interim answer with chunks",
    "101 that nobody asked for",
    "101 to HTTP/2 that nobody asked for",
    "101 without a protocol",
    "a trailer that would change the framing of an answer",
    "HEAD with two lengths",
    "a flood of interim answers",
];
