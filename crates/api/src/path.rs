//! Paths and queries as the API reads them.

use std::collections::BTreeMap;

use http::Uri;
use percent_encoding::percent_decode_str;

use crate::error::ApiError;

/// Request metadata: what stands in the query as `metadata.<name>=<value>`.
pub(crate) type Metadata = BTreeMap<String, String>;

/// The segments of a path, decoded; double slashes and a trailing one make no segment.
pub(crate) fn segments(path: &str) -> Result<Vec<String>, ApiError> {
    path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

fn decode(text: &str) -> Result<String, ApiError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|error| ApiError::malformed(format!("the path is no UTF-8: {error}")))
}

/// The parameters of a query, decoded; of two with one name the first counts.
pub(crate) fn query(uri: &Uri) -> Result<BTreeMap<String, String>, ApiError> {
    let mut parameters = BTreeMap::new();
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(&value.replace('+', " "))?;
        parameters.entry(decode(name)?).or_insert(value);
    }
    Ok(parameters)
}

/// The request metadata among the parameters of a query.
pub(crate) fn metadata(query: &BTreeMap<String, String>) -> Metadata {
    let named = query.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("metadata.")?;
        Some((name.to_owned(), value.clone()))
    });
    named.collect()
}

/// The time to live that metadata asks for; `None` where it asks for none, or to remove it (-1 or 0).
pub(crate) fn ttl(metadata: &Metadata) -> Result<Option<std::time::Duration>, ApiError> {
    let Some(text) = metadata.get("ttlInSeconds") else { return Ok(None) };
    let wrong = |error| ApiError::malformed(format!("ttlInSeconds `{text}` is no whole number: {error}"));
    let seconds: i64 = text.parse().map_err(wrong)?;
    Ok(u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).map(std::time::Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_slashes_and_decodes() {
        assert_eq!(segments("//v1.0/state/a%2Fb/").expect("a path"), ["v1.0", "state", "a/b"]);
        assert!(segments("/%ff").is_err());
    }

    #[test]
    fn a_bare_question_mark_is_no_parameter() {
        assert!(query(&Uri::from_static("/s?")).expect("a query").is_empty());
    }

    #[test]
    fn the_first_of_two_values_counts() {
        let query = query(&Uri::from_static("/s?metadata.a=1&metadata.a=2&b=3")).expect("a query");
        assert_eq!(metadata(&query), Metadata::from([("a".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn reads_a_time_to_live() {
        let of = |text: &str| ttl(&Metadata::from([("ttlInSeconds".to_owned(), text.to_owned())]));
        assert_eq!(of("3"), Ok(Some(std::time::Duration::from_secs(3))));
        assert_eq!(of("-1"), Ok(None));
        assert!(of("foo").is_err());
    }
}
