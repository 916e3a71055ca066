//! Requests of HTTP/2 that must not become another request, or two, on their way to a service that speaks
//! HTTP/1.1 (RFC 9113 §8.2 and §8.3).

mod frames;
mod table;

use std::net::SocketAddr;
use std::time::Duration;

use self::frames::Session;
use self::table::{CASES, FRAMES};
use super::play::Stage;
use super::recorder::{Reading, Seen};
use crate::support::PATIENCE;

pub(super) use self::frames::Outcome;

/// Header fields in order, as they are put on the wire.
pub(super) type Fields = &'static [(&'static [u8], &'static [u8])];

/// One request on a connection of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// Unique among all cases.
    pub(super) name: &'static str,
    pub(super) fields: Fields,
    /// A frame each.
    pub(super) data: &'static [&'static [u8]],
    /// None when there are no fields.
    pub(super) trailers: Fields,
    pub(super) must: Must,
}

/// Frames that are no request.
#[derive(Debug, Clone, Copy)]
struct Raw {
    /// Unique among all cases.
    name: &'static str,
    frames: fn(&mut Session),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Must {
    /// An answer of 4xx or 501, or the stream or connection is reset; nothing reaches the service.
    Refuse,
    /// As above, but the service may have seen the beginning.
    Spoil,
    /// This request reaches the service, as `reading::Request::text` renders it.
    Forward(&'static str),
    /// One of both.
    Either(&'static str),
}

fn play(stage: &Stage, case: &Case) -> Result<Vec<Seen>, String> {
    let mut session = Session::to(stage.gateway.address(), stage.patience);
    session.request(case);
    let outcome = session.outcome();
    let may_be_cut = matches!(case.must, Must::Spoil);
    let seen = seen(stage, may_be_cut)?;
    let whole: Vec<_> = seen.iter().filter_map(text).collect();
    let is_refused = outcome.is_refusal() && whole.is_empty();
    let is_forwarded = |text: &str| {
        let line = text.lines().next().unwrap_or_default();
        let text = if text.contains("\n\n") { text.to_owned() } else { format!("{text}\n") };
        outcome == Outcome::Answered(200, line.to_owned()) && whole == [text]
    };
    let is_right = match case.must {
        Must::Refuse | Must::Spoil => is_refused,
        Must::Forward(text) => is_forwarded(text),
        Must::Either(text) => is_refused || is_forwarded(text),
    };
    if is_right { Ok(seen) } else { Err(format!("{outcome:?}; the service saw {whole:?}")) }
}

/// What becomes of any fields and data.
pub(super) fn send(
    gateway: SocketAddr,
    patience: Duration,
    fields: &[(Vec<u8>, Vec<u8>)],
    data: &[u8],
) -> Outcome {
    let mut session = Session::to(gateway, patience);
    session.send_request(fields, data);
    session.outcome()
}

/// What the service was sent, if nothing of it is wrong.
fn seen(stage: &Stage, may_be_cut: bool) -> Result<Vec<Seen>, String> {
    let all = stage.settle()?;
    for seen in &all {
        match &seen.reading {
            Reading::Whole(request) => request.check_own_words()?,
            Reading::CutOff if may_be_cut => {}
            Reading::CutOff => return Err(format!("cut off: {}", seen.raw.escape_ascii())),
            Reading::Malformed(why) => return Err(format!("{why}: {}", seen.raw.escape_ascii())),
        }
    }
    Ok(all)
}

fn text(seen: &Seen) -> Option<String> {
    match &seen.reading {
        Reading::Whole(request) => Some(request.text()),
        Reading::CutOff | Reading::Malformed(_) => None,
    }
}

/// What the service was sent in each case that is passed on.
pub(super) fn forwarded(stage: &Stage) -> Vec<(String, Vec<Seen>)> {
    let passes = |case: &&Case| matches!(case.must, Must::Forward(_));
    let play = |case: &Case| {
        let seen = play(stage, case).unwrap_or_else(|why| panic!("{}: {why}", case.name));
        (case.name.to_owned(), seen)
    };
    CASES.iter().filter(passes).map(play).collect()
}

pub(super) fn names<'a>() -> impl Iterator<Item = &'a str> {
    CASES.iter().map(|case| case.name).chain(FRAMES.iter().map(|raw| raw.name))
}

#[test]
fn each_request_of_http2_is_refused_or_has_one_meaning() {
    let stage = Stage::new(PATIENCE);
    let mut wrong = Vec::new();
    for case in CASES {
        if let Err(why) = play(&stage, case) {
            wrong.push(format!("{}: {why}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn frames_that_are_no_request_end_the_connection_and_reach_nobody() {
    let stage = Stage::new(PATIENCE);
    for raw in FRAMES {
        let mut session = Session::to(stage.gateway.address(), PATIENCE);
        (raw.frames)(&mut session);
        let outcome = session.outcome();
        assert!(outcome.is_refusal(), "{}: {outcome:?}", raw.name);
        let seen = seen(&stage, true).unwrap_or_else(|why| panic!("{}: {why}", raw.name));
        let whole: Vec<_> = seen.iter().filter_map(text).collect();
        assert!(whole.is_empty(), "{}: the service saw {whole:?}", raw.name);
    }
}
