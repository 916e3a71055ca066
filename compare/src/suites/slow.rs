//! slowhttptest: clients that take their time. It asks in between whether others are served, and sees which of its
//! connections are closed.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::front::Front;
use super::place::{self, Place, output};
use super::report::Case;

/// One attack, and what it asks for.
#[derive(Debug, Clone, Copy)]
struct Attack {
    name: &'static str,
    words: &'static str,
    path: &'static str,
}

/// Slow readers ask for no more than this: a thousand of them could fill what the kernel has for all sockets of the
/// machine, and then nobody is served.
const ATTACKS: [Attack; 4] = [
    Attack { name: "slow heads", words: "-H -i 5 -t GET -x 24", path: "/file" },
    Attack { name: "slow bodies", words: "-B -i 5 -s 8192 -t POST -x 10", path: "/seen" },
    Attack { name: "many ranges", words: "-R -t HEAD -a 10 -b 3000", path: "/file" },
    Attack { name: "slow readers", words: "-X -w 10 -y 20 -n 5 -z 32 -k 2", path: "/file" },
];
/// 1000 connections, of which 250 are made in a second, for longer than anybody needs for a request; whoever waits
/// for 3 seconds is not served.
const COMMON: &str = "-c 1000 -r 250 -l 70 -p 3 -v 1 -g";
/// Time for one attack, in which connections end that are not closed.
const PATIENCE_S: u32 = 120;

pub(crate) fn is_there() -> Result<()> {
    place::is_there("slowhttptest", "-h", "install the package slowhttptest")
}

pub(crate) fn run(place: &Place, front: &Front) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for Attack { name, words, path } in ATTACKS {
        let report = place.file("slow");
        let words = format!("{words} {COMMON} -o {report} -u http://{}{path}", front.ports.plain);
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        output(PATIENCE_S, "slowhttptest", &words)?;
        let report = fs::read_to_string(place.path("slow.csv"));
        let seconds = seconds(&report.context("slowhttptest wrote no report")?)?;
        cases.push(Case::of(format!("{name}: others are served"), are_served(&seconds)));
        cases.push(Case::of(format!("{name}: all are gone within 70 s"), are_gone(&seconds)));
    }
    Ok(cases)
}

/// What was so in one second.
#[derive(Debug, PartialEq, Eq)]
struct Second {
    connected: u64,
    is_served: bool,
}

/// Reads lines as `5,0,0,300,300`: second, connections that are closed, pending, open, and more than 0 where
/// others were served.
fn seconds(report: &str) -> Result<Vec<Second>> {
    let read = |line: &str| {
        let numbers = line.split(',').map(|number| number.trim().parse::<u64>());
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().with_context(|| format!("`{line}`"))?;
        let [_, _, pending, connected, served] = numbers[..] else { anyhow::bail!("`{line}`") };
        Ok(Second { connected: pending + connected, is_served: served > 0 })
    };
    report.lines().skip(1).filter(|line| !line.is_empty()).map(read).collect()
}

fn are_served(seconds: &[Second]) -> Result<()> {
    let without = seconds.iter().filter(|second| !second.is_served).count();
    ensure!(!seconds.is_empty() && without == 0, "nobody in {without} of {} seconds", seconds.len());
    Ok(())
}

/// slowhttptest ends as soon as none is open; its last line may still count those that closed just then.
fn are_gone(seconds: &[Second]) -> Result<()> {
    let left = seconds.last().context("there is no second")?.connected;
    ensure!(seconds.len() < 69, "{left} are still there");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Seconds,Closed,Pending,Connected,Service Available
0,0,5,245,1000
1,0,0,300,0
2,195,0,105,1000";

    #[test]
    fn reads_the_report_of_each_second() {
        let seconds = seconds(REPORT).unwrap();
        assert_eq!(seconds[0], Second { connected: 250, is_served: true });
        assert_eq!(are_served(&seconds).unwrap_err().to_string(), "nobody in 1 of 3 seconds");
        are_gone(&seconds).unwrap();
        assert!(super::seconds("a\n1,2").is_err());
    }
}
