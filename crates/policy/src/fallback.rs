//! What a client gets in the place of an answer that no service gave.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::exchange::Refusal;
use crate::snapshot::RoutePolicy;

/// What is tried, in this order, where a route's service cannot answer. A stale response of the cache comes before
/// all of it.
#[derive(Debug, Clone)]
pub struct FallbackPolicy {
    /// Another service, asked as by a route of its own.
    pub to: Option<Box<RoutePolicy>>,
    /// What clients get where nobody answers, if not a problem.
    pub answer: Option<FixedAnswer>,
}

/// An answer that is always the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedAnswer {
    /// Its status, from 200 to 599.
    pub status: u16,
    /// Its headers; names and values are ones of HTTP, and say nothing of where the body ends.
    pub headers: Vec<(String, String)>,
    /// Its body; none where the status has none.
    pub body: String,
}

/// What stood in for a route's service that could not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// A stale response of the cache.
    Stale,
    /// Another service, whatever it said.
    Service,
    /// An answer that is always the same.
    Answer,
}

/// Statuses whose answers have no body, or none that may be given (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
pub const WITHOUT_BODY: [u16; 3] = [204, 205, 304];

// === impl StandIn ===

impl StandIn {
    /// All there are, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Stale, Self::Service, Self::Answer];

    /// Its word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Service => "service",
            Self::Answer => "answer",
        }
    }
}

// === impl FallbackPolicy ===

impl FallbackPolicy {
    /// Whether anything stands in for a refusal: where the service could not answer, not where the client's own
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

    /// Where a request goes that was refused so, as its service could not answer; `idempotent` says whether doing
    /// it twice is as good as once. One that reached a replica may have been done, so another one must not do it
    /// again.
    pub fn elsewhere(&self, why: Refusal, idempotent: bool) -> Option<&RoutePolicy> {
        let may_be_done = matches!(why, Refusal::BadGateway | Refusal::TimedOut);
        let may_go = Self::covers(why) && (idempotent || !may_be_done);
        self.to.as_deref().filter(|_| may_go)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_may_have_been_done_goes_nowhere_else() {
        let to = Some(Box::new(crate::snapshot::test_support::route()));
        let policy = FallbackPolicy { to, answer: None };
        let goes = |why, idempotent| policy.elsewhere(why, idempotent).is_some();
        assert!(goes(Refusal::NoEndpoint, false) && goes(Refusal::Unreachable, false));
        assert!(goes(Refusal::BadGateway, true) && !goes(Refusal::BadGateway, false));
        assert!(goes(Refusal::TimedOut, true) && !goes(Refusal::TimedOut, false));
        assert!(!goes(Refusal::RequestBody, true) && !goes(Refusal::TooLate, true));
        let nobody = FallbackPolicy { to: None, answer: None };
        assert!(nobody.elsewhere(Refusal::NoEndpoint, true).is_none());
    }

    #[test]
    fn what_stands_in_has_its_place_and_its_word() {
        let places = StandIn::ALL.map(|by| (by as usize, by.as_str()));
        assert_eq!(places, [(0, "stale"), (1, "service"), (2, "answer")]);
    }

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
