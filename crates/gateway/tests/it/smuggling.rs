//! Requests and answers made to be read in two ways, each with what must come of it: refused, or passed on
//! with one meaning. The rules are those of `docs/http.md`.

mod awaiting;
mod case;
mod chunks;
mod downgrade;
mod framing;
mod lines;
mod order;
mod peers;
mod play;
mod properties;
mod reading;
mod recorder;
mod replies;
mod stalls;
mod targets;

use std::collections::BTreeSet;

use floodway_policy::http_cache::CachePolicy;

use self::awaiting::{ANSWERS_OF_CACHED_ROUTES, ANSWERS_TO_HTTP2};
use self::case::Case;
use self::play::Stage;
use crate::support::PATIENCE;

/// Sends any bytes; panics when what comes of them is wrong.
#[cfg(fuzzing)]
pub(crate) fn fuzz_http1(bytes: &[u8]) {
    fuzz(|stage| properties::http1(stage, bytes));
}

/// Sends any fields and data as a request of HTTP/2; panics when what comes of them is wrong.
#[cfg(fuzzing)]
pub(crate) fn fuzz_http2(fields: &[(Vec<u8>, Vec<u8>)], data: &[u8]) {
    fuzz(|stage| properties::http2(stage, fields, data));
}

#[cfg(fuzzing)]
fn fuzz(check: impl Fn(&Stage) -> Result<(), String>) {
    thread_local!(static STAGE: Stage = Stage::new(PATIENCE));
    STAGE.with(|stage| check(stage).unwrap_or_else(|why| panic!("{why}")));
}

fn cases() -> Vec<Case> {
    let tables = [framing::CASES, chunks::CASES, lines::CASES, targets::CASES, order::CASES];
    [&tables.concat()[..], &chunks::large(), &order::large()].concat()
}

#[test]
fn each_request_is_refused_or_has_one_meaning() {
    hold(&Stage::new(PATIENCE));
}

/// Where a read ends must not change what is read.
#[test]
fn each_request_in_pieces_is_refused_or_has_one_meaning() {
    for piece_len in [1, 7] {
        hold(&Stage { piece_len, ..Stage::new(PATIENCE) });
    }
}

/// What is cached goes another way than what is not.
#[test]
fn each_request_of_a_cached_route_is_refused_or_has_one_meaning() {
    hold(&Stage::with(PATIENCE, |builder| builder.cache(CachePolicy::default())));
}

fn hold(stage: &Stage) {
    let cases = cases();
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| stage.play(case).err().map(|why| format!("{}: {why}", case.name)))
        .collect();
    println!("{} cases", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn cases_have_names_of_their_own() {
    let cases = cases();
    let replies = replies::replies();
    let mut names = BTreeSet::new();
    let of_requests = cases.iter().map(|case| &*case.name).chain(downgrade::names());
    for name in of_requests.chain(replies.iter().map(|reply| reply.name)) {
        assert!(names.insert(name), "two cases are named {name}");
    }
    for name in ANSWERS_OF_CACHED_ROUTES.iter().chain(ANSWERS_TO_HTTP2) {
        assert!(names.contains(name), "no case is named {name}");
    }
}
