//! Reads the services.

use floodway_policy::ZoneId;
use floodway_policy::adaptive::AdaptivePolicy;
use floodway_policy::admission::{AdmissionPolicy, Limit};
use floodway_policy::balance::{Balance, HashKey, HashPolicy};
use floodway_policy::breaker::{BreakerPolicy, Trip};
use floodway_policy::guard::GuardPolicy;
use floodway_policy::health::ProbePolicy;
use floodway_policy::outlier::OutlierPolicy;
use floodway_policy::snapshot::Protocol;

use super::Reader;
use super::gateway::{budget, is_token};
use crate::code::Code;
use crate::mistake::Mistake;
use crate::model::{CertificateFiles, Health, Probe, Run, Service, ServiceTls, Source};
use crate::shape::file::GRPC_APP;
use crate::tree::Key;
use crate::value::{Fields, Kind, Value};

/// What has a meaning only where the node starts the program.
const RUN_KEYS: [&str; 4] = ["build", "dir", "env", "replicas"];
/// What the node itself tells a replica.
const RESERVED: [&str; 4] = ["PORT", "DAPR_HTTP_PORT", "DAPR_GRPC_PORT", "DAPR_API_TOKEN"];

impl Reader<'_> {
    pub(super) fn services(&mut self, file: &Fields, zone: Option<ZoneId>) -> Vec<Service> {
        let services: Vec<_> =
            file.objects("services").map(|(key, fields)| self.service(key, fields, zone)).collect();
        self.expect_own_cookies(file, &services);
        services
    }

    fn service(&mut self, key: &Key, fields: &Fields, zone: Option<ZoneId>) -> Service {
        let source = self.source(key, fields);
        let balance = balance(fields);
        let endpoints = match &source {
            Source::Run(run) => usize::from(run.replicas),
            Source::At(addresses) => addresses.len(),
        };
        Service {
            name: key.text.clone(),
            protocol: protocol(fields),
            is_grpc_app: fields.text("protocol") == GRPC_APP,
            tls: self.service_tls(fields),
            health: self.health(fields),
            weights: self.weights(fields, balance, endpoints),
            zones: self.zones_of(fields, endpoints, zone),
            backups: self.backups(fields, endpoints),
            source,
            balance: balance.unwrap_or_default(),
            hash: self.hash(fields, balance),
            sticky: self.sticky(key, fields),
            slow_start: fields.duration("slow-start"),
            outlier: fields.object("outlier").map(outlier),
            timeout: fields.duration("timeout"),
            retry: self.retry(fields),
            budget: budget(fields),
            guard: GuardPolicy {
                breaker: fields.object("breaker").map(breaker),
                admission: fields.object("concurrency").map(|concurrency| self.admission(concurrency)),
            },
        }
    }

    fn admission(&mut self, concurrency: &Fields) -> AdmissionPolicy {
        let (min, max) = (concurrency.whole("min"), concurrency.whole("max"));
        if let Some(span) = concurrency.given("min").filter(|_| min > max) {
            let message = format!("`min` is above `max`, which is {max}");
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help("lower `min`, or raise `max`"));
        }
        if concurrency.given("limit").is_some() {
            for name in ["min", "max"] {
                self.refuse_both(concurrency, "limit", name);
            }
        }
        let limit = concurrency.get("limit").map(|_| Limit::Fixed(concurrency.whole("limit")));
        AdmissionPolicy {
            limit: limit.unwrap_or(Limit::Adaptive(AdaptivePolicy { min, max })),
            queue_max: concurrency.whole("queue"),
            queue_time: concurrency.duration("wait"),
        }
    }

    fn source(&mut self, key: &Key, fields: &Fields) -> Source {
        self.refuse_both(fields, "run", "at");
        if fields.given("run").is_none() && fields.given("at").is_none() {
            let message = format!("the service `{}` has neither `run` nor `at`", key.text);
            let help = "say how to `run` it, or where it is: `at: [\"10.0.0.4:8080\"]`";
            self.mistake(Mistake::at(key.span, Code::KeysDisagree, message).help(help));
        }
        if fields.given("at").is_some() && fields.given("run").is_none() {
            for name in RUN_KEYS {
                self.refuse_both(fields, "at", name);
            }
            return Source::At(self.addresses(fields));
        }
        Source::Run(Run {
            build: fields.get("build").map(|_| fields.text("build")),
            command: fields.words("run"),
            dir: self.path(fields, "dir"),
            env: self.variables(fields),
            replicas: fields.whole("replicas"),
        })
    }

    fn variables(&mut self, fields: &Fields) -> Vec<(String, String)> {
        for (key, _) in fields.map("env") {
            if RESERVED.contains(&key.text.as_str()) || key.text.starts_with("FLOODWAY_") {
                let message = format!("`{}` is set by Floodway itself", key.text);
                let help = "choose another name; each replica gets a value of its own";
                self.mistake(Mistake::at(key.span, Code::KeysDisagree, message).help(help));
            } else if key.text.contains(['=', '\0']) {
                let message = format!("`{}` cannot be the name of a variable", key.text.escape_debug());
                self.mistake(Mistake::at(key.span, Code::BadName, message).help("it has no `=` in it"));
            }
        }
        let text = |value: &Value| value.text().unwrap_or_default();
        fields.map("env").iter().map(|(key, value)| (key.text.clone(), text(value))).collect()
    }

    fn service_tls(&mut self, service: &Fields) -> Option<ServiceTls> {
        let tls = service.object("tls")?;
        for (one, other) in [("cert", "key"), ("key", "cert")] {
            if let (Some(span), None) = (tls.given(one), tls.given(other)) {
                let mistake = Mistake::at(span, Code::KeysDisagree, format!("`{one}` needs `{other}`"));
                self.mistake(mistake.help(format!("add the file of the `{other}`, or remove the `{one}`")));
            }
        }
        let file = |name| tls.given(name).map(|_| self.path(tls, name));
        Some(ServiceTls {
            ca: file("ca"),
            name: tls.get("name").map(|_| tls.text("name")),
            own: file("cert").zip(file("key")).map(|(cert, key)| CertificateFiles { cert, key }),
            verify: tls.get("verify").is_some_and(Value::is_true),
        })
    }

    fn health(&mut self, fields: &Fields) -> Health {
        let empty = Fields::empty(fields.span);
        let health = fields.object("health").unwrap_or(&empty);
        for (one, other) in [("http", "tcp"), ("http", "grpc"), ("grpc", "tcp")] {
            self.refuse_both(health, one, other);
        }
        let probe = match (health.get("http"), health.get("grpc")) {
            (Some(_), _) => Probe::Http(health.text("http")),
            (None, Some(_)) => Probe::Grpc(health.text("grpc")),
            (None, None) => Probe::Tcp,
        };
        let tcp = health.get("tcp").map(|value| &value.kind);
        if let (Some(Kind::Flag(false)), Probe::Tcp, Some(span)) = (tcp, &probe, health.given("tcp")) {
            let mistake = Mistake::at(span, Code::KeysDisagree, "`tcp: false` leaves no probe");
            self.mistake(mistake.help("give `http: PATH` or `grpc: SERVICE`, or remove the key"));
        }
        if let (Protocol::Http1, Some(span)) = (protocol(fields), health.given("grpc")) {
            let mistake = Mistake::at(span, Code::KeysDisagree, "a probe by gRPC needs HTTP/2");
            self.mistake(mistake.help("add `protocol: http2` to the service"));
        }
        let policy = ProbePolicy {
            delay: health.duration("delay"),
            timeout: health.duration("timeout"),
            period: health.duration("period"),
            success: health.whole("success"),
            failure: health.whole("failure"),
        };
        Health { probe, policy }
    }

    fn hash(&mut self, fields: &Fields, balance: Option<Balance>) -> HashPolicy {
        let Some(hash) = fields.object("hash") else { return HashPolicy::default() };
        if let Some(span) =
            fields.given("hash").filter(|_| balance.is_some_and(|balance| balance != Balance::Hash))
        {
            let mistake = Mistake::at(span, Code::KeysDisagree, "`hash` counts only with `balance: hash`");
            self.mistake(mistake.help("add `balance: hash`, or remove it"));
        }
        let text = hash.text("by");
        let by = match text.split_once(':') {
            None if text == "client-ip" => Some(HashKey::ClientIp),
            None if text == "path" => Some(HashKey::Path),
            Some(("header", name)) if is_token(name) => Some(HashKey::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if is_token(name) => Some(HashKey::Cookie(name.to_owned())),
            _ => None,
        };
        if by.is_none() {
            let span = hash.given("by").unwrap_or(hash.span);
            let mistake = Mistake::at(span, Code::UnknownWord, format!("unknown word `{text}`"));
            self.mistake(mistake.expected("expected `client-ip`, `path`, `header:NAME`, or `cookie:NAME`"));
        }
        HashPolicy { by: by.unwrap_or_default(), bound: hash.whole("bound") }
    }
}

/// `None` where it is not known.
fn outlier(outlier: &Fields) -> OutlierPolicy {
    OutlierPolicy {
        consecutive: outlier.whole("consecutive"),
        interval: outlier.duration("interval"),
        volume: outlier.whole("volume"),
        slow: outlier.whole("slow"),
        base: outlier.duration("time"),
        max: outlier.duration("time-max"),
        share: outlier.whole("share"),
        panic: outlier.whole("panic"),
    }
}

pub(super) fn breaker(breaker: &Fields) -> BreakerPolicy {
    BreakerPolicy {
        trip: Trip::Share {
            percent: breaker.whole("percent"),
            volume: breaker.whole("volume"),
            window: breaker.duration("window"),
        },
        open: breaker.duration("open"),
        tries: breaker.whole("tries"),
    }
}

fn protocol(fields: &Fields) -> Protocol {
    let name = fields.text("protocol");
    if name == GRPC_APP {
        return Protocol::Http2;
    }
    let named = Protocol::NAMED.iter().find(|(known, _)| *known == name);
    named.map(|(_, protocol)| *protocol).unwrap_or_default()
}

fn balance(fields: &Fields) -> Option<Balance> {
    let name = fields.text("balance");
    Balance::NAMED.iter().find(|(known, _)| *known == name).map(|(_, balance)| *balance)
}
