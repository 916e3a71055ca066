//! What is told of single requests, for a log and as spans: of a share of them, so that the others pay nothing
//! but the draw. A note is made at the end of its request and handed to another thread.

use std::net::IpAddr;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use floodway_policy::fallback::StandIn;
use floodway_policy::routing::RouteId;
use floodway_policy::trace::{Hop, Share};
use floodway_policy::{EndpointId, ServiceId};

/// Of how many requests notes are taken, and where they go.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// For the access log: requests of clients.
    pub log: Share,
    /// As spans: requests of clients and calls between services. Without, trace contexts pass untouched.
    pub traces: Option<Share>,
    /// What does not fit is dropped, and counted.
    pub notes: SyncSender<Note>,
}

/// One request that is over.
#[derive(Debug)]
pub struct Note {
    /// What was asked for.
    pub asked: Asked,
    /// It is among those that are logged.
    pub is_logged: bool,
    /// Its place in a trace, where there is tracing.
    pub hop: Option<Hop>,
    /// When it began, since 1970.
    pub began: Duration,
    /// Time to the end of the answer.
    pub took: Duration,
    /// Names it.
    pub request_id: String,
    /// 0 where the client left before an answer.
    pub status: u16,
    /// The code of an answer of the gateway's own.
    pub error: Option<&'static str>,
    /// What stood in for the route's service, where that could not answer.
    pub stand_in: Option<StandIn>,
    /// Which endpoint answered, where one did and it is known.
    pub endpoint: Option<EndpointId>,
}

/// What was asked for, and by whom.
#[derive(Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path without its query, which may hold what is nobody's business.
    pub path: String,
    /// The host, where there is one.
    pub host: Option<String>,
    /// Where it came from and went to.
    pub way: Way,
}

/// Where a request came from and went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a client, by a route if one matches.
    In {
        /// Whom it came from; a proxy where there is one in between.
        peer: IpAddr,
        /// By what it came, as in `HTTP/2`.
        protocol: &'static str,
        /// The route.
        route: Option<RouteId>,
    },
    /// From inside the node to a service.
    Call(ServiceId),
}

/// What is known of a request when it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning<'a> {
    /// The id that the client has for it.
    pub(crate) id: Option<&'a [u8]>,
    /// Its `traceparent`.
    pub(crate) traceparent: Option<&'a [u8]>,
    /// What it says of its trace is believed.
    pub(crate) is_believed: bool,
}
