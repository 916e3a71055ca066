//! HTTP/2 connections to endpoints: one carries many requests at once, so a worker has few to each.

use std::collections::HashMap;
use std::rc::Rc;

use floodway_policy::EndpointId;
use hyper::client::conn::http2::SendRequest;

use crate::body::Outbound;

/// Requests under way on one connection before there is another. Servers commonly allow 100 or more; what
/// is beyond their limit waits in the connection.
const STREAMS_MAX: usize = 100;
/// Connections to one endpoint.
const CONNECTIONS_MAX: usize = 4;

/// One worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: HashMap<EndpointId, Vec<Shared>>,
    /// Held by whoever makes a connection to an endpoint, while the others wait for it.
    making: HashMap<EndpointId, Rc<tokio::sync::Mutex<()>>>,
}

/// A connection for several requests at once. The count is of those who hold one.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) sender: SendRequest<Outbound>,
    held: Rc<()>,
}

impl Shared {
    pub(crate) fn new(sender: SendRequest<Outbound>) -> Self {
        Self { sender, held: Rc::default() }
    }
}

impl Streams {
    /// The connection with the fewest requests, unless there should be another one.
    pub(crate) fn take(&mut self, endpoint: EndpointId) -> Option<Shared> {
        let open = self.open.get_mut(&endpoint)?;
        open.retain(|shared| !shared.sender.is_closed());
        // One is held by this list.
        let streams = |shared: &&Shared| Rc::strong_count(&shared.held) - 1;
        let least = open.iter().min_by_key(streams)?;
        let has_room = streams(&least) < STREAMS_MAX || open.len() >= CONNECTIONS_MAX;
        has_room.then(|| least.clone())
    }

    pub(crate) fn put(&mut self, endpoint: EndpointId, shared: Shared) {
        self.open.entry(endpoint).or_default().push(shared);
    }

    /// Whose turn it is to make a connection to an endpoint.
    pub(crate) fn making(&mut self, endpoint: EndpointId) -> Rc<tokio::sync::Mutex<()>> {
        Rc::clone(self.making.entry(endpoint).or_default())
    }

    /// Forgets the connections to endpoints that are gone. Requests on them go on.
    pub(crate) fn retain(&mut self, is_there: impl Fn(EndpointId) -> bool) {
        self.open.retain(|endpoint, _| is_there(*endpoint));
        self.making.retain(|endpoint, _| is_there(*endpoint));
    }
}
