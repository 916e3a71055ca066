//! Proxies beside each other: each alone on its core, in rounds that take turns.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::backends::Backends;
use crate::cores::{self, Cores};
use crate::figures::{Figures, Round, compare};
use crate::front::Front;
use crate::h2load::{self, Width};
use crate::peers::{PEERS, Peer, Setup};
use crate::served::Served;
use crate::{Gateway, certificates, fair, steady, table, wrk};

/// Of all requests, how many may fail before figures mean nothing: one in a thousand.
const FAILED_MAX: u64 = 1_000;

/// Room that a proxy has for client connections.
pub(crate) const CONNECTIONS_MAX: u32 = 4_096;

/// A peer that runs.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) peer: Peer,
    pub(crate) version: String,
    pub(crate) served: Served,
    /// Where the load goes.
    pub(crate) loaded: SocketAddr,
    pub(crate) rounds: Vec<Round>,
}

impl Started {
    /// Sums up its rounds.
    pub(crate) fn figures(&self) -> Figures {
        Figures::of(self.peer.name, &self.version, &self.rounds)
    }
}

/// Measures and prints.
pub(crate) fn run(options: &Gateway) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for configurations")?;
    certificates::write(folder.path())?;
    let cores = cores::available()?;
    let backends = Backends::start(folder.path(), cores, options.body)?;
    let mut started = Vec::new();
    for peer in chosen(&options.only, options.front)? {
        let listen = floodway_kit::free_address();
        let backends = &backends.addresses;
        let setup = Setup {
            listen,
            front: options.front,
            loaded: loaded(peer, listen, options.front),
            backends,
            folder: folder.path(),
            cores,
            floodway: &options.floodway,
            balance: &options.balance,
            body: options.body,
            connections: CONNECTIONS_MAX,
        };
        match (peer.version)(&setup) {
            Ok(version) => started.push(start(peer, version, &setup)?),
            Err(error) if options.only.is_empty() => println!("without {}: {error:#}", peer.name),
            Err(error) => return Err(error),
        }
    }
    let log = folder.path().join("load.log");
    take_turns(&mut started, options, cores, &log)?;
    report(&started, options)?;
    match options.steady {
        Some(share) => steady::run(&started, options, share, cores, &log),
        None => Ok(()),
    }
}

/// Measures all, one after the other in each round.
pub(crate) fn take_turns(started: &mut [Started], options: &Gateway, cores: Cores, log: &Path) -> Result<()> {
    announce(options, cores);
    for number in 0..=options.rounds {
        for one in &mut *started {
            // Before the first round: pools are filled and pages are touched.
            let seconds = if number == 0 { 1 } else { options.seconds };
            let round = measure(one, options, cores, seconds, log)?;
            one.rounds.extend((number > 0).then_some(round));
        }
    }
    Ok(())
}

/// Where the load goes. nginx tells HTTP/2 without TLS from HTTP/1.1 by the address alone, and TLS needs one.
fn loaded(peer: Peer, listen: SocketAddr, front: Front) -> SocketAddr {
    let is_same = front == Front::Http1 || (front == Front::Http2 && peer.name != "nginx");
    if is_same { listen } else { floodway_kit::free_address() }
}

/// What passes bytes on speaks nothing but what the backends speak.
pub(crate) fn chosen(only: &[String], front: Front) -> Result<Vec<Peer>> {
    if let Some(unknown) = only.iter().find(|name| !PEERS.iter().any(|peer| peer.name == name.as_str())) {
        bail!("there is no peer `{unknown}`; there are {}", PEERS.map(|peer| peer.name).join(", "));
    }
    let is_chosen = |peer: &Peer| only.is_empty() || only.iter().any(|name| name == peer.name);
    let is_chosen = |peer: &Peer| is_chosen(peer) && (peer.reads_http || front == Front::Http1);
    Ok(PEERS.into_iter().filter(is_chosen).collect())
}

fn start(peer: Peer, version: String, setup: &Setup<'_>) -> Result<Started> {
    if peer.reads_http {
        fair::check(peer, setup)?;
    }
    let served = Served::start(peer.name, (peer.command)(setup)?, setup.listen, setup.body)?;
    Ok(Started { peer, version, served, loaded: setup.loaded, rounds: Vec::new() })
}

fn announce(options: &Gateway, cores: Cores) {
    let Gateway { rounds, seconds, connections, body, balance, front, streams, .. } = options;
    let client = match front {
        Front::Http1 => format!("wrk with {connections} connections"),
        Front::Tls => format!("h2load with {connections} connections"),
        _ => format!("h2load with {connections} connections of {streams} requests"),
    };
    let place = match cores.rest {
        Some(rest) => format!("proxy on core {}, generator and backends on core {rest}", cores.proxy),
        None => "one core for everything: latency and requests per second mean little".to_owned(),
    };
    println!("{rounds} rounds of {seconds} s each, in turns; {client}; {place}");
    println!("{front}, bodies of {body} bytes, {balance}");
}

fn measure(one: &Started, options: &Gateway, cores: Cores, seconds: u32, log: &Path) -> Result<Round> {
    let before = one.served.cpu();
    let Gateway { connections, streams, front, .. } = *options;
    let load = match front {
        Front::Http1 => wrk::run(cores.for_rest("wrk"), one.loaded, connections, seconds),
        front => {
            let width = Width { connections, streams, rate: None };
            h2load::run(cores.for_rest("h2load"), one.loaded, front, width, seconds, log)
        }
    };
    let load = load.with_context(|| format!("cannot measure {}", one.peer.name))?;
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
    let mut all: Vec<_> = started.iter().map(Started::figures).collect();
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
        assert_eq!(chosen(&[], Front::Http1).unwrap().len(), PEERS.len());
        assert_eq!(chosen(&["pump".to_owned()], Front::Http1).unwrap()[0].name, "pump");
        assert!(chosen(&["apache".to_owned()], Front::Tls).unwrap_err().to_string().contains("nginx"));
        assert!(chosen(&[], Front::Http2).unwrap().iter().all(|peer| peer.reads_http));
    }
}
