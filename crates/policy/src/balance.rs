//! Which endpoint gets the next request.
//!
//! Each policy sees the ready endpoints of one service with what this worker has in flight on each, and
//! skips those that this request has already tried. All are exact about exclusion: as long as one ready
//! endpoint is left untried, one is picked.

use alloc::string::String;
use core::fmt;

use crate::cluster::Endpoint;
use crate::membership::{EndpointId, Weight};
use crate::rng::{Rng, fold, mix};
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
    /// product per endpoint, is about a microsecond for a thousand.
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
    /// Tell them apart where keys are spread, in the same order.
    pub(crate) salts: &'a [u64],
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
        let is_any = self.tried.is_empty() && self.but.is_none();
        is_any || (!self.tried.contains(&endpoint.member.id) && self.but != Some(endpoint.member.id))
    }

    /// The ready ones from a place among them onwards, each once.
    fn in_turn(&self, start: usize) -> impl Iterator<Item = usize> {
        let (before, from) = self.ready.split_at(start);
        from.iter().chain(before).map(|&index| usize::from(index))
    }
}

/// Picks an index into `endpoints`, or `None` when every ready one was tried. `turn` is the place where
/// the policies that go in turn start; it is theirs to advance.
/// Complexity: O(1) for round robin, random, power of two and peak EWMA while nothing was tried, O(ready) otherwise;
/// least requests looks no further than the first that has none.
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
    let start = *turn % choice.ready.len();
    let mut in_turn = choice.in_turn(start).enumerate();
    let (step, index) = in_turn.find(|(_, index)| choice.allows(&endpoints[*index]))?;
    *turn = start + step + 1;
    Some(index)
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
    let start = *turn % choice.ready.len();
    *turn = start + 1;
    let mut best: Option<(Load, usize)> = None;
    for index in choice.in_turn(start) {
        let endpoint = &endpoints[index];
        let load = Load::of(endpoint);
        if choice.allows(endpoint) && best.is_none_or(|(least, _)| load.is_less(least)) {
            best = Some((load, index));
        }
        if best.is_some_and(|(least, _)| least.in_flight == 0) {
            // Nobody has less.
            break;
        }
    }
    best.map(|(_, index)| index)
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

/// Among those with less than `most` in flight. Nearly always the first look, at salts alone, is all there is.
fn rendezvous(endpoints: &[Endpoint], choice: Choice<'_>, most: u64) -> Option<usize> {
    let may = |endpoint: &Endpoint| u64::from(endpoint.in_flight) < most && choice.allows(endpoint);
    let home = highest(choice, |_| true).filter(|&index| may(&endpoints[index]));
    home.or_else(|| highest(choice, |index| may(&endpoints[index])))
}

/// The one with the highest score for the key.
fn highest(choice: Choice<'_>, may: impl Fn(usize) -> bool) -> Option<usize> {
    let mut best: Option<(u64, usize)> = None;
    let key = mix(choice.key);
    for (&index, salt) in choice.ready.iter().zip(choice.salts) {
        let score = fold(key ^ salt);
        if best.is_none_or(|(highest, _)| score > highest) && may(usize::from(index)) {
            best = Some((score, usize::from(index)));
        }
    }
    best.map(|(_, index)| index)
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

/// Requests in flight, for the weight.
#[derive(Debug, Clone, Copy)]
struct Load {
    in_flight: u32,
    weight: u32,
}

impl Load {
    const fn of(endpoint: &Endpoint) -> Self {
        Self { in_flight: endpoint.in_flight, weight: endpoint.member.weight.get() }
    }

    /// Across-multiplied, so that nothing is rounded.
    fn is_less(self, other: Self) -> bool {
        u64::from(self.in_flight) * u64::from(other.weight)
            < u64::from(other.in_flight) * u64::from(self.weight)
    }
}

fn is_less_loaded(a: &Endpoint, b: &Endpoint) -> bool {
    Load::of(a).is_less(Load::of(b))
}

#[cfg(test)]
mod tests;
