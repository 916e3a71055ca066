//! What passed and what did not.

use crate::table;

/// One case of a suite.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Why it did not pass; `None` if it did.
    pub(crate) why: Option<String>,
}

/// What one suite found of one proxy.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) suite: &'static str,
    pub(crate) proxy: &'static str,
    pub(crate) cases: Vec<Case>,
}

impl Case {
    pub(crate) fn of(name: impl Into<String>, outcome: anyhow::Result<()>) -> Self {
        Self { name: name.into(), why: outcome.err().map(|error| short(&format!("{error:#}"))) }
    }
}

impl Score {
    pub(crate) fn failed_count(&self) -> usize {
        self.cases.iter().filter(|case| case.why.is_some()).count()
    }

    fn cell(&self) -> String {
        format!("{} of {}", self.cases.len() - self.failed_count(), self.cases.len())
    }
}

/// On one line, and no longer than anybody reads.
fn short(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(CHARS_MAX).collect()
}

pub(crate) fn print_failures(suite: &str, proxy: &str, cases: &[Case]) {
    for case in cases {
        if let Some(why) = &case.why {
            println!("{suite}: {proxy}: {}: {why}", case.name);
        }
    }
}

/// A line for each suite, a column for each proxy.
pub(crate) fn table(scores: &[Score]) -> String {
    let mut suites: Vec<&str> = scores.iter().map(|score| score.suite).collect();
    suites.dedup();
    let mut proxies: Vec<&str> = Vec::new();
    for score in scores {
        if !proxies.contains(&score.proxy) {
            proxies.push(score.proxy);
        }
    }
    let cell = |suite: &str, proxy: &str| {
        let found = scores.iter().find(|score| score.suite == suite && score.proxy == proxy);
        found.map_or_else(|| "-".to_owned(), Score::cell)
    };
    let lines = suites.iter().map(|suite| {
        let cells = proxies.iter().map(|proxy| cell(suite, proxy));
        [(*suite).to_owned()].into_iter().chain(cells).collect()
    });
    let head: Vec<String> = ["suite"].into_iter().chain(proxies.iter().copied()).map(str::to_owned).collect();
    table::render(&head, &lines.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(suite: &'static str, proxy: &'static str, failing: usize) -> Score {
        let case = |index| Case { name: format!("{index}"), why: (index < failing).then(|| "so".to_owned()) };
        Score { suite, proxy, cases: (0..3).map(case).collect() }
    }

    #[test]
    fn scores_stand_beside_each_other() {
        let text = table(&[score("a", "x", 0), score("a", "y", 1), score("b", "x", 3)]);
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(rows, ["| a     | 3 of 3 | 2 of 3 |", "| b     | 0 of 3 |      - |"]);
    }
}
