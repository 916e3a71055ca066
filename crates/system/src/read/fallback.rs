//! The `fallback` of a route.

use floodway_policy::fallback::{FixedAnswer, WITHOUT_BODY};

use super::Reader;
use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::model::Fallback;
use crate::value::Fields;

/// The status of an answer that gives none.
const STATUS: u16 = 503;
/// Headers that are the gateway's to give.
const OF_FRAMING: [&str; 6] =
    ["content-length", "transfer-encoding", "connection", "keep-alive", "trailer", "upgrade"];

impl Reader<'_> {
    pub(super) fn fallback(&mut self, file: &Fields, route: &Fields, fallback: &Fields) -> Fallback {
        let is_stale = fallback.flag("stale");
        if let Some(span) = fallback.given("stale").filter(|_| is_stale) {
            self.check_stale(route, span);
        }
        if let Some(span) = fallback.given("stale-for").filter(|_| !is_stale) {
            let mistake = Mistake::at(span, Code::KeysDisagree, "`stale-for` bounds nothing without `stale`");
            self.mistake(mistake.help("add `stale: true`, or remove `stale-for`"));
        }
        let to = fallback.get("to").map(|_| self.target(file, fallback));
        if let Some(span) = fallback.given("to").filter(|_| route.given("idempotency").is_some()) {
            let message = "`to` of a fallback and `idempotency` exclude each other";
            let help = "what runs once runs at one service; remove one of the two";
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help(help));
        }
        let is_given = ["status", "headers", "body"].iter().any(|key| fallback.given(key).is_some());
        let has_answer = is_given || (to.is_none() && !is_stale);
        Fallback { to, answer: has_answer.then(|| self.fixed_answer(fallback)) }
    }

    fn check_stale(&mut self, route: &Fields, span: Span) {
        let Some(cache) = route.object("cache") else {
            let mistake = Mistake::at(span, Code::KeysDisagree, "there is no `cache` that could be stale");
            return self.mistake(mistake.help("add `cache: {}` to the route, or remove `stale`"));
        };
        if cache.given("stale-if-error").is_some() {
            let message = "`stale` and `stale-if-error` of the cache exclude each other";
            let help = "`stale-for` is the bound of `stale`; keep the one that is meant";
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help(help));
        }
    }

    fn fixed_answer(&mut self, fallback: &Fields) -> FixedAnswer {
        let status = fallback.get("status").map_or(STATUS, |_| fallback.whole("status"));
        if let Some(span) = fallback.given("body").filter(|_| WITHOUT_BODY.contains(&status)) {
            let message = format!("an answer with status {status} has no body");
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help("leave `body` out"));
        }
        let mut headers = Vec::new();
        for (name, value) in fallback.map("headers") {
            let text = value.text().unwrap_or_default();
            let ends_body = OF_FRAMING.iter().any(|of_framing| name.text.eq_ignore_ascii_case(of_framing));
            let is_value = text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
            if ends_body || !is_value {
                let message = format!("`{}` cannot be a header of an answer with this value", name.text);
                self.mistake(
                    Mistake::at(value.span, Code::BadHttp, message)
                        .help("no line breaks; the gateway itself says where a body ends"),
                );
            }
            headers.push((name.text.clone(), text));
        }
        let body = fallback.get("body").map(|_| fallback.text("body")).unwrap_or_default();
        FixedAnswer { status, headers, body }
    }
}
