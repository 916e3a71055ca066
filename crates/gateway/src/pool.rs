//! Connections to endpoints, kept open between requests. One pool per worker, the last used first.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use floodway_policy::{EndpointId, Time};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::body::Outbound;
use crate::tasks::Tasks;

/// Connections kept unused per endpoint and worker.
const IDLE_MAX: usize = 256;
/// An unused connection is not trusted longer than this; servers commonly close after 60 s or more.
const IDLE_TIME: Duration = Duration::from_secs(50);

/// A connection to an endpoint that hyper serves, ready for one request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Outbound>,
    pub(crate) endpoint: EndpointId,
    /// It carried a request before, so its other end may have closed it meanwhile.
    pub(crate) is_used: bool,
}

/// What can be kept between two requests.
pub(crate) trait Keep {
    /// Whether its other end has closed it, or sent what nobody asked for.
    fn is_closed(&mut self) -> bool;
}

#[derive(Debug)]
pub(crate) struct Pool<C> {
    idle: HashMap<EndpointId, Vec<Idle<C>>>,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Time,
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self { idle: HashMap::new() }
    }
}

impl<C: Keep> Pool<C> {
    /// A kept connection that does not look closed.
    pub(crate) fn take(&mut self, endpoint: EndpointId, now: Time) -> Option<C> {
        let idle = self.idle.get_mut(&endpoint)?;
        while let Some(Idle { mut connection, since }) = idle.pop() {
            if now.since(since) > IDLE_TIME {
                // The rest was put aside even earlier.
                idle.clear();
            } else if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose request was sent and whose response was read to its end.
    pub(crate) fn put(&mut self, endpoint: EndpointId, connection: C, now: Time) {
        let idle = self.idle.entry(endpoint).or_default();
        if idle.len() < IDLE_MAX {
            idle.push(Idle { connection, since: now });
        }
    }

    /// How many are kept, by endpoint.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (EndpointId, u32)> {
        self.idle.iter().map(|(endpoint, idle)| (*endpoint, u32::try_from(idle.len()).unwrap_or(u32::MAX)))
    }

    /// Forgets the connections of endpoints that are gone.
    pub(crate) fn retain(&mut self, is_there: impl Fn(EndpointId) -> bool) {
        self.idle.retain(|endpoint, _| is_there(*endpoint));
    }
}

impl Keep for SendRequest<Outbound> {
    fn is_closed(&mut self) -> bool {
        Self::is_closed(self)
    }
}

/// Makes a connection; a task of the worker keeps it going.
pub(crate) async fn connect(
    endpoint: EndpointId,
    address: SocketAddr,
    tasks: &Tasks,
) -> std::io::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let handshake = http1::Builder::new().handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(std::io::Error::other)?;
    tasks.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, %address, "a connection to an endpoint broke");
        }
    });
    Ok(Connection { sender, endpoint, is_used: false })
}
