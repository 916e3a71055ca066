//! Makes each row a request.

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use floodway_workload::{BoundTemplate, RequestTemplate, Rows, Template};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use crate::error::LoadError;
use crate::rows::RowReader;

/// The requests of a load, one after the other.
#[derive(Debug)]
pub(crate) struct Requests {
    rows: RowReader,
    method: Method,
    path: Part<Uri>,
    /// The headers that are the same for all rows.
    headers: HeaderMap,
    each_header: Vec<(HeaderName, BoundTemplate)>,
    body: Part<Bytes>,
    scratch: String,
}

/// A request that can be sent more than once.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The number of its row, from 1.
    pub(crate) row: u64,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// A part of the request.
#[derive(Debug)]
enum Part<T> {
    /// The same for all rows.
    Same(T),
    /// Made anew for each.
    Each(BoundTemplate),
}

type Cause = Box<dyn Error + Send + Sync>;

// === impl Requests ===

impl Requests {
    /// Opens the rows and finds the columns that the template names.
    pub(crate) fn open(
        rows: &Rows,
        template: &RequestTemplate,
        target: SocketAddr,
    ) -> Result<Self, LoadError> {
        let rows = RowReader::open(rows)?;
        let columns = rows.columns();
        let method = Method::from_bytes(template.method.as_bytes())
            .map_err(|error| not_http("method".into(), &template.method, error.into()))?;
        let path = Part::compile(&template.path, "path", columns, read_uri)?;
        let body = match &template.body {
            Some(body) => Part::compile(body, "body", columns, Ok)?,
            None => Part::Same(Bytes::new()),
        };
        let mut headers = HeaderMap::new();
        let mut each_header = Vec::new();
        for (name, value) in &template.headers {
            let part = format!("header {name}");
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|error| not_http("header name".into(), name, error.into()))?;
            match Part::compile(value, &part, columns, read_value)? {
                Part::Same(value) => drop(headers.append(name, value)),
                Part::Each(value) => each_header.push((name, value)),
            }
        }
        if !headers.contains_key(HOST) && !each_header.iter().any(|(name, _)| name == HOST) {
            let host = target.to_string();
            let host = HeaderValue::try_from(host).expect("an address is made of visible characters");
            headers.insert(HOST, host);
        }
        Ok(Self { rows, method, path, headers, each_header, body, scratch: String::new() })
    }

    /// The request of the next row, or `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Prepared>, LoadError> {
        let Some(row) = self.rows.advance()? else { return Ok(None) };
        let Self { rows, scratch, .. } = self;
        let uri = self.path.of("path", rows, row, scratch, read_uri)?;
        let body = self.body.of("body", rows, row, scratch, Ok)?;
        let mut headers = self.headers.clone();
        for (name, value) in &self.each_header {
            let part = ("header ", name.as_str());
            let value = rendered(value, rows, row, scratch);
            let value = read_value(value)
                .map_err(|error| not_http(format!("row {row}: {}{}", part.0, part.1), scratch, error))?;
            headers.append(name.clone(), value);
        }
        Ok(Some(Prepared { row, method: self.method.clone(), uri, headers, body }))
    }
}

fn read_uri(text: Bytes) -> Result<Uri, Cause> {
    if text.first() != Some(&b'/') {
        return Err("a path starts with `/`".into());
    }
    Ok(Uri::from_maybe_shared(text)?)
}

fn read_value(text: Bytes) -> Result<HeaderValue, Cause> {
    Ok(HeaderValue::from_maybe_shared(text)?)
}

fn not_http(part: String, text: &str, source: Cause) -> LoadError {
    LoadError::NotHttp { part, text: text.to_owned(), source }
}

/// The text for a row, which is in `scratch` as well.
fn rendered(template: &BoundTemplate, rows: &RowReader, row: u64, scratch: &mut String) -> Bytes {
    scratch.clear();
    template.render(row, |place| rows.value(place), scratch);
    Bytes::copy_from_slice(scratch.as_bytes())
}

// === impl Part ===

impl<T: Clone> Part<T> {
    fn compile(
        template: &Template,
        part: &str,
        columns: &[String],
        read: impl Fn(Bytes) -> Result<T, Cause>,
    ) -> Result<Self, LoadError> {
        let bound = template
            .bind(columns)
            .map_err(|source| LoadError::UnknownColumn { part: part.to_owned(), source })?;
        match bound.fixed() {
            Some(text) => read(Bytes::copy_from_slice(text.as_bytes()))
                .map(Self::Same)
                .map_err(|error| not_http(part.to_owned(), text, error)),
            None => Ok(Self::Each(bound)),
        }
    }

    fn of(
        &self,
        part: &str,
        rows: &RowReader,
        row: u64,
        scratch: &mut String,
        read: impl Fn(Bytes) -> Result<T, Cause>,
    ) -> Result<T, LoadError> {
        match self {
            Self::Same(value) => Ok(value.clone()),
            Self::Each(template) => read(rendered(template, rows, row, scratch))
                .map_err(|error| not_http(format!("row {row}: {part}"), scratch, error)),
        }
    }
}

// === impl Prepared ===

impl Prepared {
    /// A copy to send.
    pub(crate) fn to_request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}
