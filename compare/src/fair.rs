//! Whether a proxy does the work that is compared: checked before it is measured, on backends that remember.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use floodway_kit::{Seen, Upstream, http};

use crate::peers::{Peer, ROUND_ROBIN, Setup};
use crate::served::Served;

const BACKENDS: usize = 3;
const ROUNDS: usize = 4;

/// Starts the proxy before backends that remember, sends it some requests on one connection, and looks at
/// what arrived.
pub(crate) fn check(peer: Peer, setup: &Setup<'_>) -> Result<()> {
    let body = "x".repeat(setup.body);
    let upstreams: Vec<_> = (0..BACKENDS)
        .map(|_| {
            let body = body.clone();
            Upstream::start(move |_| floodway_kit::Reply::now(200, body.clone()))
        })
        .collect();
    let backends: Vec<SocketAddr> = upstreams.iter().map(Upstream::address).collect();
    let listen = floodway_kit::free_address();
    let setup = Setup { listen, loaded: floodway_kit::free_address(), backends: &backends, ..*setup };
    let served = Served::start(peer.name, (peer.command)(&setup)?, listen, setup.body)?;
    ask(served.address, setup.body)?;
    let seen: Vec<_> = upstreams.iter().map(|upstream| marked(upstream.seen())).collect();
    judge(&seen, setup.balance).with_context(|| format!("{} does not do what it is compared by", peer.name))
}

const MARK: &str = "x-asked";

fn ask(address: SocketAddr, body_len: usize) -> Result<()> {
    let mut client = http::Connection::to(address)?;
    let request = format!("GET / HTTP/1.1\r\nhost: fair.example\r\n{MARK}: yes\r\n\r\n");
    for _ in 0..BACKENDS * ROUNDS {
        client.write(request.as_bytes())?;
        let answer = client.read_answer(false)?;
        ensure!(answer.status == 200 && answer.body.len() == body_len, "the answer is not the backend's");
    }
    Ok(())
}

/// Those that the check sent, not those that waited for the start.
fn marked(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().filter(|seen| seen.header(MARK).is_some()).collect()
}

/// What arrived at each backend.
fn judge(seen: &[Vec<Seen>], balance: &str) -> Result<()> {
    let total: usize = seen.iter().map(Vec::len).sum();
    ensure!(total == seen.len() * ROUNDS, "{total} of {} requests arrived", seen.len() * ROUNDS);
    for (number, seen) in seen.iter().enumerate() {
        // With one request at a time all are equally busy, and Envoy draws lots.
        ensure!(
            seen.len() == ROUNDS || balance != ROUND_ROBIN,
            "backend {number} got {} requests of {ROUNDS}: not in turns",
            seen.len()
        );
        let connections: BTreeSet<_> = seen.iter().map(|seen| seen.from).collect();
        ensure!(
            connections.len() <= 2,
            "{} connections for {ROUNDS} requests: they are not kept",
            connections.len()
        );
        for seen in seen {
            // For a client on loopback, Envoy writes the address of its machine.
            let client = seen.header("x-forwarded-for");
            let is_told = client.is_some_and(|client| client.parse::<IpAddr>().is_ok());
            ensure!(is_told, "x-forwarded-for is {client:?}");
            let host = seen.header("host");
            ensure!(host == Some("fair.example"), "host is {host:?}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn seen(port: u16, headers: &[(&str, &str)]) -> Seen {
        let mut request = ::http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = Arc::new(request.body(()).unwrap().into_parts().0);
        Seen { index: 0, from: SocketAddr::from(([127, 0, 0, 1], port)), head, body: "".into() }
    }

    const GOOD: [(&str, &str); 2] = [("host", "fair.example"), ("x-forwarded-for", "127.0.0.1")];

    fn backend(headers: &[(&str, &str)], ports: [u16; ROUNDS]) -> Vec<Seen> {
        ports.map(|port| seen(port, headers)).to_vec()
    }

    #[test]
    fn accepts_the_same_work() {
        assert!(judge(&[backend(&GOOD, [1; 4]), backend(&GOOD, [2, 3, 3, 3])], ROUND_ROBIN).is_ok());
        let mut uneven = [backend(&GOOD, [1; 4]), backend(&GOOD, [2; 4])];
        let moved = uneven[1].pop().unwrap();
        uneven[0].push(Seen { from: uneven[0][0].from, ..moved });
        assert!(judge(&uneven, "least-requests").is_ok());
        assert!(judge(&uneven, ROUND_ROBIN).unwrap_err().to_string().contains("in turns"));
    }

    #[test]
    fn refuses_less_work() {
        let refused = |seen: Vec<Seen>| judge(&[seen], ROUND_ROBIN).unwrap_err().to_string();
        assert!(refused(backend(&GOOD[..1], [1; 4])).contains("x-forwarded-for"));
        assert!(refused(backend(&GOOD[1..], [1; 4])).contains("host"));
        assert!(refused(backend(&GOOD, [1, 2, 3, 4])).contains("not kept"));
        assert!(refused(backend(&GOOD, [1; 4])[1..].to_vec()).contains("3 of 4 requests arrived"));
    }
}
