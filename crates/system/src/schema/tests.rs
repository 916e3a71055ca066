use std::fs;
use std::path::{Path, PathBuf};

use floodway_blocks::OptionDescription;
use floodway_blocks::engine::OptionKind;
use regex::Regex;

use super::*;
use crate::code::Code;
use crate::shape::file::METHODS;
use crate::tree::{self, Content, Node, Style};

const CATALOGUE: &[EngineDescription] = {
    use floodway_engines::{cron, env, file, folder, http};
    &[
        EMBEDDED,
        env::DESCRIPTION,
        file::DESCRIPTION,
        folder::DESCRIPTION,
        http::DESCRIPTION,
        cron::DESCRIPTION,
    ]
};

const EMBEDDED: EngineDescription = EngineDescription {
    name: "embedded",
    serves: &[Block::State, Block::Topics, Block::Locks],
    options: &[OptionDescription {
        name: "durability",
        blocks: &[Block::State, Block::Topics],
        kind: OptionKind::Choice(&["fsync", "none"]),
        default: Some("fsync"),
        doc: "An option.",
    }],
    outbox: true,
};

/// A file with every key of the first slice.
const WHOLE: &str = r#"
system: shop
node:
  data: .floodway
  workers: 2
  zone: a
  grace: 0s
  admin: { listen: "127.0.0.1:0", token: "${env:SET}" }
  api: { bind: 127.0.0.1, token: "${env:SET}" }
services:
  order:
    build: make
    run: shop order
    dir: ../..
    env: { RUST_LOG: info, COUNT: 5 }
    replicas: "${env:SET}"
    health: { http: /healthz, delay: 5s, timeout: 1s, period: 5s, success: 1, failure: 3 }
    timeout: 30s
    retry: { max: 2, statuses: [503], try-timeout: 1s, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 }
    breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 }
    concurrency: { limit: 100, queue: 100, wait: 1s }
    balance: hash
    hash: { by: "cookie:id", bound: 125 }
    sticky: { cookie: fw-order, ttl: 1h, secret: "0123456789abcdef" }
    slow-start: 30s
    outlier: { consecutive: 5, interval: 10s, volume: 50, slow: 5, time: 10s, time-max: 5m, share: 50, panic: 50 }
  weighed: { run: shop weighed, replicas: 2, balance: weighted, weights: [2, 1], protocol: grpc, health: { grpc: "" } }
  legacy: { protocol: http2, tls: { ca: ca.pem, name: legacy.example, cert: a.pem, key: a.key, verify: true }, at: [{ address: "10.0.0.4:8080", zone: a, weight: 3 }, "[::1]:80"], balance: weighted, backups: 1, health: { tcp: true }, concurrency: { min: 4, max: 1000 } }
gateway:
  listen: ["${env:UNSET:-127.0.0.1:8080}", { address: "127.0.0.1:8443", tls: true, proxy-protocol: true }]
  tls: { certificates: [{ cert: shop.pem, key: shop.key }], client: { ca: clients.pem, required: true } }
  trusted-proxies: [10.0.0.0/8, "::1"]
  limits: { header-bytes: 32KiB, headers: 100, body: 10MiB, handshake-timeout: 10s, header-timeout: 10s, idle-timeout: 75s, body-rate: 500B, connections: 10000, connections-per-client: 100 }
  cache: { memory: 256MiB }
  routes:
    - { match: { path: "/orders/*", method: GET, host: shop.example }, to: order, split: [{ to: legacy, percent: 5, header: x-canary, value: "yes" }], timeout: 2s, total-timeout: 10s, connect-timeout: 1s, deadline: true, limit: { rate: 100/m, burst: 5, key: "header:x-api-key" }, hedge: { after: p95, budget: 5% }, fallback: { status: 503, headers: { content-type: text/plain }, body: later }, priority: { header: x-priority, default: low }, body: 1MiB, idempotency: { header: Idempotency-Key, store: orders, keep: 24h, required: false, duplicates: wait, body: 1MiB, answer: 1MiB }, retry: { max: 2, statuses: [503], try-timeout: 500ms, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 } }
    - { match: { path: "/stale" }, to: legacy, cache: {}, fallback: { stale: true, stale-for: 1h, to: order } }
    - { match: { path: "/*", method: [GET, PUT] }, to: legacy, cache: { fresh: 30s, heuristic: 1d, stale-while-revalidate: 5m, stale-if-error: 0s, body: 8MiB, wait: 5s, obey-clients: false } }
telemetry:
  access-log: { sample: 0.5%, to: access.log }
  traces: { otlp: 127.0.0.1:4318, sample: 1% }
stores: { orders: { engine: embedded, durability: none, outbox: { topics: events, topic: orders }, outbound: { timeout: 2s, retry: { max: 2, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 }, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } } } }
topics: { events: { engine: embedded, outbound: { timeout: 2s, retry: { max: 2, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 }, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } }, retry: { attempts: 5, initial: 500ms, max: 30s }, dead-letter: dead, in-flight: 64, timeout: 30s, dedup: 5m, queues: { emails: { retry: { attempts: 5, initial: 500ms, max: 30s }, dead-letter: dead, in-flight: 64, timeout: 30s, results: { store: orders, keep: 24h } } }, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } } }
locks: { default: { engine: embedded, outbound: { timeout: 2s, retry: { max: 2, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 }, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } } } }
jobs: { timeout: 60s, in-flight: 64, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } }
secrets: { env: { engine: env, prefix: "", outbound: { timeout: 2s, retry: { max: 2, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 }, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } } }, vault: { engine: file, path: secrets.json }, mounted: { engine: folder, path: /run/secrets } }
bindings: { mail: { engine: http, url: "https://mail.example", outbound: { timeout: 2s, retry: { max: 2, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 }, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } } }, tick: { engine: cron, schedule: "@every 90s" } }
configuration: { features: { engine: file, path: features.json, outbound: { timeout: 2s, retry: { max: 2, pause: 25ms, pause-max: 250ms, budget: 20, budget-min: 10 }, breaker: { percent: 50, volume: 20, window: 10s, open: 5s, tries: 3 } } } }
loads:
  rush:
    repeat: 10
    rate: 1500/s
    concurrency: 512
    timeout: 10s
    retry: { attempts: 5, initial: 100ms, max: 2s }
    request: { method: POST, path: "/orders/${row}", headers: { Content-Type: text/plain }, body: "${row}" }
    expect: { accepted: 1, rejected: { 409: 9 } }
    audit: { run: shop audit, dir: ../.. }
  replayed: { replay: rows.csv, request: { path: / } }
profiles:
  test: { services: { order: { replicas: 1, env: ~ } }, stores: { orders: { durability: fsync } } }
"#;

fn json_of(node: &Node) -> Value {
    match &node.content {
        Content::Unknown => Value::Null,
        Content::List(items) => items.iter().map(json_of).collect(),
        Content::Map(entries) => {
            entries.iter().map(|entry| (entry.key.text.clone(), json_of(&entry.value))).collect()
        }
        Content::Scalar(scalar) if scalar.is_null() => Value::Null,
        Content::Scalar(scalar) if scalar.style == Style::Plain && !scalar.is_text() => {
            serde_json::from_str(&scalar.text).unwrap_or_else(|_| Value::String(scalar.text.clone()))
        }
        Content::Scalar(scalar) => Value::String(scalar.text.clone()),
    }
}

fn instance(text: &str) -> Value {
    json_of(&tree::read(text, &mut Vec::new()).unwrap())
}

/// The part of JSON Schema that our schema uses; an unknown keyword is a failure.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(keyword, argument)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" | "$defs" | "then" => true,
        "$ref" => {
            accepts(root, root.pointer(argument.as_str().unwrap().trim_start_matches('#')).unwrap(), value)
        }
        "anyOf" => argument.as_array().unwrap().iter().any(|schema| accepts(root, schema, value)),
        "allOf" => argument.as_array().unwrap().iter().all(|schema| accepts(root, schema, value)),
        "if" => !accepts(root, argument, value) || accepts(root, &schema["then"], value),
        "enum" => argument.as_array().unwrap().contains(value),
        "const" => argument == value,
        "type" => match argument {
            Value::Array(types) => types.iter().any(|name| has_type(value, name)),
            name => has_type(value, name),
        },
        "pattern" => {
            value.as_str().is_none_or(|text| Regex::new(argument.as_str().unwrap()).unwrap().is_match(text))
        }
        "minimum" => value.as_i64().is_none_or(|number| number >= argument.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= argument.as_i64().unwrap()),
        "items" => {
            value.as_array().is_none_or(|items| items.iter().all(|item| accepts(root, argument, item)))
        }
        "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= argument.as_u64().unwrap()),
        "maxProperties" => value.as_object().is_none_or(|map| map.len() as u64 <= argument.as_u64().unwrap()),
        "required" => value.as_object().is_none_or(|map| {
            argument.as_array().unwrap().iter().all(|name| map.contains_key(name.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|map| {
            map.iter()
                .all(|(name, value)| argument.get(name).is_none_or(|schema| accepts(root, schema, value)))
        }),
        "propertyNames" => value
            .as_object()
            .is_none_or(|map| map.keys().all(|name| accepts(root, argument, &Value::String(name.clone())))),
        "additionalProperties" => value.as_object().is_none_or(|map| {
            let others = map.iter().filter(|(name, _)| schema["properties"].get(name).is_none());
            others.into_iter().all(|(_, value)| match argument {
                Value::Bool(allowed) => *allowed,
                schema => accepts(root, schema, value),
            })
        }),
        keyword => panic!("the keyword `{keyword}` is not understood here"),
    })
}

fn has_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_i64().is_some(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        name => panic!("the type `{name}` is not understood here"),
    }
}

fn is_accepted(text: &str) -> bool {
    let schema = schema(CATALOGUE);
    accepts(&schema, &schema, &instance(text))
}

fn check(text: &str) -> Result<crate::System, crate::Mistakes> {
    let context = crate::Context {
        file: Path::new("floodway.yaml"),
        profile: None,
        env: &|name| (name == "SET").then(|| "2".into()),
        catalogue: CATALOGUE,
        columns: &|_| Ok(None),
    };
    crate::parse(text, context)
}

fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn accepts_what_the_checker_accepts() {
    let shop = fs::read_to_string(crate_folder().join("../../cases/shop/floodway.yaml")).unwrap();
    check(WHOLE).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(is_accepted(WHOLE));
    assert!(is_accepted(&shop));
    assert!(is_accepted("system: least"));
}

/// What is wrong in one place alone, the schema sees too.
#[test]
fn refuses_what_the_shape_refuses() {
    let mut refused = 0;
    for entry in fs::read_dir(crate_folder().join("tests/broken")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let Err(mistakes) = check(&text) else { continue };
        let is_shape = |code: Code| (Code::UnknownKey..=Code::BadRate).contains(&code);
        if mistakes.iter().all(|mistake| mistake.span.is_some())
            && mistakes.iter().any(|mistake| is_shape(mistake.code))
        {
            assert!(!is_accepted(&text), "{}", path.display());
            refused += 1;
        }
    }
    assert!(refused >= 7, "{refused} files");
}

#[test]
fn names_every_field_in_the_whole_example() {
    fn missing(object: &Object, values: &[&Value], path: &str, found: &mut Vec<String>) {
        for field in object.fields {
            let path = format!("{path}/{}", field.name);
            let inner: Vec<&Value> = values.iter().filter_map(|value| value.get(field.name)).collect();
            if inner.is_empty() {
                found.push(path.clone());
            }
            match field.shape {
                Shape::Object(object) => missing(object, &inner, &path, found),
                Shape::Map { value: Shape::Object(object) | Shape::Engine(_, object), .. } => {
                    let items: Vec<_> =
                        inner.iter().flat_map(|map| map.as_object().unwrap().values()).collect();
                    missing(object, &items, &path, found);
                }
                Shape::OneOrMany { item: Shape::Short(object), .. }
                | Shape::List { item: Shape::Short(object), .. } => {
                    let items: Vec<_> = inner.iter().flat_map(|list| list.as_array().unwrap()).collect();
                    let whole: Vec<_> = items.into_iter().filter(|item| item.is_object()).collect();
                    missing(object, &whole, &path, found);
                }
                Shape::List { item: Shape::Object(object), .. } => {
                    let items: Vec<_> = inner.iter().flat_map(|list| list.as_array().unwrap()).collect();
                    missing(object, &items, &path, found);
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    missing(&FILE_SHAPE, &[&instance(WHOLE)], "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_default_fits_its_shape() {
    fn walk(shape: Shape) {
        match shape {
            Shape::Object(object) | Shape::Short(object) | Shape::Engine(_, object) => {
                object.fields.iter().for_each(|field| {
                    if let Need::Default(text) = field.need {
                        match field.shape {
                            Shape::One(form) => assert!(form.parse(text).is_ok(), "{}: {text}", field.name),
                            Shape::Choice(words) => assert!(words.contains(&text), "{}: {text}", field.name),
                            _ => panic!("{} has a default but is no single value", field.name),
                        }
                    }
                    if matches!(field.need, Need::Empty) {
                        let Shape::Object(object) = field.shape else {
                            panic!("{} is no object", field.name)
                        };
                        let needs = |field: &Field| matches!(field.need, Need::Required);
                        assert!(!object.fields.iter().any(needs), "{} cannot be empty", field.name);
                    }
                    walk(field.shape);
                });
            }
            Shape::Map { value, .. } => walk(*value),
            Shape::List { item, .. } | Shape::OneOrMany { item, .. } => walk(*item),
            Shape::One(_) | Shape::Choice(_) | Shape::Overlay => {}
        }
    }
    walk(Shape::Object(&FILE_SHAPE));
}

#[test]
fn defaults_are_those_of_the_policies() {
    let system = check("system: a\nservices: { b: { run: b } }\ngateway: { listen: '127.0.0.1:0' }\ntopics: { c: { engine: embedded } }\nloads: { d: { repeat: 1, request: { path: / } } }").unwrap();
    let snapshot = system.compile();
    assert_eq!(snapshot.limits, floodway_policy::snapshot::Limits::default());
    let told = &system.telemetry;
    assert!(told.access_log.is_none() && told.traces.is_none(), "nothing is told that nobody asked for");
    assert_eq!(snapshot.services[0].guard, floodway_policy::guard::GuardPolicy::default());
    assert_eq!(snapshot.services[0].probe, floodway_policy::health::ProbePolicy::default());
    assert_eq!(snapshot.topics[0].delivery, floodway_policy::delivery::DeliveryPolicy::default());
    let load = &system.load("d").unwrap().load;
    assert_eq!(load.retry, floodway_workload::Retry::default());
    assert_eq!(load.concurrency, floodway_workload::Load::CONCURRENCY);
    assert_eq!(load.timeout, floodway_workload::Load::TIMEOUT);
}

#[test]
fn knows_the_methods_that_routing_knows() {
    let known: Vec<_> = floodway_policy::routing::Methods::ALL.names().collect();
    assert_eq!(known, METHODS);
}
