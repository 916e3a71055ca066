//! Which endpoint gets the next request.
//!
//! Each policy sees the ready endpoints of one service with what this worker has in flight on each, and
//! skips those that this request has already tried. All are exact about exclusion: as long as one ready
//! endpoint is left untried, one is picked.

use alloc::string::String;
use core::fmt;

use crate::cluster::Endpoint;
use crate::membership::{EndpointId, Weight};
use crate::rng::{Rng, mix};
use crate::time::Time;

/// The policies, by the names the system file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// In turn, in proportion to the weights, spread as smoothly as possible: nginx's smooth weighted
    /// round robin.
    Weighted,
    /// The fewest in flight for its weight; in turn among equals.
    LeastRequests,
    /// The same endpoint for the same client address while the endpoints stay the same; when one leaves,
    /// only its clients move. Rendezvous hashing (Thaler, Ravishankar 1998).
    IpHash,
    /// Any, as likely as any other.
    Random,
    /// The less loaded of two random ones (Mitzenmacher 2001).
    PowerOfTwo,
    /// Of two random ones the one that will likely answer first: by the time its answers take, a moving mean that
    /// rises at once and falls slowly, times what it has in flight (Twitter Finagle's peak EWMA).
    PeakEwma,
    /// The same endpoint for the same key, as with [`Balance::IpHash`]; one that has more in flight than its bound
    /// is passed over (Mirrokni, Thorup, Zadimoghaddam: "Consistent hashing with bounded loads", SODA 2018).
    ///
    /// Rendezvous hashing, not Maglev's table or ketama's ring: it needs no table that is built anew with each
    /// change, moves no key that it need not move, spreads keys evenly without virtual nodes, and its cost, one
    /// mix per endpoint, is below a microsecond for some hundreds.
    Hash,
}

/// What requests are told apart by, and how uneven the load may become for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HashPolicy {
    /// Requests with the same go to the same endpoint.
    pub by: HashKey,
    /// Percent of the mean that an endpoint may have in flight; 0 for any.
    pub bound: u32,
}

/// What requests are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HashKey {
    /// The client's address.
    #[default]
    ClientIp,
    /// A header, by its name in lower case. Without it, the client's address.
    Header(String),
    /// A cookie. Without it, the client's address.
    Cookie(String),
    /// The path, without its query.
    Path,
}

/// The value of a cookie in a `Cookie` header (RFC 6265 §4.2.1).
pub fn cookie<'a>(header: &'a [u8], name: &str) -> Option<&'a [u8]> {
    header.split(|byte| *byte == b';').find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    })
}

impl Balance {
    /// Whether requests that have a key in common belong together.
    pub const fn is_by_key(self) -> bool {
        matches!(self, Self::IpHash | Self::Hash)
    }

    /// Every policy with its name in the system file.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("round-robin", Self::RoundRobin),
        ("weighted", Self::Weighted),
        ("least-requests", Self::LeastRequests),
        ("ip-hash", Self::IpHash),
        ("random", Self::Random),
        ("power-of-two", Self::PowerOfTwo),
        ("peak-ewma", Self::PeakEwma),
        ("hash", Self::Hash),
    ];
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Self::NAMED.iter().find(|(_, policy)| policy == self).expect("every policy is named");
        f.write_str(name)
    }
}

/// What a pick may look at besides the endpoints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    /// Indices of the ready endpoints; not empty.
    pub(crate) ready: &'a [u16],
    /// Endpoints this request has tried before.
    pub(crate) tried: &'a [EndpointId],
    /// The same for the same client.
    pub(crate) key: u64,
    /// For [`Balance::Hash`]: percent of the mean that an endpoint may have in flight; 0 for any.
    pub(crate) bound: u32,
    /// One that is left out besides, if there is another.
    pub(crate) but: Option<EndpointId>,
    pub(crate) now: Time,
}

impl Choice<'_> {
    fn allows(&self, endpoint: &Endpoint) -> bool {
        !self.tried.contains(&endpoint.member.id) && self.but != Some(endpoint.member.id)
    }
}

/// Picks an index into `endpoints`, or `None` when every ready one was tried. `turn` is the place where
/// the policies that go in turn start; it is theirs to advance.
/// Complexity: O(1) for round robin, random and power of two while nothing was tried, O(ready) otherwise.
pub(crate) fn pick(
    balance: Balance,
    endpoints: &mut [Endpoint],
    choice: Choice<'_>,
    turn: &mut usize,
    rng: &mut Rng,
) -> Option<usize> {
    match balance {
        Balance::RoundRobin => round_robin(endpoints, choice, turn),
        Balance::Weighted => smooth_weighted(endpoints, choice),
        Balance::LeastRequests => least_requests(endpoints, choice, turn),
        Balance::IpHash => rendezvous(endpoints, choice, u64::MAX),
        Balance::Hash => bounded(endpoints, choice),
        Balance::Random => random(endpoints, choice, rng),
        Balance::PowerOfTwo => best_of_two(endpoints, choice, rng, is_less_loaded),
        Balance::PeakEwma => {
            best_of_two(endpoints, choice, rng, |a, b| cost(a, choice.now) < cost(b, choice.now))
        }
    }
}

fn round_robin(endpoints: &[Endpoint], choice: Choice<'_>, turn: &mut usize) -> Option<usize> {
    let start = *turn;
    let ready = choice.ready.len();
    let step = (0..ready).find(|step| {
        let index = usize::from(choice.ready[(start + step) % ready]);
        choice.allows(&endpoints[index])
    })?;
    *turn = (start + step + 1) % ready;
    Some(usize::from(choice.ready[(start + step) % ready]))
}

/// Every eligible endpoint gains its weight; the richest is picked and pays what all gained.
fn smooth_weighted(endpoints: &mut [Endpoint], choice: Choice<'_>) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<usize> = None;
    for &index in choice.ready {
        let index = usize::from(index);
        if !choice.allows(&endpoints[index]) {
            continue;
        }
        let endpoint = &mut endpoints[index];
        let weight = i64::from(endpoint.member.weight.get());
        endpoint.credit += weight;
        total += weight;
        let credit = endpoint.credit;
        if best.is_none_or(|best| credit > endpoints[best].credit) {
            best = Some(index);
        }
    }
    let best = best?;
    endpoints[best].credit -= total;
    Some(best)
}

fn least_requests(endpoints: &[Endpoint], choice: Choice<'_>, turn: &mut usize) -> Option<usize> {
    let ready = choice.ready.len();
    let start = *turn % ready;
    let best = (0..ready)
        .map(|step| usize::from(choice.ready[(start + step) % ready]))
        .filter(|&index| choice.allows(&endpoints[index]))
        .reduce(|best, next| if is_less_loaded(&endpoints[next], &endpoints[best]) { next } else { best })?;
    *turn = (start + 1) % ready;
    Some(best)
}

/// Nobody gets more than the bound while others have less; where all have, any will do.
fn bounded(endpoints: &[Endpoint], choice: Choice<'_>) -> Option<usize> {
    if choice.bound == 0 {
        return rendezvous(endpoints, choice, u64::MAX);
    }
    let ready = choice.ready.iter().map(|&index| &endpoints[usize::from(index)]);
    let total: u64 = ready.map(|endpoint| u64::from(endpoint.in_flight)).sum();
    let mean_times = (total + 1) * u64::from(choice.bound);
    let most = mean_times.div_ceil(100 * choice.ready.len() as u64);
    rendezvous(endpoints, choice, most).or_else(|| rendezvous(endpoints, choice, u64::MAX))
}

/// Among those with less than `most` in flight.
fn rendezvous(endpoints: &[Endpoint], choice: Choice<'_>, most: u64) -> Option<usize> {
    choice
        .ready
        .iter()
        .map(|&index| usize::from(index))
        .filter(|&index| choice.allows(&endpoints[index]))
        .filter(|&index| u64::from(endpoints[index].in_flight) < most)
        .max_by_key(|&index| mix(choice.key ^ mix(u64::from(endpoints[index].member.id.slot) + 1)))
}

fn random(endpoints: &[Endpoint], choice: Choice<'_>, rng: &mut Rng) -> Option<usize> {
    first_allowed_from(below(choice.ready.len(), rng), endpoints, choice)
}

fn best_of_two(
    endpoints: &[Endpoint],
    choice: Choice<'_>,
    rng: &mut Rng,
    is_better: impl Fn(&Endpoint, &Endpoint) -> bool,
) -> Option<usize> {
    let ready = choice.ready.len();
    let place = below(ready, rng);
    let first = first_allowed_from(place, endpoints, choice)?;
    if ready == 1 {
        return Some(first);
    }
    let other = place + 1 + below(ready - 1, rng);
    let second = first_allowed_from(other, endpoints, choice)?;
    Some(if is_better(&endpoints[second], &endpoints[first]) { second } else { first })
}

/// The first endpoint not tried, from a place among the ready ones onwards.
fn first_allowed_from(place: usize, endpoints: &[Endpoint], choice: Choice<'_>) -> Option<usize> {
    round_robin(endpoints, choice, &mut { place })
}

fn below(ready: usize, rng: &mut Rng) -> usize {
    rng.below(u32::try_from(ready).expect("a service has at most 65,536 endpoints")) as usize
}

/// How long a request will likely wait there, for the weight. One that nothing is known of is tried, but not by
/// many at once.
fn cost(endpoint: &Endpoint, now: Time) -> u128 {
    let queue = u128::from(endpoint.in_flight) + 1;
    let expected = match endpoint.latency.nanos(now) {
        0 if endpoint.in_flight > 0 => u128::from(u64::MAX),
        nanos => u128::from(nanos),
    };
    expected * queue * u128::from(Weight::MAX) / u128::from(endpoint.member.weight.get())
}

/// Compares in-flight requests for the weight, across-multiplied so that nothing is rounded.
fn is_less_loaded(a: &Endpoint, b: &Endpoint) -> bool {
    u64::from(a.in_flight) * u64::from(b.member.weight.get())
        < u64::from(b.in_flight) * u64::from(a.member.weight.get())
}

#[cfg(test)]
mod tests;
