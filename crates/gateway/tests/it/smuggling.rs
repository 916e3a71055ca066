//! Requests and answers made to be read in two ways, each with what must come of it: refused, or passed on
//! with one meaning. The rules are those of `docs/http.md`.

mod awaiting;
mod case;
mod chunks;
mod downgrade;
mod framing;
mod lines;
mod order;
mod play;
mod reading;
mod recorder;
mod replies;
mod targets;

use std::collections::BTreeSet;
use std::time::Duration;

use self::awaiting::EXPECTED_WITH;
use self::case::Case;
use self::play::Stage;
use crate::support::PATIENCE;

/// A case that is not expected to hold is waited for no longer than this.
const IMPATIENCE: Duration = Duration::from_millis(400);

fn cases() -> Vec<Case> {
    let tables = [framing::CASES, chunks::CASES, lines::CASES, targets::CASES, order::CASES];
    [&tables.concat()[..], &chunks::large(), &order::large()].concat()
}

fn awaited() -> BTreeSet<&'static str> {
    EXPECTED_WITH.iter().flat_map(|(_, names)| names.iter().copied()).collect()
}

#[test]
fn each_request_is_refused_or_has_one_meaning() {
    let (cases, awaited) = (cases(), awaited());
    let stage = Stage::new(PATIENCE);
    let wrong: Vec<_> = cases
        .iter()
        .filter(|case| !awaited.contains(&*case.name))
        .filter_map(|case| stage.play(case).err().map(|why| format!("{}: {why}", case.name)))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn what_is_expected_with_later_work_does_not_hold_yet() {
    let (cases, awaited) = (cases(), awaited());
    let mut holds = Vec::new();
    for case in cases.iter().filter(|case| awaited.contains(&*case.name)) {
        // Each on a stage of its own, as what goes wrong may outlast its case.
        if Stage::new(IMPATIENCE).play(case).is_ok() {
            holds.push(&case.name);
        }
    }
    println!("{} cases, of which {} are expected with later work", cases.len(), awaited.len());
    assert!(holds.is_empty(), "these hold now, so take them off the list: {holds:#?}");
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
    let unknown: Vec<_> = awaited().into_iter().filter(|name| !names.contains(*name)).collect();
    assert!(unknown.is_empty(), "no such case: {unknown:?}");
}
