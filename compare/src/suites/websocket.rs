//! The Autobahn test suite for WebSocket: its fuzzing client, and behind the proxy an echo by Python's `websockets`,
//! which passes all that is asked alone.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use super::front::Front;
use super::origins;
use super::place::{self, Place, output};
use super::report::Case;

/// All its cases take minutes.
const PATIENCE_S: u32 = 1_800;

/// What the echo behind the proxy does not pass alone: it closes with another code than the suite wants.
const LEFT_OUT: [&str; 1] = ["7.1.5"];

/// What the suite says of one case.
#[derive(Debug, Deserialize)]
struct Verdict {
    behavior: String,
    #[serde(rename = "behaviorClose")]
    behavior_close: String,
}

/// `WSTEST` may name the program.
fn program() -> String {
    std::env::var("WSTEST").unwrap_or_else(|_not_set| "wstest".to_owned())
}

pub(crate) fn is_there(python: &str) -> Result<()> {
    origins::has_modules(python, "websockets.asyncio.server")?;
    place::is_there(
        &program(),
        "--help",
        "install autobahntestsuite with the pip of a Python 2.7, or name it in WSTEST",
    )
}

pub(crate) fn run(place: &Place, front: &Front) -> Result<Vec<Case>> {
    let reports = place.file("reports");
    let spec = json!({
        "outdir": reports,
        "options": { "failByDrop": false },
        "servers": [{ "agent": "proxy", "url": format!("ws://{}/websocket", front.ports.plain) }],
        "cases": ["*"],
        "exclude-cases": LEFT_OUT,
        "exclude-agent-cases": {},
    });
    let spec = place.write("spec.json", spec.to_string())?;
    let ran = output(PATIENCE_S, program(), &["-m", "fuzzingclient", "-s", &spec].map(str::to_owned))?;
    ensure!(ran.status.success(), "the suite ended with {}", ran.status);
    let index = fs::read(place.path("reports/index.json")).context("the suite wrote no report")?;
    cases(&index)
}

/// `NON-STRICT` and `INFORMATIONAL` are no failures by the suite's own count.
fn cases(index: &[u8]) -> Result<Vec<Case>> {
    let index: BTreeMap<String, BTreeMap<String, Verdict>> = serde_json::from_slice(index)?;
    let passes = |word: &str| matches!(word, "OK" | "NON-STRICT" | "INFORMATIONAL");
    let case = |(name, verdict): (String, Verdict)| {
        let Verdict { behavior, behavior_close } = verdict;
        let is_passed = passes(&behavior) && passes(&behavior_close);
        Case { name, why: (!is_passed).then(|| format!("{behavior}, closing {behavior_close}")) }
    };
    Ok(index.into_values().flatten().map(case).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_the_rules_of_the_suite() {
        let index = br#"{"proxy": {
            "1.1.1": {"behavior": "OK", "behaviorClose": "OK"},
            "6.4.1": {"behavior": "NON-STRICT", "behaviorClose": "INFORMATIONAL"},
            "9.1.1": {"behavior": "FAILED", "behaviorClose": "OK"},
            "9.1.2": {"behavior": "OK", "behaviorClose": "UNCLEAN"}}}"#;
        let failed: Vec<_> = cases(index)
            .unwrap()
            .into_iter()
            .filter(|case| case.why.is_some())
            .map(|case| case.name)
            .collect();
        assert_eq!(failed, ["9.1.1", "9.1.2"]);
    }
}
