//! HTTP/1.1 with clients, and with services where a request needs nothing more: our own, as strict as its
//! grammar and without a step that costs.
//!
//! [`serve`] reads one request after another. Most go by [`relay`], from socket to socket. What needs more (an
//! upgrade, a cache) goes by [`adapt`], as a request of the crate `http`, the way that HTTP/2 goes.

mod adapt;
mod decode;
mod hit;
mod parse;
mod pump;
mod relay;
mod serve;
mod side;
mod write;

use std::rc::Rc;

use self::write::Then;
use crate::alarm::Alarm;
use crate::bells::Bell;
use crate::connection::Client;
use crate::respond::Problem;
use crate::tunnel::Tunnel;

pub(crate) use adapt::HandedBody;
#[cfg(any(test, fuzzing))]
pub(crate) use decode::{Decoder, Next};
pub(crate) use parse::{Field, Malformed, is_authority};
#[cfg(any(test, fuzzing))]
pub(crate) use parse::{Framing, parse_request, parse_response};
pub(crate) use pump::Broken;
pub(crate) use serve::{End, serve};
pub(crate) use side::Side;

/// A client's connection while requests come on it.
struct Visit {
    client: Rc<Client>,
    side: Side,
    alarm: Alarm,
    /// Its first request is still to come, so that it may turn out to speak HTTP/2.
    is_new: bool,
    /// Wakes it for a drain.
    _bell: Bell,
}

/// What became of one request.
enum Served {
    /// It has its answer.
    Answered(Then),
    /// Its answer did not arrive whole, or its client left before there was one.
    Over,
    /// Its client and a service go on in another protocol.
    Upgraded(Box<Tunnel>),
}

/// A request that no service answered.
struct Unserved {
    problem: Problem,
    taken: Taken,
}

/// How much of a request was taken off what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    Part,
    Whole,
}
