//! Reads the loads.

use std::collections::BTreeMap;

use floodway_workload::{Expectations, Load, RequestTemplate, Retry, Rows, Template};

use super::Reader;
use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::model::{Audit, NamedLoad};
use crate::tree::Key;
use crate::value::{Fields, Kind, Value};

/// What the rows of a load have, if that is known.
type Columns = Option<Vec<String>>;

impl Reader<'_> {
    pub(super) fn loads(&mut self, file: &Fields) -> Vec<NamedLoad> {
        file.objects("loads").map(|(key, fields)| self.named_load(key, fields)).collect()
    }

    fn named_load(&mut self, key: &Key, fields: &Fields) -> NamedLoad {
        let audit = fields.object("audit");
        NamedLoad {
            name: key.text.clone(),
            load: self.load(key, fields),
            expect: expectations(fields),
            audit: audit.map(|audit| Audit { command: audit.words("run"), dir: self.path(audit, "dir") }),
        }
    }

    fn load(&mut self, key: &Key, fields: &Fields) -> Load {
        let empty = Fields::empty(fields.span);
        let retry = fields.object("retry").unwrap_or(&empty);
        let (rows, columns) = self.rows(key, fields);
        Load {
            rows,
            rate: fields.get("rate").and_then(|value| match value.kind {
                Kind::Rate(rate) => Some(rate),
                _ => None,
            }),
            concurrency: fields.whole("concurrency"),
            timeout: fields.duration("timeout"),
            retry: Retry { attempts: retry.whole("attempts"), backoff: self.backoff(retry) },
            request: self.request(fields.object("request").unwrap_or(&empty), columns.as_deref()),
        }
    }

    fn rows(&mut self, key: &Key, fields: &Fields) -> (Rows, Columns) {
        self.refuse_both(fields, "replay", "repeat");
        if let Some(value) = fields.get("replay") {
            let path = self.path(fields, "replay");
            let columns = value.is_known().then(|| (self.columns)(&path));
            return match columns {
                Some(Ok(columns)) => (Rows::Replay(path), columns),
                Some(Err(why)) => {
                    let mistake = Mistake::at(value.span, Code::UnreadableRows, why);
                    self.mistake(mistake.help(format!("looked for `{}`", path.display())));
                    (Rows::Replay(path), None)
                }
                None => (Rows::Replay(path), None),
            };
        }
        if fields.get("repeat").is_none() {
            let message = format!("the load `{}` has neither `replay` nor `repeat`", key.text);
            let help = "name a CSV file to `replay`, or say how often to `repeat` the request";
            self.mistake(Mistake::at(key.span, Code::KeysDisagree, message).help(help));
            return (Rows::Repeat(0), None);
        }
        (Rows::Repeat(u64::try_from(fields.integer("repeat")).unwrap_or_default()), Some(Vec::new()))
    }

    fn request(&mut self, request: &Fields, columns: Option<&[String]>) -> RequestTemplate {
        let template = |reader: &mut Self, value: Option<&Value>| {
            let (text, span) = value.and_then(|value| value.text().map(|text| (text, value.span)))?;
            reader.template(&text, span, columns)
        };
        // Nothing is sent where a part is unknown: a mistake has been reported.
        let nothing = || Template::parse("").expect("an empty text has no gap");
        let path = template(self, request.get("path")).unwrap_or_else(nothing);
        let mut headers = Vec::new();
        for (key, value) in request.map("headers") {
            self.expect_header_value(value);
            headers.push((key.text.clone(), template(self, Some(value)).unwrap_or_else(nothing)));
        }
        let body = template(self, request.get("body"));
        RequestTemplate { method: request.text("method"), path, headers, body }
    }

    fn template(&mut self, text: &str, span: Span, columns: Option<&[String]>) -> Option<Template> {
        let template = Template::parse(text)
            .map_err(|error| self.mistake(Mistake::at(span, Code::BadReference, error.to_string())))
            .ok()?;
        for name in template.columns() {
            let Some(columns) = columns.filter(|columns| !columns.iter().any(|column| column == name)) else {
                continue;
            };
            let place = span.find(self.text, &format!("${{row:{name}}}"));
            let mistake =
                Mistake::at(place, Code::UnknownColumn, format!("the rows have no column `{name}`"));
            self.mistake(if columns.is_empty() {
                mistake.help("rows of `repeat` have no columns: use `${row}`, or `replay` a CSV file")
            } else {
                mistake.one_of(name, columns.iter().map(String::as_str))
            });
        }
        Some(template)
    }

    /// RFC 9110 §5.5: no control characters.
    fn expect_header_value(&mut self, value: &Value) {
        let is_broken = value.text().is_some_and(|text| text.contains(|c: char| c.is_control() && c != '\t'));
        if is_broken {
            let mistake = Mistake::at(value.span, Code::BadHttp, "a header's value must stay on one line");
            self.mistake(mistake.help("remove line breaks and control characters"));
        }
    }
}

fn expectations(fields: &Fields) -> Expectations {
    let empty = Fields::empty(fields.span);
    let expect = fields.object("expect").unwrap_or(&empty);
    let count = |value: &Value| value.integer().and_then(|count| u64::try_from(count).ok());
    let rejected: BTreeMap<u16, u64> = expect
        .map("rejected")
        .iter()
        .filter_map(|(key, value)| Some((key.text.parse().ok()?, count(value)?)))
        .collect();
    Expectations { accepted: expect.get("accepted").and_then(count), rejected }
}
