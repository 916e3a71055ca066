//! What a request that changes something makes invalid (RFC 9111 §4.4).

/// Whether a request with this method and answer makes invalid what is stored for its target.
pub fn invalidates(method: &str, status: u16) -> bool {
    !is_safe(method) && (200..400).contains(&status)
}

/// Whether a method changes nothing (RFC 9110 §9.2.1).
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// The path and query that a `Location` or `Content-Location` names, where it is on the same host; others
/// could be named to harm.
pub fn local_target<'a>(host: &str, location: &'a str) -> Option<&'a str> {
    let target = match location.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
                return None;
            }
            let len = rest.find('/')?;
            let (authority, target) = rest.split_at_checked(len)?;
            authority.eq_ignore_ascii_case(host).then_some(target)?
        }
        _ if location.starts_with('/') && !location.starts_with("//") => location,
        _ => return None,
    };
    target.split('#').next()
}
