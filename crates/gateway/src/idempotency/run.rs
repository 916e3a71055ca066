//! The run of a request whose key is taken, and what is kept of it.

use bytes::Bytes;
use floodway_policy::Time;
use floodway_policy::exchange::Refusal;
use floodway_policy::idempotency::{
    Answer, Fields, Hold, IdempotencyPolicy, Outcome, Record, Settlement, State, Taker, Verdict, hold,
};
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::response::Parts;
use http::{Request, Response, Version};
use tokio::time::timeout_at;

use super::body::{self, Begun, Collected, collect_answer};
use super::keys::{Silent, Written};
use super::{Asking, replay};
use crate::body::{RequestBody, ResponseBody};
use crate::cache::Change;
use crate::head::{REQUEST_ID, strip_hop_by_hop};
use crate::perform::{Relay, Standing, perform};
use crate::respond::Problem;

/// A run whose key is taken.
pub(super) struct Run {
    pub(super) asking: Asking,
    pub(super) me: Taker,
    /// Before the key was taken.
    pub(super) since: Time,
    pub(super) standing: Standing,
}

/// What a service has said.
struct Came {
    parts: Parts,
    body: CameBody,
}

enum CameBody {
    Whole(Bytes),
    /// Not to be kept, and so not collected.
    Passing(Box<Relay>),
    TooLarge(Box<Begun>),
    Broken,
}

/// Whether what came of a run is what the key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Done,
    /// The lease was over, and somebody else has the key.
    Lost,
}

impl Run {
    /// Asks the service, settles the key, and only then says what came.
    pub(super) async fn finish(
        self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let came = self.ask(request).await;
        let (outcome, answer) = match &came {
            Ok(came) => (came.outcome(), came.whole()),
            Err(
                Refusal::NoEndpoint
                | Refusal::Overloaded
                | Refusal::BreakerOpen
                | Refusal::Unreachable
                | Refusal::TooLate,
            ) => (Outcome::NotSent, None),
            Err(Refusal::TimedOut) => (Outcome::TimedOut, None),
            // Its body was in hand, so nobody broke it off.
            Err(Refusal::BadGateway | Refusal::RequestBody) => (Outcome::BrokeOff, None),
        };
        match self.settle(outcome.settle(), answer).await {
            Ok(Settled::Done) => {}
            Ok(Settled::Lost) => return self.lost().await,
            // The answer is true. Who is told otherwise would come again, and run again after the lease.
            Err(Silent) => tracing::error!("an answer was given and not kept: its request may run again"),
        }
        came?.response()
    }

    /// Sends the request, and collects what may be kept.
    async fn ask(&self, request: Request<RequestBody>) -> Result<Came, Refusal> {
        let Asking { worker, keyed, .. } = &self.asking;
        let until = worker.clock.instant(self.since.after(keyed.policy.run_max()));
        let change = Change::of(worker, &request);
        let response = timeout_at(until, perform(worker, keyed.call, self.standing, request)).await;
        let response = response.map_err(|_elapsed| Refusal::TimedOut)?;
        let mut response = response.map_err(|refused| refused.why)?;
        if let Some(change) = change {
            change.happened(response.status(), response.headers());
        }
        let is_framed = is_framed(&response);
        strip_hop_by_hop(response.headers_mut());
        let (parts, relay) = response.into_parts();
        let would_be = Outcome::Answered { status: parts.status.as_u16(), is_whole: true };
        if would_be.settle() != Settlement::Answer {
            return Ok(Came { parts, body: CameBody::Passing(Box::new(relay)) });
        }
        let body = timeout_at(until, collect_answer(relay, keyed.policy.answer_max)).await;
        let body = match body.unwrap_or(Collected::Broken) {
            // Without a frame, an end and a connection that broke look the same.
            Collected::Whole(_) if !is_framed => CameBody::Broken,
            Collected::Whole(body) => CameBody::Whole(body),
            Collected::TooLarge(begun) => CameBody::TooLarge(begun),
            Collected::Broken => CameBody::Broken,
        };
        Ok(Came { parts, body })
    }

    /// Writes what came of it under the key.
    async fn settle(
        &self,
        mut settlement: Settlement,
        answer: Option<(&Parts, &Bytes)>,
    ) -> Result<Settled, Silent> {
        let Asking { worker, fingerprint, .. } = &self.asking;
        let until = worker.clock.now().after(IdempotencyPolicy::MARGIN);
        let mut failures = 0;
        loop {
            let mut fields = Vec::new();
            let state = match settlement {
                Settlement::Leave => return Ok(Settled::Done),
                Settlement::Release => None,
                Settlement::Unkept(status) => Some(State::Unkept(status)),
                Settlement::Answer => kept(answer, &mut fields),
            };
            let value = state.map(|state| Record { fingerprint: *fingerprint, state }.encode());
            match self.write(value).await {
                Ok(None) => return Ok(Settled::Lost),
                Ok(Some(Written::Done)) => return Ok(Settled::Done),
                Ok(Some(Written::Changed)) => {}
                Ok(Some(Written::TooLarge)) => {
                    let status = answer.map_or(200, |(parts, _)| parts.status.as_u16());
                    settlement = Outcome::Answered { status, is_whole: false }.settle();
                }
                Err(silent) if worker.clock.now() >= until => return Err(silent),
                Err(_silent) => {
                    failures += 1;
                    let pause = IdempotencyPolicy::LOOKS.wait(failures, &mut worker.rng.borrow_mut());
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// One try; nothing where the key is another's.
    async fn write(&self, value: Option<Vec<u8>>) -> Result<Option<Written>, Silent> {
        let keyed = &self.asking.keyed;
        let found = keyed.keys.look().await?;
        match hold(found.record().map_err(|_logged| Silent)?.as_ref(), self.me) {
            Hold::Lost => Ok(None),
            Hold::Mine | Hold::Over => {
                let value = value.map(|value| (value, keyed.policy.keep));
                keyed.keys.replace(found, value).await.map(Some)
            }
        }
    }

    /// What everybody else is told, which is not what came here.
    async fn lost(&self) -> Result<Response<ResponseBody>, Problem> {
        let Asking { keyed, fingerprint, .. } = &self.asking;
        tracing::warn!("a run outlasted its lease");
        let found = keyed.keys.look().await.map_err(|_silent| Problem::InProgress)?;
        let record = found.record()?;
        match keyed.policy.decide(record.as_ref(), fingerprint, std::time::Duration::MAX) {
            Verdict::Replay(answer) => replay(&answer),
            Verdict::NotKept(_) => Err(Problem::NotKept),
            Verdict::Take | Verdict::Wait | Verdict::InProgress | Verdict::Mismatch => {
                Err(Problem::InProgress)
            }
        }
    }
}

impl Came {
    fn outcome(&self) -> Outcome {
        let is_whole = match self.body {
            CameBody::Whole(_) | CameBody::Passing(_) => true,
            CameBody::TooLarge(_) | CameBody::Broken => false,
        };
        Outcome::Answered { status: self.parts.status.as_u16(), is_whole }
    }

    fn whole(&self) -> Option<(&Parts, &Bytes)> {
        match &self.body {
            CameBody::Whole(body) => Some((&self.parts, body)),
            CameBody::Passing(_) | CameBody::TooLarge(_) | CameBody::Broken => None,
        }
    }

    fn response(self) -> Result<Response<ResponseBody>, Problem> {
        let Self { parts, body } = self;
        match body {
            CameBody::Whole(body) => {
                let len = body.len();
                let body = ResponseBody::Own(Some(body).filter(|body| !body.is_empty()));
                let mut response = Response::from_parts(parts, body);
                body::tell_length(&mut response, len);
                Ok(response)
            }
            CameBody::Passing(relay) => Ok(Response::from_parts(parts, ResponseBody::Relay(*relay))),
            CameBody::TooLarge(begun) => Ok(Response::from_parts(parts, ResponseBody::Begun(begun))),
            CameBody::Broken => Err(Problem::BadGateway),
        }
    }
}

/// The state to keep an answer by.
fn kept<'a>(answer: Option<(&'a Parts, &'a Bytes)>, fields: &'a mut Vec<u8>) -> Option<State<'a>> {
    let (parts, body) = answer?;
    let status = parts.status.as_u16();
    let kept = Fields::encode(lasting(&parts.headers), fields);
    Some(kept.map_or(State::Unkept(status), |fields| State::Answered(Answer { status, fields, body })))
}

/// The headers that a later answer has too.
fn lasting(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let own = [CONTENT_LENGTH, REQUEST_ID];
    let lasting = headers.iter().filter(move |(name, _)| !own.contains(name));
    lasting.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

/// Whether the end of an answer is told from a connection that broke.
fn is_framed(response: &Response<Relay>) -> bool {
    use http_body::Body as _;
    response.version() == Version::HTTP_2
        || response.body().size_hint().exact().is_some()
        || response.headers().contains_key(TRANSFER_ENCODING)
}
