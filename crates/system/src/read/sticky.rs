//! Reads how services keep the requests of a client together.

use floodway_policy::sticky::{Names, Secret, StickyPolicy};

use super::Reader;
use super::gateway::is_token;
use crate::code::Code;
use crate::mistake::Mistake;
use crate::model::Service;
use crate::tree::Key;
use crate::value::{Fields, Value};

impl Reader<'_> {
    pub(super) fn sticky(&mut self, key: &Key, service: &Fields) -> Option<StickyPolicy> {
        let sticky = service.object("sticky")?;
        let cookie = match sticky.get("cookie") {
            Some(_) => sticky.text("cookie"),
            None => format!("fw-{}", key.text),
        };
        if let Some(value) = sticky.get("cookie").filter(|value| value.is_known() && !is_token(&cookie)) {
            let message = format!("`{}` cannot be the name of a cookie", cookie.escape_debug());
            let help = "take letters, digits, `-` and `_`";
            self.mistake(Mistake::at(value.span, Code::BadHttp, message).help(help));
        }
        let secret = sticky.get("secret").map(|_| sticky.text("secret"));
        let known = sticky.get("secret").filter(|value| value.is_known()).zip(secret.as_ref());
        if let Some((value, _)) = known.filter(|(_, secret)| secret.len() < Secret::LEN_MIN) {
            let message = format!("a secret of fewer than {} characters can be guessed", Secret::LEN_MIN);
            let help = "take one from the environment, such as `openssl rand -hex 32` gives";
            self.mistake(Mistake::at(value.span, Code::OutOfRange, message).help(help));
        }
        let names = if service.given("run").is_some() { Names::Number } else { Names::Address };
        let ttl = sticky.get("ttl").map(|_| sticky.duration("ttl"));
        Some(StickyPolicy { cookie, ttl, secret: secret.map(Secret::new), names })
    }

    /// One cookie cannot name the replicas of two services: each would replace what the other has set.
    pub(super) fn expect_own_cookies(&mut self, file: &Fields, services: &[Service]) {
        for (place, ((_, fields), service)) in file.objects("services").zip(services).enumerate() {
            let Some(cookie) = service.sticky.as_ref().map(|sticky| &sticky.cookie) else { continue };
            let has_it =
                |other: &&Service| other.sticky.as_ref().is_some_and(|other| other.cookie == *cookie);
            let given =
                fields.object("sticky").and_then(|sticky| sticky.get("cookie")).map(|value| value.span);
            let span = given.or_else(|| fields.given("sticky"));
            if let (Some(other), Some(span)) = (services[..place].iter().find(has_it), span)
                && fields.object("sticky").and_then(|sticky| sticky.get("cookie")).is_none_or(Value::is_known)
            {
                let message = format!("the cookie `{cookie}` is that of the service `{}`", other.name);
                let help = "choose another name, or leave it out: then it is the service's own";
                self.mistake(Mistake::at(span, Code::KeysDisagree, message).help(help));
            }
        }
    }
}
