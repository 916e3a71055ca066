//! Calls of services behind a [`Ward`].

use floodway_blocks::invoke::{Body, Invoke, InvokeError};
use floodway_policy::operation::{Answer, Event, Failed};
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};

use super::replay::Replay;
use super::{Stopped, Ward};
use crate::invoke::is_grpc;

/// In the head of an answer that has nothing but a status.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error("it did not answer within {0:?}")]
    TimedOut(std::time::Duration),
    #[error("it fails, and is left alone for {0:?} more")]
    LeftAlone(std::time::Duration),
}

/// Calls a service as the policy of its ward says. A request that may be made again is kept as far as it was sent, up
/// to `body_max` bytes. What is bounded is the time up to the head of the answer.
pub(crate) async fn call(
    ward: &Ward,
    invoke: &dyn Invoke,
    app: &str,
    request: Request<Body>,
    body_max: usize,
) -> Result<Response<Body>, CallError> {
    let (head, body) = request.into_parts();
    let is_grpc = is_grpc(&head.headers);
    let kept = Replay::new(body, if ward.retries() { body_max } else { 0 });
    let attempt = || {
        let mut request = Request::new(kept.again());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        *request.version_mut() = head.version;
        invoke.invoke(app, request)
    };
    let judge = |ended: Option<&Result<Response<Body>, InvokeError>>| {
        let answer = match ended {
            Some(Ok(response)) if is_grpc => grpc_answer(response),
            Some(Ok(response)) => http_answer(response),
            Some(Err(error)) => match error {
                InvokeError::UnknownService { .. } => return Event::Succeeded,
                InvokeError::NoEndpoint { .. } | InvokeError::Unreachable { .. } => Some(Answer::Unreached),
                InvokeError::Broken { .. } | InvokeError::TimedOut { .. } => Some(Answer::None),
            },
            None => Some(Answer::None),
        };
        match answer {
            Some(answer) => Event::Failed(Failed { answer, repeatable: kept.is_there() }),
            None => Event::Succeeded,
        }
    };
    match ward.run(attempt, judge).await {
        Ok(answered) => Ok(answered?),
        Err(Stopped::TimedOut(after)) => Err(CallError::TimedOut(after)),
        Err(Stopped::LeftAlone(left)) => Err(CallError::LeftAlone(left)),
    }
}

/// What kind of failure an answer is, as Dapr sees it: all but 200 to 399.
fn http_answer(response: &Response<Body>) -> Option<Answer> {
    let status = response.status().as_u16();
    (!(200..400).contains(&status)).then_some(Answer::Http(status))
}

/// The status of an answer without messages stands in its head; others are let through as they come.
fn grpc_answer(response: &Response<Body>) -> Option<Answer> {
    let code = response.headers().get(GRPC_STATUS).map(HeaderValue::as_bytes);
    match code.map(|code| std::str::from_utf8(code).ok().and_then(|code| code.parse().ok())) {
        Some(Some(0)) => None,
        Some(Some(code)) => Some(Answer::Grpc(code)),
        Some(None) => Some(Answer::None),
        None => http_answer(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_grpc_is_read_from_its_head() {
        let answer = |status: Option<&'static str>| {
            let mut response = Response::new(Body::empty());
            if let Some(status) = status {
                response.headers_mut().insert(GRPC_STATUS, HeaderValue::from_static(status));
            }
            grpc_answer(&response)
        };
        assert_eq!(answer(Some("14")), Some(Answer::Grpc(14)));
        assert_eq!((answer(Some("0")), answer(None)), (None, None));
        assert_eq!(answer(Some("?")), Some(Answer::None));
    }

    #[test]
    fn an_answer_of_http_is_well_from_200_to_399() {
        let answer = |status: u16| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            http_answer(&response)
        };
        assert_eq!((answer(200), answer(399)), (None, None));
        assert_eq!((answer(404), answer(500)), (Some(Answer::Http(404)), Some(Answer::Http(500))));
    }
}
