//! Licence expressions of SPDX (annex D of its specification): ids joined by `AND`, `OR`, `WITH` and
//! parentheses; and the older `/` for `OR`.

/// Whether an expression can be met with the given licences alone; `None` if it cannot be read.
///
/// `MIT OR GPL-3.0` is met by `MIT`; `MIT AND GPL-3.0` is not.
pub(crate) fn is_met(expression: &str, allowed: &[&str]) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut parser = Parser { words: spaced.split_whitespace().collect(), at: 0, allowed };
    let met = parser.any()?;
    (parser.at == parser.words.len()).then_some(met)
}

struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut met = self.every()?;
        while self.eat("OR") {
            met |= self.every()?;
        }
        Some(met)
    }

    fn every(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.eat("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.eat("(") {
            let met = self.any()?;
            return self.eat(")").then_some(met);
        }
        let id = self.next().filter(|id| !["AND", "OR", "WITH", ")"].contains(id))?;
        let met = self.allowed.contains(&id);
        // An exception only ever permits more.
        if self.eat("WITH") {
            self.next()?;
        }
        Some(met)
    }

    fn eat(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_next);
        is_next
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::is_met;

    const ALLOWED: [&str; 2] = ["MIT", "Apache-2.0"];

    #[test]
    fn any_of_several_is_enough_and_all_of_several_are_needed() {
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT AND (GPL-3.0-only OR Apache-2.0)", true),
            ("(MIT OR Apache-2.0) AND Unicode-DFS-2016", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-3.0-only/MIT", true),
            ("GPL-3.0-only OR MIT AND ISC", false),
        ] {
            assert_eq!(is_met(expression, &ALLOWED), Some(met), "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_met() {
        for expression in ["", "MIT OR", "(MIT", "MIT MIT", "AND MIT", "MIT)", "MIT WITH"] {
            assert_eq!(is_met(expression, &ALLOWED), None, "{expression}");
        }
    }
}
