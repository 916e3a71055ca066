//! What the gateway does not do yet as its rules say.

/// Cases by name, `expected_with` the parser that does it. Each is played; one that holds must leave the list.
pub(super) const EXPECTED_WITH: &[(&str, &[&str])] = &[
    (
        "own parser",
        &[
            "a chunk size of 2^64 - 1",
            "a chunk size of 2^63",
            "a Host with two ports",
            "a Host with a port that is no number",
            "a Host with an open bracket",
            "an absolute target with a port alone",
            "an absolute target with two ports",
            "two dots before an encoded slash",
            "two dots between encoded slashes",
            "all of it encoded",
            "two dots before a backslash",
            "two dots before an encoded backslash",
            // Answers of a service.
            "a flood of interim answers",
        ],
    ),
    (
        "rules that hold for HTTP/2 too",
        &[
            "h2: a path with bytes above ASCII",
            "h2: a path with a fragment",
            "h2: an empty scheme",
            "h2: another scheme",
            "h2: an authority with a user",
            "h2: a Host with a space",
            "h2: an expectation that nobody knows",
            "h2: a body on a GET",
            "h2: two equal lengths",
        ],
    ),
];
