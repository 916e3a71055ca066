//! Requests that stop in the middle and keep their connection: wherever it is, the connection ends, and no service
//! holds a request.

use std::time::Duration;

use super::play::{Client, Stage};
use super::recorder::Reading;
use crate::support::PATIENCE;

const REQUESTS: [&[u8]; 3] = [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
];

#[test]
fn a_request_that_stalls_anywhere_ends_with_its_connection() {
    let stage = Stage::with(PATIENCE, |builder| {
        // A body that stalls before there is an answer has as long as the answer may take.
        builder.timeout(Duration::from_secs(1)).limits(|limits| {
            limits.header_timeout = Duration::from_millis(200);
            limits.idle_timeout = Duration::from_millis(200);
        })
    });
    let parts = REQUESTS.iter().flat_map(|whole| (1..whole.len()).map(move |len| &whole[..len]));
    // All at once, as each takes its time.
    let clients: Vec<_> = parts
        .map(|part| {
            let mut client = Client::to(stage.gateway.address(), PATIENCE);
            client.send(part).expect("the gateway listens");
            (part, client)
        })
        .collect();
    for (part, mut client) in clients {
        let said = client.rest().unwrap_or_else(|why| panic!("{}: {why}", part.escape_ascii()));
        let is_success = said.starts_with(b"HTTP/1.1 2") || said.starts_with(b"HTTP/1.1 3");
        assert!(!is_success, "{}: {}", part.escape_ascii(), said.escape_ascii());
    }
    for seen in stage.settle().expect("the next clients are served") {
        assert!(matches!(seen.reading, Reading::CutOff), "{seen:?}");
    }
}
