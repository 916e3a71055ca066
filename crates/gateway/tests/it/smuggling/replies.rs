//! What a hostile or broken service answers, and what of it a client gets to see.

mod origin;
mod table;

use std::time::Duration;

use floodway_policy::http_cache::CachePolicy;

use self::origin::Origin;
use self::table::{REPLIES, large};
use super::awaiting::{ANSWERS_OF_CACHED_ROUTES, ANSWERS_TO_HTTP2};
use super::downgrade::{Outcome, send};
use super::play::Client;
use crate::support::{Builder, Gateway, PATIENCE, builder};

/// Meant for the next hop, or to be said by us alone.
const ONE_HOP: [&str; 5] =
    ["keep-alive", "proxy-authenticate", "proxy-connection", "upgrade", "proxy-authentication-info"];

/// What a service answers one request, byte for byte.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// Unique among all replies.
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    pub(super) bytes: std::borrow::Cow<'static, [u8]>,
    pub(super) then: Then,
    pub(super) must: Must,
}

/// What the service does with its connection then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Stay,
    Close,
}

/// What the client must get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// This status and body; the service's connection may be used again.
    Whole(u16, &'static str),
    /// This status and body, or else 502; the service's connection is never used again.
    WholeOnce(u16, &'static str),
    /// 502 and nothing of the answer; the service's connection is never used again.
    Refuse,
    /// 502, or an answer that the client can tell to be broken off; never used again either.
    Tear,
}

/// What the client got.
#[derive(Debug)]
enum Got {
    Whole { status: u16, body: String },
    Torn,
}

/// A gateway in front of a service that answers with the replies.
struct Stage {
    gateway: Gateway,
    origin: Origin,
    patience: Duration,
    /// The client speaks HTTP/2.
    is_http2: bool,
}

impl Stage {
    fn new(replies: &[Reply], patience: Duration) -> Self {
        Self::with(replies, patience, |builder| builder)
    }

    /// As above, with more to it.
    fn with(replies: &[Reply], patience: Duration, more: impl FnOnce(Builder) -> Builder) -> Self {
        let origin = Origin::start(replies.to_vec());
        let builder = builder().service(&[origin.address]).route("/*", &[], 0).timeout(patience).one_worker();
        let gateway = more(builder).start();
        Self { gateway, origin, patience, is_http2: false }
    }

    /// Asks for one reply, then for something else.
    fn play(&self, index: usize, reply: &Reply) -> Result<(), String> {
        let got = self.ask(reply.method, &format!("/reply/{index}"))?;
        judge(reply, got)?;
        let used = self.origin.take_used();
        for round in 0..2 {
            match self.ask("GET", "/next")? {
                Got::Whole { status: 200, body } if body == "next" => {}
                other => return Err(format!("request {round} after it got {other:?}")),
            }
        }
        let next = self.origin.take_used();
        let may_be_kept = matches!(reply.must, Must::Whole(..));
        if !may_be_kept && !used.is_disjoint(&next) {
            return Err("the service's connection was used again".into());
        }
        Ok(())
    }

    /// One request on a connection of its own.
    fn ask(&self, method: &str, target: &str) -> Result<Got, String> {
        if self.is_http2 {
            return self.ask_by_http2(method, target);
        }
        let mut client = Client::to(self.gateway.address(), self.patience);
        let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.send(request.as_bytes())?;
        let bytes = client.rest()?;
        let Some((answer, len)) = super::reading::answer(&bytes, method == "HEAD")? else {
            return Ok(Got::Torn);
        };
        if len < bytes.len() {
            return Err(format!("more came: {}", bytes[len..].escape_ascii()));
        }
        let for_one_hop = answer.headers.iter().find(|(name, _)| ONE_HOP.contains(&name.as_str()));
        match for_one_hop {
            Some(header) => Err(format!("{header:?} was passed on")),
            None => Ok(Got::Whole { status: answer.status, body: answer.body }),
        }
    }
}

impl Stage {
    fn ask_by_http2(&self, method: &str, target: &str) -> Result<Got, String> {
        let fields = [(":method", method), (":scheme", "http"), (":path", target), (":authority", "a")];
        let fields = fields.map(|(name, value)| (name.into(), value.into()));
        match send(self.gateway.address(), self.patience, &fields, b"") {
            Outcome::Answered(status, body) => Ok(Got::Whole { status, body }),
            Outcome::Reset(_) => Ok(Got::Torn),
            other => Err(format!("{other:?}")),
        }
    }
}

/// Whether what came is what must come.
fn judge(reply: &Reply, got: Got) -> Result<(), String> {
    match (reply.must, got) {
        (
            Must::Whole(status, body) | Must::WholeOnce(status, body),
            Got::Whole { status: got, body: text },
        ) if (status, body) == (got, &*text) => Ok(()),
        (Must::WholeOnce(..) | Must::Refuse | Must::Tear, Got::Whole { status: 502, body })
            if reply.method == "HEAD" || body.contains("\"status\":502") =>
        {
            Ok(())
        }
        (Must::Tear, Got::Torn) => Ok(()),
        (must, got) => Err(format!("{got:?} instead of {must:?}")),
    }
}

pub(super) fn replies() -> Vec<Reply> {
    [REPLIES, &large()].concat()
}

#[test]
fn each_answer_is_refused_or_has_one_meaning() {
    hold(|replies| Stage::new(replies, PATIENCE), &[]);
}

/// What is cached goes another way than what is not.
#[test]
fn each_answer_of_a_cached_route_is_refused_or_has_one_meaning() {
    let cached = |builder: Builder| builder.cache(CachePolicy::default());
    hold(|replies| Stage::with(replies, PATIENCE, cached), ANSWERS_OF_CACHED_ROUTES);
}

/// So do requests of HTTP/2.
#[test]
fn each_answer_to_http2_is_refused_or_has_one_meaning() {
    let stage = |replies: &[Reply]| Stage { is_http2: true, ..Stage::new(replies, PATIENCE) };
    hold(stage, ANSWERS_TO_HTTP2);
}

/// Plays all replies; those that are awaited on a stage of their own, as what goes wrong may outlast its reply.
fn hold(stage: impl Fn(&[Reply]) -> Stage, awaited: &[&str]) {
    let replies = replies();
    let shared = stage(&replies);
    let mut wrong = Vec::new();
    for (index, reply) in replies.iter().enumerate() {
        let is_awaited = awaited.contains(&reply.name);
        let played = if is_awaited { stage(&replies).play(index, reply) } else { shared.play(index, reply) };
        wrong.extend(unexpected(reply.name, played, is_awaited));
    }
    println!("{} replies, of which {} are expected with later work", replies.len(), awaited.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), replies.len(), wrong.join("\n"));
}

/// What to say of a reply that is not as expected.
fn unexpected(name: &str, played: Result<(), String>, is_awaited: bool) -> Option<String> {
    match (played, is_awaited) {
        (Ok(()), true) => Some(format!("{name} holds now: take it off its list")),
        (Err(why), false) => Some(format!("{name}: {why}")),
        (Ok(()), false) | (Err(_), true) => None,
    }
}

/// What a service says unasked, on a connection that waits for its next request, is nobody's answer.
#[test]
fn bytes_that_come_between_two_requests_reach_nobody() {
    for poison in [
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "\r\n",
        "x",
    ] {
        let reply = Reply {
            name: "an answer and later another",
            method: "GET",
            bytes: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..].into(),
            then: Then::Stay,
            must: Must::Whole(200, "ok"),
        };
        let stage = Stage::new(std::slice::from_ref(&reply), PATIENCE);
        let got = stage.ask("GET", "/reply/0").expect("an answer");
        judge(&reply, got).expect("the answer");
        let used = stage.origin.take_used();
        stage.origin.say_unasked(poison);
        for _ in 0..2 {
            let got = stage.ask("GET", "/next").expect("an answer");
            assert!(
                matches!(&got, Got::Whole { status: 200, body } if body == "next"),
                "{poison:?}: {got:?}"
            );
        }
        assert!(used.is_disjoint(&stage.origin.take_used()), "{poison:?}: the connection was used again");
    }
}
