//! h2load: every request is answered.

use anyhow::{Context, Result, ensure};

use super::front::{Front, Ports};
use super::place::{self, Place, pattern};
use super::report::Case;

/// One load: its words, and whom it goes to.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    words: &'static str,
    url: fn(&Ports) -> String,
}

const POSTED: &str = "posted";

fn plain(ports: &Ports) -> String {
    format!("http://{}", ports.plain)
}

fn http2(ports: &Ports) -> String {
    format!("http://{}", ports.http2)
}

fn tls(ports: &Ports) -> String {
    format!("https://localhost:{}", ports.tls.port())
}

const LOADS: [Load; 14] = [
    Load { name: "HTTP/1.1", words: "--h1 -n 2000 -c 20 /file", url: plain },
    Load { name: "HTTP/1.1: POST", words: "--h1 -n 500 -c 10 -d {posted} /seen", url: plain },
    Load { name: "HTTP/2", words: "-n 2000 -c 10 -m 10 /file", url: http2 },
    Load { name: "HTTP/2: one stream at a time", words: "-n 500 -c 10 -m 1 /seen", url: http2 },
    Load { name: "HTTP/2: 100 streams", words: "-n 3000 -c 4 -m 100 /seen", url: http2 },
    Load { name: "HTTP/2: more streams than allowed", words: "-n 2000 -c 1 -m 1000 /seen", url: http2 },
    Load { name: "HTTP/2: POST", words: "-n 500 -c 5 -m 10 -d {posted} /seen", url: http2 },
    Load { name: "HTTP/2: small windows", words: "-n 200 -c 2 -m 10 -w 14 -W 14 /file", url: http2 },
    Load { name: "HTTP/2: large answers", words: "-n 20 -c 2 -m 5 /big", url: http2 },
    Load {
        name: "HTTP/2: no header table",
        words: "-n 500 -c 5 -m 10 --header-table-size=0 --encoder-header-table-size=0 /seen",
        url: http2,
    },
    Load { name: "TLS, HTTP/1.1", words: "--h1 -n 1000 -c 20 /file", url: tls },
    Load { name: "TLS, HTTP/2", words: "-n 2000 -c 10 -m 10 /file", url: tls },
    Load { name: "TLS, HTTP/2: POST", words: "-n 500 -c 5 -m 10 -d {posted} /seen", url: tls },
    Load { name: "TLS, HTTP/2: 200 connections", words: "-n 1000 -c 200 -m 5 /seen", url: tls },
];

pub(crate) fn is_there() -> Result<()> {
    place::is_there("h2load", "--version", "`cargo xtask packages` installs it")
}

pub(crate) fn run(place: &Place, front: &Front) -> Result<Vec<Case>> {
    let posted = place.write(POSTED, pattern(100_000))?;
    let run = |load: &Load| -> Result<Case> {
        let fill = |word: &str| match word.strip_prefix('/') {
            Some(_) => (load.url)(&front.ports) + word,
            None => word.replace("{posted}", &posted),
        };
        let words: Vec<String> = load.words.split(' ').map(fill).collect();
        let output = place::output(60, "h2load", &words)?;
        Ok(Case::of(load.name, judge(&String::from_utf8_lossy(&output.stdout))))
    };
    LOADS.iter().map(run).collect()
}

/// Reads `requests: 20 total, 20 started, 20 done, 20 succeeded, 0 failed, 0 errored, 0 timeout`, and
/// `status codes: 20 2xx, 0 3xx, 0 4xx, 0 5xx`.
fn judge(text: &str) -> Result<()> {
    let line = |label: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(label));
        found.with_context(|| format!("h2load prints no `{label}`:\n{text}"))
    };
    let number = |text: &str, what: &str| {
        let found =
            text.split(", ").find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok());
        found.with_context(|| format!("h2load prints no number of {what}: `{text}`"))
    };
    let (requests, statuses) = (line("requests:")?, line("status codes:")?);
    let total = number(requests, "total")?;
    ensure!(
        number(requests, "succeeded")? == total && number(statuses, "2xx")? == total,
        "{} ({})",
        requests.trim(),
        statuses.trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "finished in 1.00s, 20.00 req/s, 1.00KB/s
requests: 20 total, 20 started, 20 done, 20 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 20 2xx, 0 3xx, 0 4xx, 0 5xx
";

    #[test]
    fn all_must_succeed() {
        judge(PRINTED).unwrap();
        assert!(judge(&PRINTED.replace("20 succeeded, 0 failed", "19 succeeded, 1 failed")).is_err());
        assert!(judge(&PRINTED.replace("20 2xx, 0 3xx, 0 4xx, 0", "19 2xx, 0 3xx, 0 4xx, 1")).is_err());
        assert!(judge("could not connect").is_err());
    }
}
