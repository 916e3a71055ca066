//! Sets of statuses.

use alloc::format;
use alloc::string::String;

/// A set of numbers below [`Codes::BEYOND`]: statuses of HTTP, or codes of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Codes([u64; WORDS]);

const WORDS: usize = 10;

impl Codes {
    /// No member is as large.
    pub const BEYOND: u16 = 640;
    /// No code.
    pub const NONE: Self = Self([0; WORDS]);

    /// Reads a list of codes and ranges, as in `429,500-599`; each must lie within `from..=to`.
    pub fn parse(text: &str, from: u16, to: u16) -> Result<Self, String> {
        let mut codes = Self::NONE;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let code = |text: &str| {
                let code = text.trim().parse::<u16>().ok().filter(|code| (from..=to).contains(code));
                code.ok_or_else(|| format!("`{part}` is no code from {from} to {to}, nor a range of them"))
            };
            let (first, last) = (code(first)?, code(last)?);
            if first > last {
                return Err(format!("`{part}` ends before it begins"));
            }
            (first..=last).for_each(|code| codes.add(code));
        }
        Ok(codes)
    }

    /// Whether a code is a member.
    pub fn contains(&self, code: u16) -> bool {
        self.0.get(usize::from(code / 64)).is_some_and(|word| word & (1 << (code % 64)) != 0)
    }

    fn add(&mut self, code: u16) {
        if let Some(word) = self.0.get_mut(usize::from(code / 64)) {
            *word |= 1 << (code % 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn members(text: &str) -> Vec<u16> {
        let codes = Codes::parse(text, 100, 599).expect("codes");
        (0..Codes::BEYOND + 70).filter(|code| codes.contains(*code)).collect()
    }

    #[test]
    fn reads_codes_and_ranges() {
        assert_eq!(members("429, 500-503,,599"), [429, 500, 501, 502, 503, 599]);
        assert_eq!(members(""), []);
        assert_eq!(members("100-599").len(), 500);
    }

    #[test]
    fn what_is_no_code_is_named() {
        let wrong = |text| Codes::parse(text, 0, 16).expect_err("no codes");
        assert!(wrong("17").contains("`17`") && wrong("1-17").contains("1-17"));
        assert!(wrong("5-3").contains("ends before"));
        assert!(wrong("1-2-3").contains("1-2-3") && wrong("x").contains("`x`"));
    }
}
