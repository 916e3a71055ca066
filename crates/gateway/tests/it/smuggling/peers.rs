//! What the gateway sends is sent again to two servers that nobody here wrote: both must count the same
//! requests in it, with the same method, target and length of body.

mod nginx;
mod node;

use super::play::{Client, Stage};
use super::recorder::{Reading, Seen};
use super::{case, cases, downgrade};
use crate::support::PATIENCE;

/// A request as a server counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counted {
    method: String,
    target: String,
    body_len: usize,
}

/// A server that says what it was asked.
trait Peer {
    const NAME: &'static str;

    fn address(&self) -> std::net::SocketAddr;

    /// The requests it has counted since the last call, at least so many.
    fn take(&mut self, at_least: usize) -> Vec<Counted>;
}

/// Requests that one of them refuses to serve, though it reads them as we do.
const REFUSED_BY: &[(&str, &str, &str)] =
    &[("nginx", "no Host in HTTP/1.0", "it takes no empty Host, which RFC 9112 §3.2 asks for")];

#[test]
fn nginx_counts_the_same_requests() {
    compare(&mut nginx::Nginx::start());
}

#[test]
fn node_counts_the_same_requests() {
    compare(&mut node::Node::start());
}

fn compare<P: Peer>(peer: &mut P) {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, seen) in forwarded().iter().flat_map(by_connection) {
        compared += 1;
        let ours: Vec<_> = seen.iter().filter_map(ours).collect();
        let theirs = replay(peer, seen, &ours);
        let is_refused = REFUSED_BY.iter().any(|(peer, case, _)| *peer == P::NAME && *case == name);
        match theirs {
            Ok(theirs) if !is_refused && theirs == ours => {}
            Err(_) if is_refused => {}
            other => wrong.push(format!("{name}: {} saw {other:?}, we {ours:?}", P::NAME)),
        }
    }
    println!("{} read what the gateway sent on {compared} connections as we do", P::NAME);
    assert!(compared > 90, "only {compared} are compared");
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Each connection of a case apart, as it was.
fn by_connection((name, seen): &(String, Vec<Seen>)) -> impl Iterator<Item = (&str, &[Seen])> {
    seen.chunk_by(|a, b| a.connection == b.connection).map(|seen| (name.as_str(), seen))
}

/// What the service was sent in each case that is passed on.
fn forwarded() -> Vec<(String, Vec<Seen>)> {
    let stage = Stage::new(PATIENCE);
    let passes =
        |case: &case::Case| matches!(case.must, case::Must::Forward(_) | case::Must::Refuse([_, ..], _));
    let of_http1 = cases().into_iter().filter(passes).map(|case| {
        let seen = stage.play(&case).unwrap_or_else(|why| panic!("{}: {why}", case.name));
        (case.name.into_owned(), seen)
    });
    let of_http1: Vec<_> = of_http1.collect();
    of_http1.into_iter().chain(downgrade::forwarded(&stage)).collect()
}

fn ours(seen: &Seen) -> Option<Counted> {
    let Reading::Whole(request) = &seen.reading else { return None };
    let (method, target) = (request.method.clone(), request.target.replace("\\\\", "\\").replace("\\'", "'"));
    Some(Counted { method, target, body_len: request.body.len() })
}

/// Sends it all on one connection; what the peer counts, or why it refuses.
fn replay<P: Peer>(peer: &mut P, seen: &[Seen], ours: &[Counted]) -> Result<Vec<Counted>, String> {
    let mut client = Client::to(peer.address(), PATIENCE);
    let bytes: Vec<_> = seen.iter().flat_map(|seen| seen.raw.iter().copied()).collect();
    client.send(&bytes)?;
    let mut refusal = None;
    for counted in ours {
        match client.answer(&counted.method)? {
            Some(answer) if answer.status == 200 => {}
            other => refusal = Some(format!("{other:?}")),
        }
    }
    client.say_no_more();
    let rest = client.rest()?;
    let theirs = peer.take(if refusal.is_some() { 0 } else { ours.len() });
    match refusal {
        Some(refusal) => Err(refusal),
        None if rest.is_empty() => Ok(theirs),
        None => Err(format!("it said more: {}", rest.escape_ascii())),
    }
}
