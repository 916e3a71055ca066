//! Reads the gateway.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use floodway_policy::ServiceId;
use floodway_policy::admission::{Class, PriorityPolicy};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::hedge::{HedgePolicy, Late};
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::idempotency::{Duplicates, IdempotencyPolicy};
use floodway_policy::rate_limit::{RateKey, RateLimitPolicy};
use floodway_policy::retry::{Backoff, RetryPolicy, Statuses};
use floodway_policy::routing::{Methods, PathPattern, Pattern};
use floodway_policy::snapshot::Limits;
use floodway_policy::split::HeaderIs;
use floodway_policy::trust::TrustedProxies;

use super::Reader;
use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::model::{CertificateFiles, ClientAuthority, Gateway, Listen, Node, Part, Route, Tls};
use crate::shape::idempotency::DUPLICATES;
use crate::value::{Fields, Kind, Value};

/// The routes so far by host and path. Each takes a method that none before it takes, so there are few of
/// each.
type Seen = BTreeMap<(Option<String>, PathPattern), Vec<(Methods, Span)>>;

impl Reader<'_> {
    pub(super) fn gateway(&mut self, file: &Fields, node: &Node) -> Option<Gateway> {
        let gateway = file.object("gateway")?;
        let limits = limits(gateway);
        let routes = self.routes(file, gateway, &limits);
        let cache_bytes_max = gateway.object("cache").map_or(0, |cache| cache.size("memory"));
        Some(Gateway {
            listen: self.listen(gateway, node),
            tls: self.tls(gateway),
            trusted_proxies: trusted_proxies(gateway),
            limits,
            cache_bytes_max,
            routes,
        })
    }

    fn listen(&mut self, gateway: &Fields, node: &Node) -> Vec<Listen> {
        let mut taken: Vec<(SocketAddr, String)> = vec![(node.admin_listen, "the admin API".into())];
        let mut listen = Vec::new();
        for item in gateway.list("listen") {
            let Kind::Fields(fields) = &item.kind else { continue };
            let Some(address) = fields.get("address").and_then(Value::address) else { continue };
            if let Some((other, whose)) = taken.iter().find(|(other, _)| overlaps(*other, address)) {
                let message = format!("the address `{address}` is taken by {whose}");
                let help = format!("{whose} listens on `{other}`: choose another port");
                self.mistake(Mistake::at(item.span, Code::AddressTwice, message).help(help));
            }
            taken.push((address, format!("the gateway in line {}", item.span.line)));
            listen.push(Listen {
                address,
                proxy_protocol: self.proxy_protocol(gateway, fields),
                tls: self.speaks_tls(gateway, fields),
            });
        }
        if let Some(value) =
            gateway.get("listen").filter(|value| matches!(&value.kind, Kind::List(items) if items.is_empty()))
        {
            let mistake = Mistake::at(value.span, Code::OutOfRange, "the gateway needs at least one address");
            self.mistake(mistake.expected("expected an address such as `127.0.0.1:8080`"));
        }
        listen
    }

    fn speaks_tls(&mut self, gateway: &Fields, listen: &Fields) -> bool {
        let has_tls = gateway.given("tls").is_some();
        let Some(value) = listen.get("tls") else { return has_tls };
        if let Some(span) = listen.given("tls").filter(|_| value.is_true() && !has_tls) {
            let mistake = Mistake::at(span, Code::KeysDisagree, "`tls` needs a certificate to show");
            let help = "add to the gateway `tls: { certificates: [{ cert: FILE, key: FILE }] }`";
            self.mistake(mistake.help(help));
        }
        value.is_true()
    }

    fn tls(&mut self, gateway: &Fields) -> Option<Tls> {
        let tls = gateway.object("tls")?;
        if let Some(value) = tls.get("certificates").filter(|value| value.is_empty_list()) {
            let mistake = Mistake::at(value.span, Code::OutOfRange, "TLS needs at least one certificate");
            self.mistake(mistake.expected("expected a list such as `[{ cert: shop.pem, key: shop.key }]`"));
        }
        let certificates = tls.list("certificates").iter().filter_map(|item| match &item.kind {
            Kind::Fields(pair) => {
                Some(CertificateFiles { cert: self.path(pair, "cert"), key: self.path(pair, "key") })
            }
            _ => None,
        });
        let client = tls.object("client").map(|client| ClientAuthority {
            ca: self.path(client, "ca"),
            required: client.get("required").is_some_and(Value::is_true),
        });
        Some(Tls { certificates: certificates.collect(), client })
    }

    /// Anybody could send a header, and so be anybody.
    fn proxy_protocol(&mut self, gateway: &Fields, listen: &Fields) -> bool {
        let wants = listen.get("proxy-protocol").is_some_and(Value::is_true);
        let trusts = gateway.get("trusted-proxies").is_some_and(|list| !list.is_empty_list());
        if let Some(span) = listen.given("proxy-protocol").filter(|_| wants && !trusts) {
            let message = "`proxy-protocol` needs to know which proxies may send a header";
            let help = "name them in the gateway's `trusted-proxies`, as in `[10.0.0.0/8]`";
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help(help));
        }
        wants
    }

    fn routes(&mut self, file: &Fields, gateway: &Fields, limits: &Limits) -> Vec<Route> {
        let mut routes = Vec::new();
        let mut seen = Seen::new();
        for item in gateway.list("routes") {
            let Kind::Fields(fields) = &item.kind else { continue };
            let to = self.target(file, fields);
            let Some(pattern) = pattern(fields) else { continue };
            let span = fields.object("match").map_or(item.span, |fields| fields.span);
            self.refuse_unreachable(&pattern, span, &mut seen);
            let idempotency = self.idempotency(file, fields, &pattern);
            routes.push(Route {
                pattern,
                to,
                split: self.split(file, fields),
                timeout: fields.duration("timeout"),
                total_timeout: fields.get("total-timeout").map(|_| fields.duration("total-timeout")),
                connect_timeout: fields.duration("connect-timeout"),
                retry: self.retry(fields),
                budget: budget(fields),
                hedge: fields.object("hedge").map(hedge),
                tells_time: fields.flag("deadline"),
                fallback: fields.object("fallback").map(|fallback| self.fallback(file, fields, fallback)),
                priority: fields.object("priority").map(priority),
                rate_limit: fields.object("limit").and_then(|limit| self.rate_limit(limit)),
                body_max: fields.get("body").map_or(limits.body_max, |_| fields.size("body")),
                cache: cache(fields),
                idempotency,
            });
        }
        routes
    }

    fn rate_limit(&mut self, limit: &Fields) -> Option<RateLimitPolicy> {
        let Kind::Rate(rate) = limit.get("rate")?.kind else { return None };
        let (count, per) = (rate.count().get(), rate.per());
        let in_a_second = (f64::from(count) / per.as_secs_f64()).ceil().max(1.0);
        // Within bounds that are whole.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 1, at most u32"
        )]
        let burst = in_a_second as u32;
        let burst = limit.get("burst").map_or(burst, |_| limit.whole("burst"));
        let text = limit.text("key");
        let key = match text.split_once(':') {
            None if text == "client-ip" => RateKey::ClientIp,
            None if text == "route" => RateKey::Route,
            Some(("header", name)) if is_token(name) => RateKey::Header(name.to_ascii_lowercase()),
            _ => {
                let span = limit.given("key").unwrap_or(limit.span);
                let mistake = Mistake::at(span, Code::UnknownWord, format!("unknown word `{text}`"));
                self.mistake(mistake.expected("expected `client-ip`, `route`, or `header:NAME`"));
                return None;
            }
        };
        Some(RateLimitPolicy { rate: count, per, burst, key })
    }

    /// Of a route, or of the calls of a service.
    pub(super) fn retry(&mut self, route: &Fields) -> RetryPolicy {
        let empty = Fields::empty(route.span);
        let retry = route.object("retry").unwrap_or(&empty);
        let mut statuses = Statuses::NONE;
        for item in retry.list("statuses") {
            let Kind::Integer(status) = item.kind else { continue };
            if let Some(with) = u16::try_from(status).ok().and_then(|status| statuses.with(status)) {
                statuses = with;
            } else {
                let mistake = Mistake::at(item.span, Code::OutOfRange, "no retry can help with this status");
                self.mistake(mistake.expected("expected 429, or 500 to 514"));
            }
        }
        RetryPolicy {
            max: retry.whole("max"),
            statuses,
            try_timeout: retry.get("try-timeout").map(|_| retry.duration("try-timeout")),
            backoff: Backoff { initial: retry.duration("pause"), max: retry.duration("pause-max") },
        }
    }

    fn split(&mut self, file: &Fields, route: &Fields) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut percents = 0_u32;
        if let Some(span) = route.given("split").filter(|_| route.given("cache").is_some()) {
            let message = "`split` and `cache` exclude each other";
            let help = "what one service answered would be kept for all; keep one of the two";
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help(help));
        }
        for item in route.list("split") {
            let Kind::Fields(fields) = &item.kind else { continue };
            let header = fields.get("header").map(|_| HeaderIs {
                name: fields.text("header").to_ascii_lowercase(),
                value: fields.get("value").map(|_| fields.text("value")),
            });
            if header.is_none() {
                self.check_part_without_header(fields);
            }
            let percent: u8 = fields.whole("percent");
            percents += u32::from(percent);
            if percents > 100 && percents - u32::from(percent) <= 100 {
                let span = fields.given("percent").unwrap_or(fields.span);
                let message = format!("the parts come to {percents} percent with this one");
                let mistake = Mistake::at(span, Code::KeysDisagree, message);
                self.mistake(mistake.help("lower them, so that they come to 100 at most"));
            }
            parts.push(Part { to: self.target(file, fields), percent, header });
        }
        parts
    }

    fn check_part_without_header(&mut self, part: &Fields) {
        if let Some(span) = part.given("value") {
            let mistake = Mistake::at(span, Code::KeysDisagree, "`value` needs `header`");
            self.mistake(mistake.help("name the `header`, or remove the `value`"));
        }
        if part.given("percent").is_none() {
            let mistake = Mistake::at(part.span, Code::KeysDisagree, "no request belongs to this part");
            self.mistake(mistake.help("give a `percent`, or a `header` that requests have"));
        }
    }

    pub(super) fn target(&mut self, file: &Fields, route: &Fields) -> ServiceId {
        let services = file.map("services");
        let to = route.get("to").and_then(|value| value.text().map(|name| (name, value.span)));
        let Some((name, span)) = to else { return ServiceId(0) };
        if file.get("services").is_none_or(Value::is_known) {
            self.expect_defined("service", &name, span, services);
        }
        let place = services.iter().position(|(key, _)| key.text == name);
        ServiceId(place.and_then(|place| u16::try_from(place).ok()).unwrap_or_default())
    }

    fn idempotency(
        &mut self,
        file: &Fields,
        route: &Fields,
        pattern: &Pattern,
    ) -> Option<Arc<IdempotencyPolicy>> {
        let fields = route.object("idempotency")?;
        let store = fields.get("store").and_then(|value| value.text().map(|name| (name, value.span)));
        if let Some((name, span)) = &store
            && file.get("stores").is_none_or(Value::is_known)
        {
            self.expect_defined("store", name, *span, file.map("stores"));
        }
        let timeout = route.duration("timeout");
        let waits = fields.text("duplicates") == DUPLICATES[0];
        Some(Arc::new(IdempotencyPolicy {
            header: fields.text("header").to_ascii_lowercase(),
            store: store.map(|(name, _)| name).unwrap_or_default(),
            route: pattern.to_string(),
            keep: fields.duration("keep"),
            required: fields.flag("required"),
            duplicates: if waits { Duplicates::Wait(timeout) } else { Duplicates::Refuse },
            lease: timeout.saturating_add(IdempotencyPolicy::LEASE_BEYOND_TIMEOUT),
            body_max: fields.size("body"),
            answer_max: fields.size("answer"),
        }))
    }

    fn refuse_unreachable(&mut self, pattern: &Pattern, span: Span, seen: &mut Seen) {
        let same = seen.entry((pattern.host.clone(), pattern.path.clone())).or_default();
        let is_taken = |name: &str| same.iter().any(|(methods, _)| methods.allows(name));
        let takes_any = pattern.methods == Methods::ALL;
        let all_taken = if takes_any {
            same.iter().any(|(methods, _)| *methods == Methods::ALL)
        } else {
            pattern.methods.names().all(is_taken)
        };
        if let Some((_, first)) = same.first().filter(|_| all_taken) {
            let message = "no request can take this route";
            let help = format!("the route in line {} has the same match, and comes first", first.line);
            self.mistake(Mistake::at(span, Code::UnreachableRoute, message).help(help));
        } else {
            same.push((pattern.methods, span));
        }
    }
}

/// Whether both cannot be listened on. Port 0 stands for any free port.
fn overlaps(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

fn trusted_proxies(gateway: &Fields) -> TrustedProxies {
    TrustedProxies::new(gateway.list("trusted-proxies").iter().filter_map(Value::network).collect())
}

fn limits(gateway: &Fields) -> Limits {
    let empty = Fields::empty(gateway.span);
    let limits = gateway.object("limits").unwrap_or(&empty);
    Limits {
        header_bytes_max: u32::try_from(limits.size("header-bytes")).unwrap_or(u32::MAX),
        headers_max: limits.whole("headers"),
        body_max: limits.size("body"),
        handshake_timeout: limits.duration("handshake-timeout"),
        header_timeout: limits.duration("header-timeout"),
        idle_timeout: limits.duration("idle-timeout"),
        body_rate_min: u32::try_from(limits.size("body-rate")).unwrap_or(u32::MAX),
        connections_max: limits.whole("connections"),
        connections_per_client_max: limits
            .given("connections-per-client")
            .map(|_| limits.whole("connections-per-client")),
    }
}

/// Whether a header or a cookie can have this name.
pub(super) fn is_token(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.bytes().all(is_plain)
}

fn priority(priority: &Fields) -> PriorityPolicy {
    let default = Class::named(priority.text("default").as_bytes()).unwrap_or(Class::NORMAL);
    PriorityPolicy { header: priority.text("header").to_ascii_lowercase(), default }
}

pub(super) fn budget(route: &Fields) -> BudgetPolicy {
    let empty = Fields::empty(route.span);
    let retry = route.object("retry").unwrap_or(&empty);
    BudgetPolicy { percent: retry.whole("budget"), per_second: retry.whole("budget-min") }
}

fn hedge(hedge: &Fields) -> HedgePolicy {
    let after = match hedge.get("after").map(|value| &value.kind) {
        Some(Kind::Duration(time)) => Late::After(*time),
        _ => Late::P95,
    };
    HedgePolicy { after, share: hedge.whole("budget") }
}

fn cache(route: &Fields) -> Option<CachePolicy> {
    let cache = route.object("cache")?;
    let fallback = route.object("fallback").filter(|fallback| fallback.flag("stale"));
    let stale_if_error =
        fallback.map_or_else(|| cache.duration("stale-if-error"), |fallback| fallback.duration("stale-for"));
    Some(CachePolicy {
        fresh: cache.get("fresh").map(|_| cache.duration("fresh")),
        heuristic_max: cache.duration("heuristic"),
        stale_while_revalidate: cache.duration("stale-while-revalidate"),
        stale_if_error,
        body_max: cache.size("body"),
        wait: cache.duration("wait"),
        obeys_clients: cache.flag("obey-clients"),
    })
}

/// `None` where a part of it is not known.
fn pattern(route: &Fields) -> Option<Pattern> {
    let matched = route.object("match")?;
    let Kind::Path(path) = &matched.get("path")?.kind else { return None };
    let host = match matched.get("host") {
        Some(host) => Some(host.text()?),
        None => None,
    };
    let methods = match matched.get("method") {
        None => Methods::ALL,
        Some(_) => matched
            .list("method")
            .iter()
            .try_fold(Methods::NONE, |methods, name| methods.with(&name.text()?))?,
    };
    Some(Pattern { host, path: path.clone(), methods })
}
