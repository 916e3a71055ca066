//! Connections to endpoints, kept open between requests. One pool per worker, the last used first.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use floodway_policy::{EndpointId, Time};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::body::Outbound;
use crate::upstream;
use crate::worker::Worker;

mod streams;

pub(crate) use streams::{Shared, Streams};

/// Connections kept unused per endpoint and worker.
const IDLE_MAX: usize = 256;
/// An unused connection is not trusted longer than this; servers commonly close after 60 s or more.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// Bytes of the headers of an answer by HTTP/2.
const HEAD_MAX: u32 = 64 << 10;
/// How often an HTTP/2 connection with requests on it that stands still is asked, and how long is waited.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to an endpoint that hyper serves, ready for one request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: Sender,
    pub(crate) endpoint: EndpointId,
    /// It carried a request before, so its other end may have closed it meanwhile.
    pub(crate) is_used: bool,
}

#[derive(Debug)]
pub(crate) enum Sender {
    /// For one request after the other.
    Http1(SendRequest<Outbound>),
    /// For many at once.
    Http2(Shared),
}

impl Sender {
    pub(crate) async fn try_send(
        &mut self,
        request: Request<Outbound>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outbound>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(shared) => shared.sender.try_send_request(request).await,
        }
    }
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
    worker: &Worker,
    endpoint: EndpointId,
    address: SocketAddr,
) -> io::Result<SendRequest<Outbound>> {
    let stream = TokioIo::new(upstream::dial(worker, endpoint, address).await?);
    let (sender, connection) = http1::Builder::new().handshake(stream).await.map_err(io::Error::other)?;
    worker.tasks.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, %address, "a connection to an endpoint broke");
        }
    });
    Ok(sender)
}

/// The same for HTTP/2. One that has not moved for a while is asked whether it is still there.
pub(crate) async fn connect_http2(
    worker: &Worker,
    endpoint: EndpointId,
    address: SocketAddr,
) -> io::Result<Shared> {
    let stream = TokioIo::new(upstream::dial(worker, endpoint, address).await?);
    let mut builder = http2::Builder::new(worker.tasks.clone());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
    worker.tasks.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, %address, "a connection to an endpoint broke");
        }
    });
    Ok(Shared::new(sender))
}
