//! What curl found.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::suites::place::pattern;

/// Bytes of `/file`.
pub(super) const FILE: usize = 100_000;

/// One run of curl.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) transfers: Vec<Transfer>,
    /// All heads of answers, in lower case.
    pub(super) head: String,
    /// What was written to the file `body`.
    pub(super) body: Vec<u8>,
    /// The file `part`.
    pub(super) part: Vec<u8>,
    pub(super) exit: i32,
    pub(super) said: String,
}

/// What `%{json}` tells of one transfer.
#[derive(Debug, Deserialize)]
pub(super) struct Transfer {
    pub(super) http_code: u16,
    pub(super) http_version: String,
    pub(super) num_connects: u32,
    pub(super) num_redirects: u32,
}

/// curl writes some numbers so that JSON has no word for them; those are not looked at.
pub(super) fn transfers(text: &[u8]) -> Result<Vec<Transfer>> {
    let text = String::from_utf8_lossy(text);
    let read = |line| serde_json::from_str(line).with_context(|| format!("`{line}`"));
    text.lines().filter(|line| line.starts_with('{')).map(read).collect()
}

impl Done {
    /// Every transfer was answered with this status.
    pub(super) fn all(&self, status: u16) -> Result<&Self> {
        ensure!(self.exit == 0, "curl ended with {}: {}", self.exit, self.said);
        ensure!(!self.transfers.is_empty(), "there is no transfer");
        for transfer in &self.transfers {
            ensure!(transfer.http_code == status, "status {} instead of {status}", transfer.http_code);
        }
        Ok(self)
    }

    pub(super) fn by(&self, version: &str) -> Result<&Self> {
        for transfer in &self.transfers {
            ensure!(transfer.http_version == version, "by HTTP/{}", transfer.http_version);
        }
        Ok(self)
    }

    pub(super) fn connects(&self, count: u32) -> Result<&Self> {
        let all: u32 = self.transfers.iter().map(|transfer| transfer.num_connects).sum();
        ensure!(all == count, "{all} connections instead of {count}");
        Ok(self)
    }

    pub(super) fn says(&self, text: &str) -> Result<&Self> {
        ensure!(self.head.contains(text), "no `{text}` in\n{}", self.head.trim());
        Ok(self)
    }

    pub(super) fn does_not_say(&self, text: &str) -> Result<&Self> {
        ensure!(!self.head.contains(text), "`{text}` in\n{}", self.head.trim());
        Ok(self)
    }

    pub(super) fn body(&self, expected: &[u8]) -> Result<&Self> {
        let found = self.body.len();
        ensure!(self.body == expected, "another body: {found} bytes, {} expected", expected.len());
        Ok(self)
    }

    /// The part of `/file` from one byte up to before another.
    pub(super) fn file(&self, from: usize, to: usize) -> Result<&Self> {
        self.body(pattern(to).get(from..).unwrap_or_default())
    }

    /// What the server saw, by `/seen`.
    pub(super) fn seen(&self, pointer: &str, expected: impl Into<Value>) -> Result<&Self> {
        let (found, expected) = (self.what(pointer)?, expected.into());
        ensure!(found == expected, "the server saw {pointer} as {found}, not {expected}");
        Ok(self)
    }

    pub(super) fn what(&self, pointer: &str) -> Result<Value> {
        let seen: Value = serde_json::from_slice(&self.body).context("the answer is not the server's")?;
        Ok(seen.pointer(pointer).cloned().unwrap_or_default())
    }

    pub(super) fn fine(&self) -> Result<()> {
        ensure!(self.exit == 0, "curl ended with {}: {}", self.exit, self.said);
        Ok(())
    }
}
