//! What a client gets in the place of an answer that no service gave.

use alloc::string::String;
use alloc::vec::Vec;

use crate::exchange::Refusal;

/// An answer that is always the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallbackPolicy {
    /// Its status, from 200 to 599.
    pub status: u16,
    /// Its headers; names and values are ones of HTTP, and say nothing of where the body ends.
    pub headers: Vec<(String, String)>,
    /// Its body; none where the status has none.
    pub body: String,
}

/// Statuses whose answers have no body, or none that may be given (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
pub const WITHOUT_BODY: [u16; 3] = [204, 205, 304];

impl FallbackPolicy {
    /// Whether it stands in for a refusal: where the service could not answer, not where the client's own
    /// request or time was at fault.
    pub const fn covers(why: Refusal) -> bool {
        match why {
            Refusal::NoEndpoint
            | Refusal::Overloaded
            | Refusal::BreakerOpen
            | Refusal::Unreachable
            | Refusal::BadGateway
            | Refusal::TimedOut => true,
            Refusal::TooLate | Refusal::RequestBody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_in_for_the_service_alone() {
        let all = [
            Refusal::NoEndpoint,
            Refusal::Overloaded,
            Refusal::BreakerOpen,
            Refusal::Unreachable,
            Refusal::BadGateway,
            Refusal::TooLate,
            Refusal::TimedOut,
            Refusal::RequestBody,
        ];
        let covered = all.map(|why| (FallbackPolicy::covers(why), why.status()));
        let expected = [
            (true, 503),
            (true, 503),
            (true, 503),
            (true, 502),
            (true, 502),
            (false, 504),
            (true, 504),
            (false, 400),
        ];
        assert_eq!(covered, expected);
    }
}
