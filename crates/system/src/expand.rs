//! References to the environment: `${env:NAME}`, `${env:NAME:-default}`, and `$${` for `${`.
//!
//! In the request of a load `${row}` and `${row:COLUMN}` stay, as do escapes, for the load's templates.

use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::tree::{Content, Node, Scalar, Style};

/// Looks up variables.
pub(crate) struct Expander<'a> {
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a variable without a value makes the value unknown, instead of being a mistake.
    pub(crate) is_lenient: bool,
    /// What is in the file, to find a reference in a value.
    pub(crate) text: &'a str,
}

/// Why a text could not be expanded.
enum Fault {
    /// The variable has neither value nor default.
    Missing(String),
    /// The reference means nothing; what to do about it.
    Bad { reference: String, help: String },
}

impl Expander<'_> {
    /// Expands every value of the tree in place.
    pub(crate) fn expand(&self, root: &mut Node, mistakes: &mut Vec<Mistake>) {
        self.node(root, &mut Vec::new(), mistakes);
    }

    fn node(&self, node: &mut Node, path: &mut Vec<String>, mistakes: &mut Vec<Mistake>) {
        match &mut node.content {
            Content::Scalar(scalar) if scalar.text.contains("${") => {
                if let Some(content) = self.scalar(scalar, node.span, is_request(path), mistakes) {
                    node.content = content;
                }
            }
            Content::Scalar(_) | Content::Unknown => {}
            Content::List(items) => items.iter_mut().for_each(|item| self.node(item, path, mistakes)),
            Content::Map(entries) => {
                for entry in entries {
                    // Each profile is expanded where it lies over the file.
                    if path.is_empty() && entry.key.text == "profiles" {
                        continue;
                    }
                    path.push(entry.key.text.clone());
                    self.node(&mut entry.value, path, mistakes);
                    path.pop();
                }
            }
        }
    }

    fn scalar(
        &self,
        scalar: &Scalar,
        span: Span,
        is_request: bool,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Content> {
        match self.text(&scalar.text, is_request) {
            Ok(text) if text == scalar.text => None,
            Ok(text) => Some(Content::Scalar(Scalar { text, style: Style::Expanded })),
            Err(Fault::Missing(_)) if self.is_lenient => Some(Content::Unknown),
            Err(Fault::Missing(name)) => {
                mistakes.push(missing(&name, span.find(self.text, &format!("${{env:{name}}}"))));
                Some(Content::Unknown)
            }
            Err(Fault::Bad { reference, help }) => {
                let place = span.find(self.text, &reference);
                let message = format!("`{}` has no meaning here", first_line(&reference));
                mistakes.push(Mistake::at(place, Code::BadReference, message).help(help));
                Some(Content::Unknown)
            }
        }
    }

    fn text(&self, text: &str, is_request: bool) -> Result<String, Fault> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                expanded.push_str(before);
                expanded.push_str(if is_request { "$${" } else { "${" });
                rest = after;
                continue;
            }
            expanded.push_str(before);
            let Some((reference, after)) = after.split_once('}') else {
                let help = "close it with a `}`, or write `$${` for the characters `${`";
                return Err(Fault::Bad { reference: format!("${{{after}"), help: help.into() });
            };
            expanded.push_str(&self.reference(reference, is_request)?);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn reference(&self, reference: &str, is_request: bool) -> Result<String, Fault> {
        let whole = format!("${{{reference}}}");
        if reference == "row" || reference.starts_with("row:") {
            let help = "a row is known only in the `request` of a load".into();
            return if is_request { Ok(whole) } else { Err(Fault::Bad { reference: whole, help }) };
        }
        let Some(variable) = reference.strip_prefix("env:") else {
            let help = format!(
                "write `${{env:{reference}}}` for an environment variable, or `$${{` for the characters `${{`"
            );
            return Err(Fault::Bad { reference: whole, help });
        };
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable, None),
        };
        if !is_variable(name) {
            let help = "a variable's name has letters, digits and `_`; a default follows `:-`".into();
            return Err(Fault::Bad { reference: whole, help });
        }
        // As in a shell, a default stands for an empty value too.
        let value = (self.env)(name).filter(|value| default.is_none() || !value.is_empty());
        let value = value.or_else(|| default.map(Into::into));
        let value = value.ok_or_else(|| Fault::Missing(name.into()))?;
        // What the environment gives is text, never a reference.
        Ok(if is_request { value.replace("${", "$${") } else { value })
    }
}

fn is_request(path: &[String]) -> bool {
    matches!(path, [loads, _, request, ..] if loads == "loads" && request == "request")
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn missing(name: &str, place: Span) -> Mistake {
    Mistake::at(place, Code::MissingVariable, format!("the environment variable `{name}` is not set"))
        .help(format!("set it, or give a default: `${{env:{name}:-default}}`"))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
