//! The public suite for HTTP caches, run against the gateway in front of the suite's own server.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use floodway_kit::{Running, free_address, http};

use crate::CacheSuite;

const PATIENCE: Duration = Duration::from_secs(20);

/// Counts the results by the suite's own rules: a test counts only if those it depends on pass.
const SCORE: &str = r#"
import fs from 'node:fs'
import process from 'node:process'
const [folder, results] = process.argv.slice(2)
const suites = (await import(`${folder}/tests/index.mjs`)).default
const rules = await import(`${folder}/test-engine/lib/results.mjs`)
const found = JSON.parse(fs.readFileSync(results))
const passes = [rules.resultTypes.pass, rules.resultTypes.yes]
for (const test of suites.flatMap(suite => suite.tests)) {
  if (test.browser_only) continue
  const passed = passes.includes(rules.determineTestResult(suites, test.id, found))
  console.log([test.kind ?? 'required', passed ? 'pass' : 'fail', test.id].join(' '))
}
"#;

/// Runs the suite and prints the score, and what does not pass.
pub(crate) fn run(suite: &CacheSuite) -> Result<()> {
    let folder = fs::canonicalize(&suite.folder).context("the suite's folder is not there")?;
    ensure!(folder.join("node_modules").is_dir(), "run `npm i` in {} first", folder.display());
    let place = tempfile::tempdir().context("no temporary folder")?;
    let (origin, gateway) = (free_address(), free_address());
    let _server = Running::start(
        node(&folder)
            .arg("test-engine/server/server.mjs")
            .envs([("npm_config_protocol", "http"), ("npm_config_port", &origin.port().to_string())])
            .env("npm_config_pidfile", place.path().join("pid"))
            .stdout(Stdio::null()),
    )?;
    http::wait_port(origin, PATIENCE);
    let system = format!(
        "system: cache-suite\nservices: {{ origin: {{ at: [\"{origin}\"] }} }}\ngateway:\n  listen: {gateway}\n  \
         routes:\n    - {{ match: {{ path: \"/test/*\" }}, to: origin, cache: {} }}\n    \
         - {{ match: {{ path: \"/*\" }}, to: origin }}\n",
        suite.cache
    );
    fs::write(place.path().join("floodway.yaml"), system)?;
    let floodway = fs::canonicalize(&suite.floodway).context("floodway is not built")?;
    let _gateway = Running::start(Command::new(floodway).args(["up", "--quiet"]).current_dir(place.path()))?;
    http::wait_ok(gateway, "/", PATIENCE);
    let results = place.path().join("results.json");
    let status = node(&folder)
        .args(["--no-warnings", "test-engine/cli.mjs"])
        .env("npm_config_base", format!("http://{gateway}"))
        .envs([("npm_config_id", ""), ("npm_package_config_id", "")])
        .stdout(File::create(&results)?)
        .status()
        .context("node does not run")?;
    ensure!(status.success(), "the suite ended with {status}");
    print(&score(&folder, &results, place.path())?);
    Ok(())
}

fn node(folder: &Path) -> Command {
    let mut node = Command::new("node");
    node.current_dir(folder).stdin(Stdio::null());
    node
}

/// Kind, whether it passed, and name of each test.
fn score(folder: &Path, results: &Path, place: &Path) -> Result<Vec<(String, bool, String)>> {
    let script = place.join("score.mjs");
    File::create(&script)?.write_all(SCORE.as_bytes())?;
    let output = node(folder).arg(&script).arg(folder).arg(results).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the results cannot be counted");
    let text = String::from_utf8(output.stdout)?;
    let line = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()? == "pass", words.next()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

fn print(tests: &[(String, bool, String)]) {
    let mut kinds: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (kind, passed, name) in tests {
        let (passing, all) = kinds.entry(kind).or_default();
        *passing += u32::from(*passed);
        *all += 1;
        if !passed && kind != "check" {
            println!("{kind}: {name} does not pass");
        }
    }
    for (kind, (passing, all)) in kinds {
        println!("{kind}: {passing} of {all}");
    }
}
