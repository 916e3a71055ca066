//! What each feature of the gateway costs: the same load with and without it, in rounds that take turns.

use anyhow::{Context, Result};

use crate::backends::Backends;
use crate::cores;
use crate::figures::Figures;
use crate::front::Front;
use crate::gateway::{CONNECTIONS_MAX, Started, take_turns};
use crate::peers::floodway::{self, Extra, start_with};
use crate::peers::{BALANCES, Peer, Setup};
use crate::served::Served;
use crate::{Gateway, table};

/// Features by the words of the system file that turn them on. The first has none: the others are compared with it.
fn features(collector: &str, folder: &str) -> Vec<(&'static str, Extra)> {
    let route = |text: &str| Extra { route: text.to_owned(), ..Extra::default() };
    let service = |text: &str| Extra { service: text.to_owned(), ..Extra::default() };
    let telemetry = |text: String| Extra { telemetry: text, ..Extra::default() };
    vec![
        ("nothing more", Extra::default()),
        ("rate limit, by address", route("limit: { rate: 1000000/s, burst: 1000000 }")),
        (
            "retries by status, time for each try",
            route("retry: { max: 3, statuses: [502, 503], try-timeout: 1s }"),
        ),
        ("priorities", route("priority: {}")),
        ("breaker", service("breaker: {}")),
        ("concurrency limit, queue", service("concurrency: { limit: 1000 }")),
        ("adaptive concurrency", service("concurrency: {}")),
        ("outlier ejection", service("outlier: {}")),
        ("health checks, each second", service("health: { http: /, period: 1s }")),
        ("HTTP cache, all hits", route("cache: { fresh: 1h }")),
        ("access log, all requests", telemetry(format!("access-log: {{ to: \"{folder}/access.log\" }}"))),
        (
            "access log, 1 %",
            telemetry(format!("access-log: {{ to: \"{folder}/access-1.log\", sample: 1% }}")),
        ),
        ("traces, 1 %", telemetry(format!("traces: {{ otlp: \"{collector}\", sample: 1% }}"))),
    ]
}

/// Measures and prints.
pub(crate) fn run(options: &Gateway) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for configurations")?;
    let cores = cores::available()?;
    let backends = Backends::start(folder.path(), cores, options.body)?;
    let collector = backends.addresses[0].to_string();
    let features = features(&collector, &folder.path().display().to_string());
    let mut started = Vec::new();
    for (place, (name, extra)) in features.into_iter().enumerate() {
        let own = folder.path().join(place.to_string());
        std::fs::create_dir(&own).context("cannot make a folder for a configuration")?;
        let listen = floodway_kit::free_address();
        let setup = Setup {
            listen,
            front: Front::Http1,
            loaded: listen,
            backends: &backends.addresses,
            folder: &own,
            cores,
            floodway: &options.floodway,
            balance: BALANCES[0],
            body: options.body,
            connections: CONNECTIONS_MAX,
        };
        let served = Served::start(name, start_with(&setup, &extra)?, listen, options.body)?;
        let peer = Peer { name, ..floodway::PEER };
        started.push(Started { peer, version: String::new(), served, loaded: listen, rounds: Vec::new() });
    }
    take_turns(&mut started, options, cores, &folder.path().join("load.log"))?;
    let of = |one: &Started| Figures::of(one.peer.name, &one.version, &one.rounds);
    println!("\n{}", table::costs(&started.iter().map(of).collect::<Vec<_>>()));
    Ok(())
}
