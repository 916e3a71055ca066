//! A body that can be sent again: what has passed is kept, up to a bound, and the rest is still to come.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use floodway_blocks::invoke::{Body, BodyError};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// A body as its tries share it. What of it has passed is kept for the next one.
#[derive(Debug, Clone)]
pub(super) struct Replay(Rc<RefCell<Shared>>);

#[derive(Debug)]
struct Shared {
    source: Body,
    passed: Vec<Piece>,
    /// Bytes that have passed.
    size: usize,
    size_max: usize,
    /// The try that may read on; those before it must not.
    turn: u32,
    has_ended: bool,
    /// It broke off, or is larger than what is kept: no other try can send it.
    is_lost: bool,
}

#[derive(Debug, Clone)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// The body of one try.
struct Again {
    shared: Rc<RefCell<Shared>>,
    turn: u32,
    /// Pieces that this try has sent.
    sent: usize,
}

impl Replay {
    pub(super) fn new(source: Body, size_max: usize) -> Self {
        let has_ended = source.is_end_stream();
        Self(Rc::new(RefCell::new(Shared {
            source,
            passed: Vec::new(),
            size: 0,
            size_max,
            turn: 0,
            has_ended,
            is_lost: false,
        })))
    }

    /// The whole body once more. The try before gets no more of it.
    pub(super) fn again(&self) -> Body {
        let turn = {
            let mut shared = self.0.borrow_mut();
            shared.turn += 1;
            shared.turn
        };
        Body::new(Again { shared: Rc::clone(&self.0), turn, sent: 0 })
    }

    /// Whether there is all of it for another try.
    pub(super) fn is_there(&self) -> bool {
        !self.0.borrow().is_lost
    }
}

impl Shared {
    fn keep(&mut self, piece: &Piece) {
        if let Piece::Data(data) = piece {
            self.size = self.size.saturating_add(data.len());
        }
        if self.size > self.size_max {
            self.is_lost = true;
            self.passed = Vec::new();
        } else {
            self.passed.push(piece.clone());
        }
    }
}

impl HttpBody for Again {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let shared = &mut *this.shared.borrow_mut();
        if this.turn != shared.turn {
            return Poll::Ready(Some(Err("another try has taken over".into())));
        }
        if let Some(piece) = shared.passed.get(this.sent) {
            this.sent += 1;
            return Poll::Ready(Some(Ok(piece.clone().into())));
        }
        if shared.has_ended {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut shared.source).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => {
                shared.has_ended = true;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => {
                shared.is_lost = true;
                return Poll::Ready(Some(Err(error)));
            }
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        let piece = match frame.into_data() {
            Ok(data) => Piece::Data(data),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Piece::Trailers(trailers),
                Err(_unknown) => return Poll::Ready(Some(Err("a part of the body is unknown".into()))),
            },
        };
        shared.keep(&piece);
        this.sent += 1;
        shared.has_ended = shared.source.is_end_stream();
        Poll::Ready(Some(Ok(piece.into())))
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.shared.borrow();
        self.turn == shared.turn && shared.has_ended && self.sent >= shared.passed.len()
    }

    /// What is left for this try: what it has not sent of what has passed, and all that is to come.
    fn size_hint(&self) -> SizeHint {
        let shared = self.shared.borrow();
        let passed: usize = shared.passed.iter().skip(self.sent).map(Piece::size).sum();
        let passed = passed as u64;
        let rest = shared.source.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(passed));
        }
        hint.set_lower(rest.lower().saturating_add(passed));
        hint
    }
}

impl Piece {
    fn size(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }
}

impl From<Piece> for Frame<Bytes> {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Data(data) => Self::data(data),
            Piece::Trailers(trailers) => Self::trailers(trailers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use http_body_util::{BodyExt, StreamBody};

    fn pieces(texts: &[&'static str]) -> Body {
        let frames: Vec<Result<Frame<Bytes>, BodyError>> =
            texts.iter().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))).collect();
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    fn next(body: &mut Body) -> Option<String> {
        let frame = body.frame().now_or_never().expect("it is there")?;
        let data = frame.expect("a piece").into_data().expect("data");
        Some(String::from_utf8(data.to_vec()).expect("text"))
    }

    fn all(mut body: Body) -> String {
        std::iter::from_fn(|| next(&mut body)).collect()
    }

    #[test]
    fn a_body_is_sent_again_as_far_as_it_came_and_on() {
        let replay = Replay::new(pieces(&["a", "b", "c"]), 10);
        let mut first = replay.again();
        assert_eq!((next(&mut first), next(&mut first)), (Some("a".to_owned()), Some("b".to_owned())));
        let second = replay.again();
        assert!(first.frame().now_or_never().expect("at once").expect("an end").is_err(), "its turn is over");
        assert_eq!(all(second), "abc");
        assert_eq!(all(replay.again()), "abc", "and all of it again");
        assert!(replay.is_there());
    }

    #[test]
    fn a_body_beyond_the_bound_passes_once() {
        let replay = Replay::new(pieces(&["abc", "def"]), 5);
        assert_eq!(all(replay.again()), "abcdef");
        assert!(!replay.is_there());
    }

    #[test]
    fn knows_how_much_there_is() {
        let replay = Replay::new(Body::full(Bytes::from_static(b"four")), 10);
        let mut first = replay.again();
        assert_eq!(first.size_hint().exact(), Some(4));
        next(&mut first);
        assert_eq!(replay.again().size_hint().exact(), Some(4));
        let empty = Replay::new(Body::empty(), 10).again();
        assert!(empty.is_end_stream() && empty.size_hint().exact() == Some(0));
    }
}
