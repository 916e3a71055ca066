//! How often a client may ask: the generic cell rate algorithm (ITU-T I.371), which spreads what is allowed evenly
//! and lets a burst through, with one number per client.

use alloc::boxed::Box;
use alloc::string::String;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::time::Time;

/// How often, and whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitPolicy {
    /// Requests per `per`; at least 1.
    pub rate: u32,
    /// The time that `rate` is for.
    pub per: Duration,
    /// Requests that may come at once; at least 1.
    pub burst: u32,
    /// Whose.
    pub key: RateKey,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateKey {
    /// All of the route.
    Route,
    /// Those of one address; of one /64 in IPv6, as a client has all of it.
    ClientIp,
    /// Those with the same value of this header, in lower case; those without it together.
    Header(String),
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Nothing where it may go on; else how long until one may.
    pub wait: Option<Duration>,
    /// Requests that may follow at once.
    pub left: u32,
    /// Until all of the burst is there again.
    pub reset: Duration,
}

/// The counts of one limit, for all workers of a node: what a client may do must not depend on which of them it
/// meets. Nobody waits for anybody: a count is one number that is compared and swapped.
///
/// The clients that are counted are bounded. Where there are too many, each new one takes the place of the one
/// that owes least among a few; should two threads do so at once, one request may be counted for the other's
/// client.
#[derive(Debug)]
pub struct RateLimit {
    /// Nanoseconds between two requests.
    interval: u64,
    /// Nanoseconds that a client may be ahead.
    tolerance: u64,
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Whose; 0 for nobody.
    key: AtomicU64,
    /// When the client will have made up for all it asked ("theoretical arrival time"), in nanoseconds.
    due: AtomicU64,
}

/// Clients that one limit counts. A place takes 16 bytes.
const CLIENTS_MAX: usize = 1 << 16;
/// Places that a client may have.
const WAYS: usize = 8;

impl RateLimitPolicy {
    /// Time between two requests once the burst is used up.
    pub fn interval(&self) -> Duration {
        (self.per / self.rate.max(1)).max(Duration::from_nanos(1))
    }

    /// The time after which a whole burst is there again.
    pub fn window(&self) -> Duration {
        self.interval().saturating_mul(self.burst.max(1))
    }
}

impl RateLimit {
    /// Nobody has asked for anything.
    pub fn new(policy: &RateLimitPolicy) -> Self {
        let interval = nanos(policy.interval());
        let slots = match policy.key {
            RateKey::Route => WAYS,
            RateKey::ClientIp | RateKey::Header(_) => CLIENTS_MAX,
        };
        Self {
            interval,
            tolerance: interval.saturating_mul(u64::from(policy.burst.max(1)) - 1),
            slots: (0..slots).map(|_| Slot::default()).collect(),
        }
    }

    /// Counts a request of a client. What is refused is not counted.
    pub fn take(&self, key: u64, now: Time) -> Verdict {
        let slot = self.slot(key);
        let now = now.nanos();
        let ahead_of = |due: u64| due.saturating_sub(now);
        let counted = slot.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let is_allowed = ahead_of(due) <= self.tolerance;
            is_allowed.then(|| due.max(now).saturating_add(self.interval))
        });
        match counted {
            Ok(due) => {
                let ahead = ahead_of(due);
                let left = u32::try_from((self.tolerance - ahead) / self.interval).unwrap_or(u32::MAX);
                let reset = Duration::from_nanos(ahead.saturating_add(self.interval));
                Verdict { wait: None, left, reset }
            }
            Err(due) => {
                let ahead = ahead_of(due);
                let wait = Some(Duration::from_nanos(ahead - self.tolerance));
                Verdict { wait, left: 0, reset: Duration::from_nanos(ahead) }
            }
        }
    }

    /// The place of a client: its own, or that of the one who owes least.
    fn slot(&self, key: u64) -> &Slot {
        // Zero stands for nobody.
        let key = key.max(1);
        let sets = self.slots.len() / WAYS;
        let set = usize::try_from(key % sets as u64).unwrap_or_default() * WAYS;
        let ways = &self.slots[set..set + WAYS];
        if let Some(own) = ways.iter().find(|slot| slot.key.load(Ordering::Relaxed) == key) {
            return own;
        }
        let least = ways.iter().min_by_key(|slot| slot.due.load(Ordering::Relaxed));
        let slot = least.unwrap_or(&ways[0]);
        slot.key.store(key, Ordering::Relaxed);
        slot.due.store(0, Ordering::Relaxed);
        slot
    }
}

/// What stands for a client by its address: all of one in IPv4; in IPv6 the /64 that one client has to itself
/// (RFC 6177).
pub fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or_default(),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    fn policy(rate: u32, burst: u32, key: RateKey) -> RateLimitPolicy {
        RateLimitPolicy { rate, per: Duration::from_secs(1), burst, key }
    }

    fn at(millis: u64) -> Time {
        Time::ZERO.after(Duration::from_millis(millis))
    }

    #[test]
    fn a_burst_passes_and_then_one_each_interval() {
        let limit = RateLimit::new(&policy(10, 3, RateKey::Route));
        let left: Vec<_> = (0..3).map(|_| limit.take(7, at(0)).left).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = limit.take(7, at(0));
        assert_eq!(
            (refused.wait, refused.reset),
            (Some(Duration::from_millis(100)), Duration::from_millis(300))
        );
        assert!(limit.take(7, at(99)).wait.is_some() && limit.take(7, at(100)).wait.is_none());
        assert_eq!(limit.take(7, at(5_000)).left, 2, "all of it is there again");
    }

    #[test]
    fn a_client_is_an_address_or_a_64() {
        let network = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:0:0:9"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn clients_do_not_share() {
        let limit = RateLimit::new(&policy(1, 1, RateKey::ClientIp));
        assert!(limit.take(1, at(0)).wait.is_none() && limit.take(2, at(0)).wait.is_none());
        assert!(limit.take(1, at(0)).wait.is_some());
    }

    #[test]
    fn the_one_who_owes_least_makes_room() {
        let limit = RateLimit::new(&policy(1, 1, RateKey::Route));
        (1..=WAYS as u64).for_each(|key| assert!(limit.take(key, at(key)).wait.is_none()));
        assert!(limit.take(100, at(9)).wait.is_none());
        assert!(limit.take(WAYS as u64, at(10)).wait.is_some(), "it still owes");
        assert!(limit.take(1, at(10)).wait.is_none(), "it was forgotten");
    }

    proptest! {
        /// However requests come: of one client no more pass than the burst and the rate times the time.
        #[test]
        fn never_allows_more(pauses in vec(0_u64..200, 1..500), rate in 1_u32..200, burst in 1_u32..50) {
            let limit = RateLimit::new(&policy(rate, burst, RateKey::Route));
            let (mut now, mut passed) = (0, 0_u32);
            for pause in pauses {
                now += pause;
                passed += u32::from(limit.take(1, at(now)).wait.is_none());
            }
            let allowed = f64::from(rate) * now as f64 / 1e3 + f64::from(burst);
            prop_assert!(f64::from(passed) <= allowed + 1.0, "{passed} of {allowed}");
        }

        /// Whoever waits as long as told passes then.
        #[test]
        fn the_wait_is_enough(rate in 1_u32..1_000, burst in 1_u32..20, asked in 1_usize..100) {
            let limit = RateLimit::new(&policy(rate, burst, RateKey::Route));
            let mut now = Time::ZERO;
            for _ in 0..asked {
                if let Some(wait) = limit.take(1, now).wait {
                    now = now.after(wait);
                    prop_assert!(limit.take(1, now).wait.is_none());
                }
            }
        }
    }
}
