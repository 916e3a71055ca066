//! The text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;

use super::family::Family;

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// The samples of one family, whose head is written.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    name: &'static str,
    out: &'a mut String,
}

/// In the order in which they are written.
type Labels<'a> = &'a [(&'a str, &'a str)];

impl Text {
    pub(super) fn family(&mut self, family: Family) -> Samples<'_> {
        let (name, kind, help) = family.describe();
        let out = &mut self.0;
        write!(out, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str())
            .expect("a string takes all text");
        Samples { name, out }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Samples<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: u64) {
        self.line("", labels, None, &value.to_string());
    }

    pub(super) fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.part("", labels, value);
    }

    /// What may not be known here.
    pub(super) fn optional(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.value(&[], value);
        }
    }

    pub(super) fn part(&mut self, suffix: &str, labels: Labels<'_>, value: f64) {
        self.line(suffix, labels, None, &value.to_string());
    }

    pub(super) fn bucket(&mut self, labels: Labels<'_>, bound: &str, count: u64) {
        self.line("_bucket", labels, Some(("le", bound)), &count.to_string());
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, last: Option<(&str, &str)>, value: &str) {
        let Self { name, out } = self;
        out.push_str(name);
        out.push_str(suffix);
        let mut open = '{';
        for (label, text) in labels.iter().chain(&last) {
            out.push(open);
            out.push_str(label);
            out.push_str("=\"");
            escape(out, text);
            out.push('"');
            open = ',';
        }
        if open == ',' {
            out.push('}');
        }
        out.push(' ');
        out.push_str(value);
        out.push('\n');
    }
}

fn escape(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Family, Text};

    #[test]
    fn escapes_what_would_end_a_label() {
        let mut text = Text::default();
        text.family(Family::Requests).sample(&[("route", "a\"b\\c\nd"), ("code", "2xx")], 3);
        let last = text.into_string().lines().last().map(str::to_owned);
        assert_eq!(last.as_deref(), Some(r#"floodway_requests_total{route="a\"b\\c\nd",code="2xx"} 3"#));
    }
}
