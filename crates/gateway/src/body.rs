//! Bodies on their way through. Nothing is collected: a frame is passed on when its receiver has room.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use floodway_blocks::invoke::{Body as AnyBody, BodyError};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::cache::Tee;
use crate::http1::HandedBody;
use crate::idempotency::Begun;
use crate::perform::Relay;

/// What is sent to a service.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// A client's, counted against a limit.
    Client { body: Incoming, left: u64 },
    /// A client's by HTTP/1.1, counted where it is read.
    Handed(HandedBody),
    /// A caller's inside this node.
    Caller(AnyBody),
    /// None, or one that was taken to be sent.
    Empty,
}

/// What is sent to a client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are the large one, and a box would cost each of them")]
pub(crate) enum ResponseBody {
    /// A service's.
    Relay(Relay),
    /// A service's, stored while it passes.
    Teed(Box<Tee>),
    /// A service's, whose begin was taken.
    Begun(Box<Begun>),
    /// Our own words, or what the cache has.
    Own(Option<Bytes>),
}

/// A body with something that lasts as long.
#[derive(Debug)]
pub(crate) struct Tied<B, T> {
    body: B,
    _tie: T,
}

/// What is sent to a service, with what says that it still is.
pub(crate) type Outbound = Tied<RequestBody, Option<Rc<()>>>;

/// A client's body is larger than its route allows.
#[derive(Debug, thiserror::Error)]
#[error("the request body is larger than allowed")]
pub(crate) struct TooLarge;

impl RequestBody {
    /// Whether nothing would be sent, so that it can be sent any number of times.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_end_stream()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Client { body, left } => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    match left.checked_sub(data.len() as u64) {
                        Some(rest) => *left = rest,
                        None => return Poll::Ready(Some(Err(TooLarge.into()))),
                    }
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::Handed(body) => Pin::new(body).poll_frame(cx),
            Self::Caller(body) => Pin::new(body).poll_frame(cx),
            Self::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Client { body, .. } => body.is_end_stream(),
            Self::Handed(body) => body.is_end_stream(),
            Self::Caller(body) => body.is_end_stream(),
            Self::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Client { body, .. } => body.size_hint(),
            Self::Handed(body) => body.size_hint(),
            Self::Caller(body) => body.size_hint(),
            Self::Empty => SizeHint::with_exact(0),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Relay(relay) => Pin::new(relay).poll_frame(cx),
            Self::Teed(tee) => Pin::new(&mut **tee).poll_frame(cx),
            Self::Begun(begun) => Pin::new(&mut **begun).poll_frame(cx),
            Self::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Relay(relay) => relay.is_end_stream(),
            Self::Teed(tee) => tee.is_end_stream(),
            Self::Begun(begun) => begun.is_end_stream(),
            Self::Own(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Relay(relay) => relay.size_hint(),
            Self::Teed(tee) => tee.size_hint(),
            Self::Begun(begun) => begun.size_hint(),
            Self::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}

// === impl Tied ===

impl<B, T> Tied<B, T> {
    pub(crate) fn new(body: B, tie: T) -> Self {
        Self { body, _tie: tie }
    }
}

impl<B: Body + Unpin, T: Unpin> Body for Tied<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
