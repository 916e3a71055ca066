//! Requests and answers made to be read in two ways, each with what must come of it: refused, or passed on
//! with one meaning. The rules are those of `docs/http.md`.

mod case;
mod chunks;
mod downgrade;
mod framing;
mod lines;
mod order;
mod peers;
mod play;
mod reading;
mod recorder;
mod replies;
mod targets;

use std::collections::BTreeSet;

use self::case::Case;
use self::play::Stage;
use crate::support::PATIENCE;

fn cases() -> Vec<Case> {
    let tables = [framing::CASES, chunks::CASES, lines::CASES, targets::CASES, order::CASES];
    [&tables.concat()[..], &chunks::large(), &order::large()].concat()
}

#[test]
fn each_request_is_refused_or_has_one_meaning() {
    let cases = cases();
    let stage = Stage::new(PATIENCE);
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| stage.play(case).err().map(|why| format!("{}: {why}", case.name)))
        .collect();
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
}
