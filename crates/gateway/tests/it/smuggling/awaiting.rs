//! What the gateway does not do yet as its rules say. Each of these is played, and one that holds must leave its
//! list.

/// Answers of a cached route, expected with our own reading of answers there: hyper's client takes them.
pub(super) const ANSWERS_OF_CACHED_ROUTES: &[&str] = &[
    "bare LFs for all line ends of an answer",
    "a bare LF after the status line",
    "a bare LF after a header of an answer",
    "a bare LF for the empty line of an answer",
    "an interim answer with a length",
    "an interim answer with chunks",
    "a flood of interim answers",
    // The trailer is dropped, and the answer passes.
    "a trailer that would change the framing of an answer",
];

/// The same of answers to HTTP/2, where the trailer's stream is reset.
pub(super) const ANSWERS_TO_HTTP2: &[&str] = &[
    "bare LFs for all line ends of an answer",
    "a bare LF after the status line",
    "a bare LF after a header of an answer",
    "a bare LF for the empty line of an answer",
    "an interim answer with a length",
    "an interim answer with chunks",
    "a flood of interim answers",
];
