//! Requests to something outside of the system, as an output binding. A connection for each: what is asked
//! here is rare.

mod client;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::bindings::{BindingError, Invocation, OutputBinding, Reply};
use floodway_blocks::engine::OptionKind;
use floodway_blocks::{Block, EngineDescription, Failure, OptionDescription, PortFuture};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};

use self::client::Client;

/// The engine's name in the system file and in failures.
pub const NAME: &str = "http";

/// How the engine describes itself to the system file.
pub const DESCRIPTION: EngineDescription = EngineDescription {
    name: NAME,
    serves: &[Block::Bindings],
    options: &[
        option(
            "url",
            OptionKind::Text,
            None,
            "Where requests go, `http:` or `https:`. An invocation may add a `path`.",
        ),
        option(
            "error-unless-2xx",
            OptionKind::Flag,
            Some("true"),
            "Whether any other status is an error for the service; its `errorIfNot2XX` comes first.",
        ),
        option("response-timeout", OptionKind::Duration, Some("30s"), "Time for the whole answer."),
        option(
            "response-bytes",
            OptionKind::Size,
            Some("16MiB"),
            "The largest answer; a larger one is an error.",
        ),
        option(
            "token-header",
            OptionKind::Literal,
            Some(""),
            "The header that carries `token`, as in `Authorization`.",
        ),
        option(
            "token",
            OptionKind::Literal,
            Some(""),
            "Sent with each request. Take it from the environment: `\"${env:MAIL_TOKEN}\"`.",
        ),
    ],
    outbox: false,
};

const fn option(
    name: &'static str,
    kind: OptionKind,
    default: Option<&'static str>,
    doc: &'static str,
) -> OptionDescription {
    OptionDescription { name, blocks: &[Block::Bindings], kind, default, doc }
}

const OPERATIONS: &[&str] = &["create", "get", "head", "post", "put", "patch", "delete", "options", "trace"];
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// How requests are sent.
#[derive(Clone)]
pub struct HttpOptions {
    /// Where they go.
    pub url: String,
    /// Whether any status but 2xx is an error.
    pub errs_unless_2xx: bool,
    /// Time for the whole answer.
    pub response_timeout: Duration,
    /// The largest answer in bytes.
    pub response_bytes: usize,
    /// A header and its secret value.
    pub token: Option<(String, String)>,
}

/// One place outside of the system that speaks HTTP.
pub struct HttpBinding {
    url: String,
    options: HttpOptions,
    token: Option<(HeaderName, HeaderValue)>,
    client: Client,
}

impl HttpBinding {
    /// Makes it ready; nothing is sent.
    pub fn new(options: HttpOptions) -> Result<Self, Failure> {
        let url = options.url.clone();
        client::target(&url.parse::<Uri>().map_err(|error| invalid(&url, error.to_string()))?)
            .map_err(|why| invalid(&url, why))?;
        let token = options.token.as_ref().map(|(name, value)| token(name, value)).transpose();
        let token = token.map_err(|why| invalid("token", why))?;
        Ok(Self { url, options, token, client: Client::default() })
    }

    fn request(&self, invocation: &Invocation) -> Result<Request<Bytes>, BindingError> {
        let Invocation { operation, data, metadata } = invocation;
        let malformed = |why: String| BindingError::Malformed(why);
        let unknown = || BindingError::UnknownOperation { operation: operation.clone(), known: OPERATIONS };
        let name = OPERATIONS.iter().find(|name| operation.eq_ignore_ascii_case(name)).ok_or_else(unknown)?;
        let name = if *name == "create" { "post" } else { name };
        let method: Method = name.to_ascii_uppercase().parse().map_err(|_invalid| unknown())?;
        let url = match metadata.get("path").filter(|path| !path.is_empty()) {
            Some(path) => format!("{}/{}", self.url.trim_end_matches('/'), path.trim_start_matches('/')),
            None => self.url.clone(),
        };
        let uri: Uri = url.parse().map_err(|error| malformed(format!("`{url}` is no URL: {error}")))?;
        let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
        let mut request = Request::new(if has_body { data.clone() } else { Bytes::new() });
        if has_body {
            request.headers_mut().insert(CONTENT_TYPE, JSON);
        }
        request.headers_mut().insert(ACCEPT, JSON);
        for (name, value) in metadata.iter().filter(|(name, _)| is_header(name)) {
            let wrong = || malformed(format!("the metadata `{name}` is no header"));
            let header: HeaderName = name.parse().map_err(|_invalid| wrong())?;
            let value = HeaderValue::from_str(value).map_err(|_invalid| wrong())?;
            request.headers_mut().insert(header, value);
        }
        if let Some((name, value)) = &self.token {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        Ok(request)
    }
}

/// Metadata whose names begin with a capital letter are headers; so is what tells of traces.
fn is_header(name: &str) -> bool {
    let is_capital = name.starts_with(|c: char| c.is_ascii_uppercase());
    let is_framing = ["host", "content-length", "transfer-encoding", "connection"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing));
    (is_capital && !is_framing) || matches!(name, "traceparent" | "tracestate" | "baggage")
}

fn token(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name: HeaderName = name.parse().map_err(|error| format!("its header: {error}"))?;
    let mut value = HeaderValue::from_str(value).map_err(|error| format!("its value: {error}"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn invalid(what: &str, why: String) -> Failure {
    crate::failure::invalid(NAME, what, why)
}

/// The headers, joined where there are several of one name, and the status in two forms.
fn metadata(response: &Response<Bytes>) -> BTreeMap<String, String> {
    let status = response.status();
    let mut metadata = BTreeMap::new();
    let headers: &HeaderMap = response.headers();
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        metadata.insert(name.as_str().to_owned(), values.join(", "));
    }
    metadata.insert("statusCode".to_owned(), status.as_str().to_owned());
    metadata.insert("status".to_owned(), status.to_string());
    metadata
}

impl OutputBinding for HttpBinding {
    fn invoke(&self, invocation: Invocation) -> PortFuture<'_, Result<Reply, BindingError>> {
        Box::pin(async move {
            let errs = match invocation.metadata.get("errorIfNot2XX").filter(|word| !word.is_empty()) {
                Some(word) => {
                    ["true", "yes", "on", "t", "y", "1"].iter().any(|it| word.eq_ignore_ascii_case(it))
                }
                None => self.options.errs_unless_2xx,
            };
            let request = self.request(&invocation)?;
            let asked = format!("ask {}", request.uri());
            let sent = self.client.send(request, self.options.response_bytes);
            let response = match tokio::time::timeout(self.options.response_timeout, sent).await {
                Ok(response) => response,
                Err(_elapsed) => Err(std::io::Error::other(format!(
                    "no answer within {:?}",
                    self.options.response_timeout
                ))),
            };
            let response = response.map_err(|error| crate::failure::failed(NAME, asked, error))?;
            let status = response.status();
            let reply = Reply { metadata: metadata(&response), data: response.into_body() };
            if errs && !status.is_success() {
                return Err(BindingError::Refused {
                    why: format!("received status code {}", status.as_u16()),
                    reply,
                });
            }
            Ok(reply)
        })
    }
}

impl fmt::Debug for HttpBinding {
    /// Without the token, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBinding").field("url", &self.url).finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpOptions {
    /// As above.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(url: &str) -> HttpBinding {
        let options = HttpOptions {
            url: url.to_owned(),
            errs_unless_2xx: true,
            response_timeout: Duration::from_secs(5),
            response_bytes: 1 << 20,
            token: Some(("X-Token".to_owned(), "hush".to_owned())),
        };
        HttpBinding::new(options).unwrap()
    }

    fn request(operation: &str, metadata: &[(&str, &str)]) -> Result<Request<Bytes>, BindingError> {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let data = Bytes::from_static(b"{}");
        let invocation = Invocation { operation: operation.to_owned(), data, metadata: metadata.collect() };
        binding("http://mail.example/v1/").request(&invocation)
    }

    #[test]
    fn operations_are_methods() {
        for (operation, method, body) in
            [("create", "POST", "{}"), ("PATCH", "PATCH", "{}"), ("get", "GET", "")]
        {
            let request = request(operation, &[]).unwrap();
            assert_eq!((request.method().as_str(), &request.body()[..]), (method, body.as_bytes()));
            assert_eq!(request.headers().contains_key(CONTENT_TYPE), !body.is_empty());
        }
        assert!(matches!(request("list", &[]), Err(BindingError::UnknownOperation { .. })));
    }

    #[test]
    fn metadata_adds_a_path_and_headers() {
        let request = request(
            "get",
            &[("path", "/a?b=1"), ("X-Own", "1"), ("lower", "2"), ("Accept", "*/*"), ("Host", "x")],
        );
        let request = request.unwrap();
        assert_eq!(request.uri(), "http://mail.example/v1/a?b=1");
        assert_eq!(
            (&request.headers()["x-own"], &request.headers()[ACCEPT]),
            (&HeaderValue::from(1), &HeaderValue::from_static("*/*"))
        );
        assert!(!request.headers().contains_key("lower") && !request.headers().contains_key("host"));
        assert_eq!(request.headers()["x-token"], "hush");
        assert!(!format!("{:?} {request:?}", binding("http://a")).contains("hush"));
        let broken = super::tests::request("get", &[("X-Own", "a\nb")]);
        assert!(matches!(broken, Err(BindingError::Malformed(_))));
    }

    #[test]
    fn a_url_is_checked_when_it_is_made() {
        let of = |url: &str| {
            let options = HttpOptions { url: url.to_owned(), ..binding("http://a").options };
            HttpBinding::new(options).map(drop)
        };
        assert!(of("https://a.example:8443/x").is_ok());
        for url in ["", "/path", "ftp://a", "a.example", "http://"] {
            assert!(of(url).is_err(), "{url}");
        }
    }
}
