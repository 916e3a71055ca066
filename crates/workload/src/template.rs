//! Text with gaps that a row fills: `${row}` is its number, `${row:column}` one of its values.
//!
//! [`Template::parse`] reads the text, [`Template::bind`] finds the columns in a header once, and
//! [`BoundTemplate::render`] fills the gaps without looking anything up. `$${` stands for `${`. Values
//! are put in as they are: nothing is escaped for JSON or a URL.

use std::fmt::Write as _;

/// A parsed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part<String>>,
}

/// A template whose columns are found in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundTemplate {
    parts: Vec<Part<usize>>,
}

/// A piece of a template, where `C` says how a column is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<C> {
    Text(String),
    Row,
    Column(C),
}

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A gap has no end.
    #[error("`${{` at byte {offset} has no closing `}}`")]
    Unclosed {
        /// Where it begins in the text.
        offset: usize,
    },
    /// A gap names something else than a row.
    #[error("expected `${{row}}` or `${{row:column}}`, found `${{{name}}}`")]
    UnknownName {
        /// Where it begins in the text.
        offset: usize,
        /// What it says.
        name: String,
    },
}

/// A template names a column that the rows do not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no column `{column}`{}; {}", did_you_mean(nearest.as_deref()), there_are(columns))]
pub struct UnknownColumn {
    /// The name in the template.
    pub column: String,
    /// The column whose name is most like it, if one is.
    pub nearest: Option<String>,
    /// All columns.
    pub columns: Vec<String>,
}

// === impl Template ===

impl Template {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                rest = after;
                continue;
            }
            literal.push_str(before);
            let offset = text.len() - after.len() - "${".len();
            let (name, after) = after.split_once('}').ok_or(TemplateError::Unclosed { offset })?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(gap(name).ok_or_else(|| TemplateError::UnknownName { offset, name: name.into() })?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// The columns it names, in order, as often as it names them.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            Part::Text(_) | Part::Row => None,
        })
    }

    /// Finds the columns in a header.
    pub fn bind<S: AsRef<str>>(&self, header: &[S]) -> Result<BoundTemplate, UnknownColumn> {
        let place = |name: &String| {
            header
                .iter()
                .position(|column| column.as_ref() == name)
                .ok_or_else(|| UnknownColumn::new(name, header))
        };
        let bind = |part: &Part<String>| match part {
            Part::Text(text) => Ok(Part::Text(text.clone())),
            Part::Row => Ok(Part::Row),
            Part::Column(name) => place(name).map(Part::Column),
        };
        Ok(BoundTemplate { parts: self.parts.iter().map(bind).collect::<Result<_, _>>()? })
    }
}

fn gap(name: &str) -> Option<Part<String>> {
    match name.split_once(':') {
        None if name == "row" => Some(Part::Row),
        Some(("row", column)) if !column.is_empty() => Some(Part::Column(column.into())),
        _ => None,
    }
}

// === impl BoundTemplate ===

impl BoundTemplate {
    /// Appends the text for a row, whose number counts from 1 and whose values `value` gives by place.
    pub fn render<'a>(&self, row: u64, value: impl Fn(usize) -> &'a str, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Row => write!(out, "{row}").expect("a String takes all that is written to it"),
                Part::Column(place) => out.push_str(value(*place)),
            }
        }
    }

    /// The text, where it is the same for all rows.
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

// === impl UnknownColumn ===

impl UnknownColumn {
    fn new<S: AsRef<str>>(column: &str, header: &[S]) -> Self {
        let columns: Vec<String> = header.iter().map(|column| column.as_ref().to_owned()).collect();
        Self { column: column.to_owned(), nearest: nearest(column, &columns).cloned(), columns }
    }
}

/// The name with the fewest edits away, if it is not a wholly different one.
fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a String> {
    let edits_max = (name.chars().count() / 3).max(1);
    names
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!(", did you mean `{nearest}`?")).unwrap_or_default()
}

fn there_are(columns: &[String]) -> String {
    if columns.is_empty() {
        "there are no columns".into()
    } else {
        format!("there are: {}", columns.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::{prop_assert_eq, proptest};

    const HEADER: [&str; 3] = ["customer_id", "date", "amount_usd"];

    fn rendered(text: &str) -> String {
        let mut out = String::new();
        let bound = Template::parse(text).unwrap().bind(&HEADER).unwrap();
        bound.render(7, |place| ["00042", "1997-01-01", "11.77"][place], &mut out);
        out
    }

    fn refused(text: &str, expected: &Expect) {
        let found = match Template::parse(text) {
            Err(error) => error.to_string(),
            Ok(template) => template.bind(&HEADER).unwrap_err().to_string(),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn fills_the_gaps() {
        assert_eq!(rendered("order-${row}"), "order-7");
        assert_eq!(
            rendered(r#"{"customer":"${row:customer_id}","amount":${row:amount_usd}}"#),
            r#"{"customer":"00042","amount":11.77}"#
        );
        assert_eq!(rendered("${row}${row}"), "77");
        assert_eq!(rendered("no gap, $5, {row}"), "no gap, $5, {row}");
    }

    #[test]
    fn keeps_an_escaped_gap_as_text() {
        assert_eq!(rendered("$${row} is ${row}"), "${row} is 7");
        assert_eq!(rendered("$$${row}"), "$${row}");
    }

    #[test]
    fn names_what_is_wrong() {
        refused("a ${row", &expect!["`${` at byte 2 has no closing `}`"]);
        refused("${env:X}", &expect!["expected `${row}` or `${row:column}`, found `${env:X}`"]);
        refused("${row:}", &expect!["expected `${row}` or `${row:column}`, found `${row:}`"]);
        refused(
            "${row:amount_us}",
            &expect![
                "no column `amount_us`, did you mean `amount_usd`?; there are: customer_id, date, amount_usd"
            ],
        );
        refused("${row:colour}", &expect!["no column `colour`; there are: customer_id, date, amount_usd"]);
    }

    #[test]
    fn knows_what_is_the_same_for_all_rows() {
        let fixed = |text| Template::parse(text).unwrap().bind(&HEADER).unwrap().fixed().map(str::to_owned);
        assert_eq!(fixed("$${x}"), Some("${x}".into()));
        assert_eq!(fixed(""), Some(String::new()));
        assert_eq!(fixed("${row}"), None);
    }

    #[test]
    fn lists_its_columns() {
        let template = Template::parse("${row}${row:a}-${row:b}").unwrap();
        assert_eq!(template.columns().collect::<Vec<_>>(), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn text_without_gaps_stays_as_it_is(text in "[^$]*") {
            prop_assert_eq!(rendered(&text), text);
        }

        #[test]
        fn an_escaped_text_comes_back(text in "[a${}:]{0,12}") {
            // A `$` just before an escape is ambiguous in no case that has no `$$` in it.
            proptest::prop_assume!(!text.contains("$$"));
            prop_assert_eq!(rendered(&text.replace("${", "$${")), text);
        }

        #[test]
        fn parsing_never_panics(text: String) {
            drop(Template::parse(&text));
        }
    }
}
