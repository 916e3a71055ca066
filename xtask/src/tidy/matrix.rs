//! The table in ARCHITECTURE.md that says which crate may import which.
//!
//! A fenced block with the info string `matrix`; a line `gateway: policy blocks` for each crate, in the
//! crate's short name, and `dev gateway: kit` for what only its tests import. What is not listed is not
//! allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::Mistake;
use crate::workspace::TextFile;

/// Who may import whom, by the names of the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matrix {
    normal: BTreeMap<String, BTreeSet<String>>,
    dev: BTreeMap<String, BTreeSet<String>>,
}

/// One of our crates names another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Only its tests do.
    pub(crate) is_dev: bool,
}

/// Reads the table; lines that cannot be read are mistakes.
pub(crate) fn parse(file: &TextFile) -> Result<Matrix, Vec<Mistake>> {
    let mut matrix = Matrix::default();
    let mut mistakes = Vec::new();
    let mut lines = file.lines().skip_while(|line| line.text != "```matrix");
    if lines.next().is_none() {
        return Err(vec![Mistake::new(&file.path, "there is no block ```matrix")]);
    }
    for line in lines.take_while(|line| line.text != "```").filter(|line| !line.text.trim().is_empty()) {
        let Some((crate_name, imports)) = line.text.split_once(':') else {
            mistakes.push(Mistake::at(file, line.number, "expected `crate: imports`"));
            continue;
        };
        let imports: BTreeSet<_> = imports.split_whitespace().map(str::to_owned).collect();
        let (table, name) = match crate_name.strip_prefix("dev ") {
            Some(name) => (&mut matrix.dev, name),
            None => (&mut matrix.normal, crate_name),
        };
        if table.insert(name.trim().to_owned(), imports).is_some() {
            mistakes.push(Mistake::at(file, line.number, format!("`{crate_name}` stands twice")));
        }
    }
    if mistakes.is_empty() { Ok(matrix) } else { Err(mistakes) }
}

impl Matrix {
    /// Compares the table with the crates there are and what they import. `place` is where the table is.
    pub(crate) fn check(&self, place: &str, members: &BTreeSet<String>, imports: &[Import]) -> Vec<Mistake> {
        let refused = imports.iter().filter(|import| !self.allows(import)).map(|import| {
            let kind = if import.is_dev { "dev " } else { "" };
            let what = format!(
                "`{}` imports `{}`, which `{kind}{}:` does not list",
                import.from, import.to, import.from
            );
            Mistake::new(place, what)
        });
        let named: BTreeSet<_> = self
            .normal
            .iter()
            .chain(&self.dev)
            .flat_map(|(name, imports)| std::iter::once(name).chain(imports))
            .collect();
        let unknown = named.into_iter().filter(|name| !members.contains(*name));
        let absent = members.iter().filter(|name| !self.normal.contains_key(*name));
        refused
            .chain(unknown.map(|name| Mistake::new(place, format!("`{name}` is no crate of ours"))))
            .chain(absent.map(|name| Mistake::new(place, format!("`{name}` has no line"))))
            .collect()
    }

    fn allows(&self, import: &Import) -> bool {
        let lists = |table: &BTreeMap<String, BTreeSet<String>>| {
            table.get(&import.from).is_some_and(|imports| imports.contains(&import.to))
        };
        lists(&self.normal) || import.is_dev && lists(&self.dev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::file;

    const TABLE: &str = "# A\n```matrix\npolicy:\ngateway: policy\nkit:\ndev gateway: kit\n```\nmore: text\n";

    fn mistakes(imports: &[(&str, &str, bool)]) -> Vec<String> {
        let matrix = parse(&file("A.md", TABLE)).unwrap();
        let members = ["policy", "gateway", "kit"].map(str::to_owned).into();
        let imports: Vec<_> = imports
            .iter()
            .map(|&(from, to, is_dev)| Import { from: from.to_owned(), to: to.to_owned(), is_dev })
            .collect();
        matrix.check("A.md", &members, &imports).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn allows_what_is_listed() {
        let listed = [("gateway", "policy", false), ("gateway", "kit", true), ("gateway", "policy", true)];
        assert_eq!(mistakes(&listed), [""; 0]);
    }

    #[test]
    fn refuses_what_is_not_listed() {
        let upward = mistakes(&[("policy", "gateway", false)]);
        assert_eq!(upward, ["A.md: `policy` imports `gateway`, which `policy:` does not list"]);
        assert_eq!(mistakes(&[("gateway", "kit", false)]).len(), 1, "tests only");
        assert_eq!(mistakes(&[("policy", "kit", true)]).len(), 1);
    }

    #[test]
    fn refuses_crates_that_are_missing_on_either_side() {
        let matrix = parse(&file("A.md", TABLE)).unwrap();
        let members = ["policy", "gateway", "api"].map(str::to_owned).into();
        let found = matrix.check("A.md", &members, &[]);
        assert_eq!(
            found.iter().map(|mistake| mistake.what.as_str()).collect::<Vec<_>>(),
            ["`kit` is no crate of ours", "`api` has no line"]
        );
    }

    #[test]
    fn refuses_a_table_it_cannot_read() {
        assert!(parse(&file("A.md", "no table")).is_err());
        assert!(parse(&file("A.md", "```matrix\npolicy\n```\n")).is_err());
        assert!(parse(&file("A.md", "```matrix\na:\na:\n```\n")).is_err());
    }
}
