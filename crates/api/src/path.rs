//! Paths and queries as the API reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};

use crate::error::ApiError;

/// Request metadata: what stands in the query as `metadata.<name>=<value>`.
pub(crate) type Metadata = BTreeMap<String, String>;

/// The segments of a path, decoded; double slashes and a trailing one make no segment. `None` for a path
/// that is no UTF-8, which names nothing of ours.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned())).collect()
}

/// The parameters of a query, decoded; of two with one name the first counts.
pub(crate) fn query(uri: &Uri) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = BTreeMap::new();
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decode(name)).or_insert_with(|| decode(value));
    }
    parameters
}

/// All values of a parameter of a query, decoded, in their order.
pub(crate) fn values(uri: &Uri, name: &str) -> Vec<String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(found, _)| decode(found) == name).map(|(_, value)| decode(value)).collect()
}

/// A text as a segment of a path (RFC 3986 §2.3).
pub(crate) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, PLAIN)
}

/// Letters that need no escape.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The request metadata among the parameters of a query.
pub(crate) fn metadata(query: &BTreeMap<String, String>) -> Metadata {
    let named = query.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("metadata.")?;
        Some((name.to_owned(), value.clone()))
    });
    named.collect()
}

/// A property of metadata; its name is found in any case.
pub(crate) fn property<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a str> {
    let found = metadata.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Whether a property is switched on, by any word that Dapr reads so.
pub(crate) fn is_on(metadata: &Metadata, name: &str) -> bool {
    let words = ["true", "yes", "on", "t", "y", "1"];
    property(metadata, name).is_some_and(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word)))
}

/// The time to live that metadata asks for; `None` where it asks for none, or to remove it (-1 or 0).
pub(crate) fn ttl(metadata: &Metadata) -> Result<Option<Duration>, ApiError> {
    let Some(text) = property(metadata, "ttlInSeconds") else { return Ok(None) };
    let wrong =
        |error| ApiError::malformed(format!("ttlInSeconds `{text}` is no number of seconds: {error}"));
    let seconds: i32 = text.parse().map_err(wrong)?;
    if seconds < -1 {
        return Err(ApiError::malformed(format!("ttlInSeconds is {seconds}: it must be -1 or greater")));
    }
    Ok(u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_slashes_and_decodes() {
        assert_eq!(segments("//v1.0/state/a%2Fb/").expect("a path"), ["v1.0", "state", "a/b"]);
        assert_eq!(segments("/%ff"), None);
    }

    #[test]
    fn a_bare_question_mark_is_no_parameter() {
        assert!(query(&Uri::from_static("/s?")).is_empty());
    }

    #[test]
    fn the_first_of_two_values_counts() {
        let query = query(&Uri::from_static("/s?metadata.a=1&metadata.a=2&b=3"));
        assert_eq!(metadata(&query), Metadata::from([("a".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn reads_a_time_to_live() {
        let of = |name: &str, text: &str| ttl(&Metadata::from([(name.to_owned(), text.to_owned())]));
        assert_eq!(of("ttlInSeconds", "3"), Ok(Some(Duration::from_secs(3))));
        assert_eq!(of("ttlinseconds", "3"), Ok(Some(Duration::from_secs(3))));
        assert_eq!(of("ttlInSeconds", "-1"), Ok(None));
        for wrong in ["foo", "", "1.5", "-2", "2147483648", "9223372036854775807"] {
            assert!(of("ttlInSeconds", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reads_switches_in_any_case() {
        let of =
            |text: &str| is_on(&Metadata::from([("rawPayload".to_owned(), text.to_owned())]), "rawpayload");
        assert!(of("true") && of("True") && of("1"));
        assert!(!of("false") && !of("") && !of("0"));
    }
}
