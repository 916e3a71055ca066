//! How a purge is written in a query: `path=`, `prefix=`, `tag=` or `everything`, and `host=` for one host.

use floodway_gateway::{Purge, PurgeBy};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a query asks to be purged.
///
/// # Errors
/// What is expected instead.
pub(super) fn parse(query: &str) -> Result<Purge, &'static str> {
    const EXPECTED: &str = "expected one of path=, prefix=, tag= and everything, and host= if need be";
    let mut host = None;
    let mut by = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8().map_err(|_not_text| EXPECTED)?.into_owned();
        let (is_twice, is_empty) = (name != "host" && by.is_some(), value.is_empty());
        match name {
            _ if is_twice || (is_empty && name != "everything") => return Err(EXPECTED),
            "host" => host = Some(value),
            "path" => by = Some(PurgeBy::Path(value)),
            "prefix" => by = Some(PurgeBy::Prefix(value)),
            "tag" => by = Some(PurgeBy::Tag(value)),
            "everything" => by = Some(PurgeBy::Everything),
            _ => return Err(EXPECTED),
        }
    }
    by.map(|by| Purge { host, by }).ok_or(EXPECTED)
}

/// The query of a purge.
pub(super) fn query(purge: &Purge) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let by = match &purge.by {
        PurgeBy::Path(path) => format!("path={}", encoded(path)),
        PurgeBy::Prefix(prefix) => format!("prefix={}", encoded(prefix)),
        PurgeBy::Tag(tag) => format!("tag={}", encoded(tag)),
        PurgeBy::Everything => "everything".to_owned(),
    };
    let host = purge.host.as_ref().map(|host| format!("&host={}", encoded(host)));
    by + &host.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let texts = ["/a", "/a b?c=d&e=%2F", "ä/*"];
        let all = texts.iter().flat_map(|text| {
            let text = (*text).to_owned();
            [PurgeBy::Path(text.clone()), PurgeBy::Prefix(text.clone()), PurgeBy::Tag(text)]
        });
        for by in all.chain([PurgeBy::Everything]) {
            for host in [None, Some("shop.example:8080".to_owned())] {
                let purge = Purge { host, by: by.clone() };
                assert_eq!(parse(&query(&purge)), Ok(purge));
            }
        }
    }

    #[test]
    fn refuses_what_is_not_one_purge() {
        for query in ["", "host=a", "path=", "path=/a&tag=b", "pth=/a", "path=%ff", "everything&everything"] {
            assert!(parse(query).is_err(), "{query}");
        }
    }
}
