//! Independent suites and clients against the gateway, and against the other proxies in its place. Each proxy
//! stands before the same servers with a front as an operator would write it.

mod curl;
mod front;
mod grpc;
mod h2load;
mod origins;
mod place;
mod report;
mod slow;
mod websocket;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::Suites;
use front::{FRONTS, Front, FrontKind};
use place::Place;
use report::{Case, Score};

/// What can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// What curl can do of HTTP/1.1, HTTP/2, TLS and the PROXY protocol.
    Curl,
    /// grpcio on both sides: health checks, streams, trailers, deadlines, errors.
    Grpc,
    /// h2load: every request of many is answered, by HTTP/1.1, HTTP/2 and TLS.
    H2load,
    /// The Autobahn test suite for WebSocket.
    Autobahn,
    /// slowhttptest: four attacks with slow clients.
    Slow,
}

/// Those that take seconds, with programs that are there wherever tests run.
pub(crate) const QUICK: [Suite; 3] = [Suite::Curl, Suite::Grpc, Suite::H2load];

/// What floodway does not pass yet; `docs/conformance.md` says why.
const AWAITED: [(&str, &str); 1] = [("curl", "HTTP/2: early hints (103)")];

/// Runs the suites and prints their scores, and what did not pass.
pub(crate) fn run(options: &Suites) -> Result<()> {
    let fronts = chosen(&options.proxies)?;
    let mut scores = Vec::new();
    for suite in Suite::value_variants() {
        if !options.only.is_empty() && !options.only.contains(suite) {
            continue;
        }
        match suite.is_there(options) {
            Ok(()) => {}
            Err(error) if options.only.is_empty() => {
                println!("without {}: {error:#}", suite.name());
                continue;
            }
            Err(error) => return Err(error),
        }
        for kind in &fronts {
            let cases = suite.run(*kind, options);
            let cases = cases.with_context(|| format!("{} against {}", suite.name(), kind.name))?;
            report::print_failures(suite.name(), kind.name, &cases);
            scores.push(Score { suite: suite.name(), proxy: kind.name, cases });
        }
    }
    println!("\n{}", report::table(&scores));
    let ours: Vec<&Score> = scores.iter().filter(|score| score.proxy == FRONTS[0].name).collect();
    if options.strict { judge(&ours) } else { Ok(()) }
}

/// What floodway does not pass, and no more than that.
fn judge(scores: &[&Score]) -> Result<()> {
    for score in scores {
        for case in &score.cases {
            let is_awaited = AWAITED.contains(&(score.suite, case.name.as_str()));
            let (suite, name) = (score.suite, &case.name);
            ensure!(is_awaited || case.why.is_none(), "floodway does not pass {suite}: {name}");
            ensure!(!is_awaited || case.why.is_some(), "floodway passes {suite}: {name}; say so in AWAITED");
        }
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<FrontKind>> {
    if let Some(unknown) = names.iter().find(|name| !FRONTS.iter().any(|kind| kind.name == name.as_str())) {
        bail!("there is no proxy `{unknown}`; there are {}", FRONTS.map(|kind| kind.name).join(", "));
    }
    let is_chosen = |kind: &FrontKind| names.is_empty() || names.iter().any(|name| name == kind.name);
    Ok(FRONTS.into_iter().filter(is_chosen).collect())
}

// === impl Suite ===

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Grpc => "grpc",
            Self::H2load => "h2load",
            Self::Autobahn => "autobahn",
            Self::Slow => "slow",
        }
    }

    /// Whether what it needs is there, and how to get it where not.
    fn is_there(self, options: &Suites) -> Result<()> {
        match self {
            Self::Curl => curl::is_there(),
            Self::Grpc => grpc::is_there(&options.python),
            Self::H2load => h2load::is_there(),
            Self::Autobahn => websocket::is_there(&options.python),
            Self::Slow => slow::is_there(),
        }
    }

    /// Against one proxy, with servers and a front of its own.
    fn run(self, kind: FrontKind, options: &Suites) -> Result<Vec<Case>> {
        let place = Place::new(&options.floodway)?;
        let _origin = match self {
            Self::Curl | Self::H2load | Self::Slow => origins::http(&place)?,
            Self::Grpc => origins::grpc(&place, &options.python)?,
            Self::Autobahn => origins::echo(&place, &options.python)?,
        };
        let front = Front::start(kind, &place)?;
        match self {
            Self::Curl => curl::run(&place, &front),
            Self::Grpc => grpc::run(&place, &front, &options.python),
            Self::H2load => h2load::run(&place, &front),
            Self::Autobahn => websocket::run(&place, &front),
            Self::Slow => slow::run(&place, &front),
        }
    }
}
