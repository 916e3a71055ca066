//! Proxies beside each other: each alone on its core, in rounds that take turns.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::backends::Backends;
use crate::cores::{self, Cores};
use crate::figures::{Figures, Round, compare};
use crate::peers::{PEERS, Peer, Setup};
use crate::served::Served;
use crate::{Gateway, fair, table, wrk};

/// Of all requests, how many may fail before figures mean nothing: one in a thousand.
const FAILED_MAX: u64 = 1_000;

/// A peer that runs.
#[derive(Debug)]
struct Started {
    peer: Peer,
    version: String,
    served: Served,
    rounds: Vec<Round>,
}

/// Measures and prints.
pub(crate) fn run(options: &Gateway) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for configurations")?;
    let cores = cores::available()?;
    let backends = Backends::start(folder.path(), cores, options.body)?;
    let mut started = Vec::new();
    for peer in chosen(&options.only)? {
        let listen = floodway_kit::free_address();
        let backends = &backends.addresses;
        let setup = Setup {
            listen,
            backends,
            folder: folder.path(),
            cores,
            floodway: &options.floodway,
            balance: &options.balance,
            body: options.body,
        };
        match (peer.version)(&setup) {
            Ok(version) => started.push(start(peer, version, &setup)?),
            Err(error) if options.only.is_empty() => println!("without {}: {error:#}", peer.name),
            Err(error) => return Err(error),
        }
    }
    announce(options, cores);
    for number in 0..=options.rounds {
        for one in &mut started {
            // Before the first round: pools are filled and pages are touched.
            let round = measure(one, options, cores, if number == 0 { 1 } else { options.seconds })?;
            one.rounds.extend((number > 0).then_some(round));
        }
    }
    report(&started, options)
}

fn chosen(only: &[String]) -> Result<Vec<Peer>> {
    if let Some(unknown) = only.iter().find(|name| !PEERS.iter().any(|peer| peer.name == name.as_str())) {
        bail!("there is no peer `{unknown}`; there are {}", PEERS.map(|peer| peer.name).join(", "));
    }
    let is_chosen = |peer: &Peer| only.is_empty() || only.iter().any(|name| name == peer.name);
    Ok(PEERS.into_iter().filter(is_chosen).collect())
}

fn start(peer: Peer, version: String, setup: &Setup<'_>) -> Result<Started> {
    if peer.reads_http {
        fair::check(peer, setup)?;
    }
    let served = Served::start(peer.name, (peer.command)(setup)?, setup.listen, setup.body)?;
    Ok(Started { peer, version, served, rounds: Vec::new() })
}

fn announce(options: &Gateway, cores: Cores) {
    let Gateway { rounds, seconds, connections, body, balance, .. } = options;
    let place = match cores.rest {
        Some(rest) => format!("proxy on core {}, generator and backends on core {rest}", cores.proxy),
        None => "one core for everything: latency and requests per second mean little".to_owned(),
    };
    println!("{rounds} rounds of {seconds} s each, in turns; wrk with {connections} connections; {place}");
    println!("bodies of {body} bytes, {balance}");
}

fn measure(one: &Started, options: &Gateway, cores: Cores, seconds: u32) -> Result<Round> {
    let before = one.served.cpu();
    let load = wrk::run(cores.for_rest("wrk"), one.served.address, options.connections, seconds)
        .with_context(|| format!("cannot measure {}", one.peer.name))?;
    let round = Round { load, cpu: one.served.cpu().saturating_sub(before), memory: one.served.memory() };
    ensure!(
        load.failed <= load.requests / FAILED_MAX,
        "{}: {} of {} requests failed",
        one.peer.name,
        load.failed,
        load.requests
    );
    Ok(round)
}

fn report(started: &[Started], options: &Gateway) -> Result<()> {
    let of = |one: &Started| Figures::of(one.peer.name, &one.version, &one.rounds);
    let mut all: Vec<_> = started.iter().map(of).collect();
    compare(&mut all);
    println!("\n{}", table::gateway(&all));
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_peers_can_be_chosen() {
        assert_eq!(chosen(&[]).unwrap().len(), PEERS.len());
        assert_eq!(chosen(&["pump".to_owned()]).unwrap()[0].name, "pump");
        assert!(chosen(&["apache".to_owned()]).unwrap_err().to_string().contains("nginx"));
    }
}
