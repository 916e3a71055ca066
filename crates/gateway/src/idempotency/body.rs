//! Bodies that must be there whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use floodway_blocks::invoke::BodyError;
use floodway_policy::Time;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::timeout_at;

use crate::body::{RequestBody, ResponseBody, TooLarge};
use crate::perform::Relay;
use crate::respond::Problem;
use crate::worker::Worker;

/// A body of which the begin was taken off the connection.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(super) first: Option<Bytes>,
    pub(super) rest: Relay,
}

/// An answer's body, as far as it was wanted.
pub(super) enum Collected {
    Whole(Bytes),
    TooLarge(Box<Begun>),
    Broken,
}

/// Collects a client's body until then.
pub(super) async fn collect(
    worker: &Worker,
    mut body: RequestBody,
    len_max: u64,
    until: Time,
) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > len_max {
        return Err(Problem::BodyTooLarge);
    }
    let all = async {
        let mut collected = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                if error.is::<TooLarge>() { Problem::BodyTooLarge } else { Problem::BadBody }
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if (collected.len() + data.len()) as u64 > len_max {
                return Err(Problem::BodyTooLarge);
            }
            collected.extend_from_slice(&data);
        }
        Ok(collected.freeze())
    };
    timeout_at(worker.clock.instant(until), all).await.unwrap_or(Err(Problem::BodyStalled))
}

/// Collects an answer's body. Dropping the future drops the connection.
pub(super) async fn collect_answer(mut relay: Relay, len_max: u64) -> Collected {
    let mut collected = BytesMut::new();
    if relay.size_hint().lower() > len_max {
        return Collected::TooLarge(Box::new(Begun { first: None, rest: relay }));
    }
    while let Some(frame) = relay.frame().await {
        let Ok(frame) = frame else { return Collected::Broken };
        let Ok(data) = frame.into_data() else { continue };
        collected.extend_from_slice(&data);
        if collected.len() as u64 > len_max {
            let first = Some(collected.freeze());
            return Collected::TooLarge(Box::new(Begun { first, rest: relay }));
        }
    }
    Collected::Whole(collected.freeze())
}

/// Says how long a body is, where one may follow (RFC 9110 §8.6).
pub(super) fn tell_length(response: &mut Response<ResponseBody>, len: usize) {
    if !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().insert(CONTENT_LENGTH, len.into());
    }
}

impl Body for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let begun = self.get_mut();
        match begun.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut begun.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::new(),
        }
    }
}
