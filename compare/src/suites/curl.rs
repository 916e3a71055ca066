//! What curl can do, through a proxy.

mod cases;
mod done;

use std::fs;

use anyhow::{Context, Result};

use super::front::Front;
use super::place::{self, Place, pattern};
use super::report::Case;
use cases::CASES;
use done::Done;

/// Longest time of one case.
const PATIENCE_S: u32 = 20;
/// The file that is sent, of so many bytes.
const UPLOAD: &str = "upload";
const UPLOAD_BYTES: usize = 3 << 20;

/// What a case's command line is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    place: &'a Place,
    front: &'a Front,
}

/// One thing that curl does. `{plain}`, `{http2}`, `{tls}` and `{proxied}` in its words stand for the proxy's
/// addresses, `{FILE}` in braces of its own for files of the place.
#[derive(Debug, Clone, Copy)]
struct Feature {
    name: &'static str,
    words: &'static str,
    judge: fn(&Done) -> Result<()>,
}

pub(crate) fn is_there() -> Result<()> {
    place::is_there("curl", "--version", "`cargo xtask packages` installs it")
}

pub(crate) fn run(place: &Place, front: &Front) -> Result<Vec<Case>> {
    place.write(UPLOAD, pattern(UPLOAD_BYTES))?;
    let setting = Setting { place, front };
    CASES.iter().map(|feature| Ok(Case::of(feature.name, (feature.judge)(&setting.curl(feature)?)))).collect()
}

impl Setting<'_> {
    fn curl(self, feature: &Feature) -> Result<Done> {
        let (body, head) = (self.place.path("body"), self.place.path("head"));
        for file in [&body, &head] {
            fs::write(file, "")?;
        }
        // The first part of a file that is taken up again.
        self.place.write("part", &pattern(done::FILE)[..40_000])?;
        let common =
            ["-sS", "--no-progress-meter", "-w", "%{json}\\n", "--max-time", "15", "-D"].map(str::to_owned);
        let mut words: Vec<String> = common.into_iter().chain([head.display().to_string()]).collect();
        words.extend(feature.words.split_whitespace().map(|word| self.fill(word)));
        let output = place::output(PATIENCE_S, "curl", &words)?;
        let read = |file| fs::read(file).context("cannot read what curl wrote");
        Ok(Done {
            transfers: done::transfers(&output.stdout)?,
            head: String::from_utf8_lossy(&read(&head)?).to_lowercase(),
            body: read(&body)?,
            part: read(&self.place.path("part"))?,
            exit: output.status.code().unwrap_or(-1),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    fn fill(self, word: &str) -> String {
        let ports = &self.front.ports;
        let mut word = word.replace('~', " ");
        for (gap, address) in
            [("{plain}", ports.plain), ("{http2}", ports.http2), ("{proxied}", ports.proxied)]
        {
            word = word.replace(gap, &format!("http://{address}"));
        }
        word = word.replace("{tls}", &format!("https://localhost:{}", ports.tls.port()));
        word = word.replace("{tls-port}", &ports.tls.port().to_string());
        for file in
            ["body", "part", UPLOAD, "ca.pem", "client.pem", "client.key", "stranger.pem", "stranger.key"]
        {
            word = word.replace(&format!("{{{file}}}"), &self.place.file(file));
        }
        word.replace("{4000}", &"x".repeat(4000))
    }
}
