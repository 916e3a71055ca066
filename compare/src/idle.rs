//! Clients that do nothing, and clients that take their time: what an idle connection costs in memory, and what
//! others notice of slow ones.

mod crowd;
mod hold;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::backends::Backends;
use crate::cores::{self, Cores};
use crate::front::Front;
use crate::h2load::{self, Width};
use crate::peers::{Peer, Setup};
use crate::served::Served;
use crate::wrk::Load;
use crate::{Idle, certificates, gateway, table};
use crowd::Crowd;
use hold::Held;

/// Bytes of each answer: enough that some of them fill what the kernel holds for a slow reader.
const BODY: usize = 16 << 10;
/// Connections that share the steady load.
const STEADY: u32 = 20;
/// Descriptors that a program needs besides.
const SPARE: u32 = 500;
/// Seconds of the steady load that come before the first that count.
const WARM_UP_S: u32 = 1;

/// What was found of one proxy.
#[derive(Debug)]
struct Found {
    name: &'static str,
    held: Held,
    before: Load,
    during: Load,
    crowd: crowd::Tally,
}

/// Measures and prints.
pub(crate) fn run(options: &Idle) -> Result<()> {
    raise_limit(options.connections.max(options.slow))?;
    let folder = tempfile::tempdir().context("cannot make a folder for configurations")?;
    certificates::write(folder.path())?;
    let cores = cores::available()?;
    let backends = Backends::start(folder.path(), cores, BODY)?;
    let mut all = Vec::new();
    for peer in gateway::chosen(&options.only, Front::Http1)? {
        if peer.reads_http {
            let listen = floodway_kit::free_address();
            let setup = Setup {
                listen,
                front: Front::Http1,
                loaded: listen,
                backends: &backends.addresses,
                folder: folder.path(),
                cores,
                floodway: &options.floodway,
                balance: crate::peers::BALANCES[0],
                body: BODY,
                connections: options.connections.max(options.slow) + SPARE,
            };
            match (peer.version)(&setup) {
                Ok(version) => {
                    println!("{}: {version}", peer.name);
                    all.push(measure(peer, &setup, options)?);
                }
                Err(error) if options.only.is_empty() => println!("without {}: {error:#}", peer.name),
                Err(error) => return Err(error),
            }
        }
    }
    print(&all, options);
    Ok(())
}

/// As many descriptors as we may have, for this program and those that it starts.
fn raise_limit(connections: u32) -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit of files")?;
    let needed = u64::from(connections + SPARE);
    let has_room = maximum.is_none_or(|maximum| maximum >= needed);
    ensure!(has_room, "{needed} open files are needed, and `ulimit -Hn` is {}", maximum.unwrap_or_default());
    Ok(())
}

fn measure(peer: Peer, setup: &Setup<'_>, options: &Idle) -> Result<Found> {
    let served = Served::start(peer.name, (peer.command)(setup)?, setup.listen, BODY)?;
    let held = hold::measure(&served, options.connections)
        .with_context(|| format!("{} does not hold the connections", peer.name))?;
    let log = setup.folder.join("load.log");
    steady(&served, setup.cores, options, WARM_UP_S, &log)?;
    let before = steady(&served, setup.cores, options, options.seconds, &log)?;
    let crowd = Crowd::start(served.address, options.slow);
    // Slow readers get all at once what the kernel holds for them.
    hold::settle();
    let during = steady(&served, setup.cores, options, options.seconds, &log)?;
    Ok(Found { name: peer.name, held, before, during, crowd: crowd.end() })
}

fn steady(served: &Served, cores: Cores, options: &Idle, seconds: u32, log: &Path) -> Result<Load> {
    let rate = (options.rate / STEADY).max(1);
    let width = Width { connections: STEADY, streams: 1, rate: Some(rate) };
    let load = h2load::run(cores.for_rest("h2load"), served.address, Front::Http1, width, seconds, log)?;
    fs::remove_file(log).context("cannot remove the log of h2load")?;
    Ok(load)
}

fn print(all: &[Found], options: &Idle) {
    let head =
        ["proxy", "MiB before", "MiB with", "KiB per connection", "MiB after", "lost"].map(str::to_owned);
    let lines: Vec<_> = all.iter().map(|found| found.held.line(found.name)).collect();
    println!(
        "\n{} idle connections, each after one request\n\n{}",
        options.connections,
        table::render(&head, &lines)
    );
    let head = [
        "proxy",
        "p50 ms before",
        "p99 ms before",
        "p50 ms during",
        "p99 ms during",
        "failed",
        "slow: sent away",
    ];
    let ms = |time: std::time::Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    let lines = all.iter().map(|Found { name, before, during, crowd, .. }| {
        let times = [before.p50, before.p99, during.p50, during.p99].map(ms);
        let rest = [(before.failed + during.failed).to_string(), crowd.sent_away.to_string()];
        [(*name).to_owned()].into_iter().chain(times).chain(rest).collect()
    });
    println!(
        "{} requests a second beside {} slow clients\n\n{}",
        options.rate,
        options.slow,
        table::render(&head.map(str::to_owned), &lines.collect::<Vec<_>>())
    );
}
