//! One request that needs more than to be passed on: as a request of the crate `http`, the way that HTTP/2
//! goes. Its body is handed over piece by piece.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use floodway_blocks::invoke::BodyError;
use floodway_policy::snapshot::RoutePolicy;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};

use super::decode::{Decoder, Next};
use super::parse::{Field, Framing, Name, RequestHead};
use super::side::{CONTINUE, Side};
use super::write::{self, Ending, Then};
use super::{Served, Taken, Unserved, Visit};
use crate::alarm::Alarm;
use crate::body::{RequestBody, ResponseBody, TooLarge};
use crate::forward::{self, Answer};
use crate::in_flight::InFlight;
use crate::respond::Problem;
use crate::tunnel::Tunnel;
use crate::worker::Worker;

/// A client's body, as whoever sends it on sees it.
#[derive(Debug)]
pub(crate) struct HandedBody {
    hand: Rc<RefCell<Hand>>,
    /// Bytes that are left of it, where that was told.
    left: Option<u64>,
}

/// A piece of a body on its way from the connection to the body's reader.
#[derive(Debug, Default)]
struct Hand {
    piece: Option<Result<Bytes, TooLarge>>,
    is_over: bool,
    /// The reader waits for a piece.
    is_wanted: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

/// Reads a body off a connection when it is asked for.
struct Reader<'a> {
    side: &'a mut Side,
    body: Decoder,
    allowed: u64,
    owes_100: bool,
    hand: Rc<RefCell<Hand>>,
    problem: Option<Problem>,
}

/// Serves one request.
///
/// # Errors
/// What to answer instead.
pub(super) async fn serve(
    visit: &mut Visit,
    head: &RequestHead,
    fields: &[Field],
    route: &RoutePolicy,
    in_flight: &InFlight,
) -> Result<Served, Unserved> {
    let Visit { client, side, alarm, .. } = visit;
    let worker = Rc::clone(&client.worker);
    let request = request(&side.bytes, head, fields);
    let request = request.map_err(|problem| Unserved { problem, taken: Taken::Nothing })?;
    side.bytes.advance(head.len);
    let hand = Rc::<RefCell<Hand>>::default();
    let owes_100 = head.waits_for_100 && head.framing != Framing::Empty && side.bytes.is_empty();
    let mut reader = Reader {
        side,
        body: Decoder::new(head.framing),
        allowed: route.body_max,
        owes_100,
        hand: Rc::clone(&hand),
        problem: None,
    };
    let left = reader.body.left();
    let request = request.map(|()| match left {
        Some(0) => RequestBody::Empty,
        left => RequestBody::Handed(HandedBody { hand, left }),
    });
    if left == Some(0) {
        reader.hand.borrow_mut().is_over = true;
    }
    let answered = {
        let mut answer = pin!(forward::send_on(client, request, route, in_flight));
        poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => reader.poll(cx, &worker).map(|()| None),
        })
        .await
    };
    match answered {
        Some(Ok(Answer { mut response, tunnel: None })) => {
            in_flight.answered(response.status());
            in_flight.tell_allowance(response.headers_mut());
            Ok(pass(&worker, reader, alarm, head, response).await)
        }
        Some(Ok(Answer { response, tunnel: Some(tunnel) })) => {
            in_flight.answered(response.status());
            Ok(switch(&worker, reader, response, tunnel).await)
        }
        Some(Err(problem)) => Err(reader.unserved(problem)),
        None if reader.problem.is_some() => Err(reader.unserved(Problem::BadBody)),
        None => Ok(Served::Over),
    }
}

fn request(bytes: &[u8], head: &RequestHead, fields: &[Field]) -> Result<Request<()>, Problem> {
    let bad = Problem::BadRequest("the target or a header is none");
    let path = head.target.path_and_query(bytes);
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method.of(bytes)).map_err(|_why| bad)?;
    *request.uri_mut() = Uri::try_from(path).map_err(|_why| bad)?;
    let headers = request.headers_mut();
    // Whether an `Upgrade` is one was decided by the head as a whole.
    for field in fields.iter().filter(|field| head.upgrade || field.known != Name::Upgrade) {
        let name = HeaderName::from_bytes(field.name.of(bytes)).map_err(|_why| bad)?;
        headers.append(name, HeaderValue::from_bytes(field.value.of(bytes)).map_err(|_why| bad)?);
    }
    let host = head.target.authority.or(head.host).map_or(&b""[..], |host| host.of(bytes));
    headers.insert(http::header::HOST, HeaderValue::from_bytes(host).map_err(|_why| bad)?);
    Ok(request)
}

/// An answer on its way to the client, whose body comes as a stream.
struct Passing<'a, 'b> {
    worker: &'a Worker,
    reader: Reader<'b>,
    alarm: &'a mut Alarm,
    body: ResponseBody,
    in_chunks: bool,
    is_over: bool,
    out: BytesMut,
}

async fn pass(
    worker: &Worker,
    reader: Reader<'_>,
    alarm: &mut Alarm,
    asked: &RequestHead,
    response: Response<ResponseBody>,
) -> Served {
    let (parts, body) = response.into_parts();
    let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
    let ends = asked.wants_close || worker.is_leaving() || !reader.body.is_done();
    let has_end = length.is_some();
    let then = if ends || (asked.is_http_1_0 && !has_end) { Then::Close } else { Then::stay(asked) };
    let ending = Ending { in_chunks: !has_end && !asked.is_http_1_0, then };
    let mut out = worker.buffers.take();
    write::response(&mut out, &parts, length, asked.is_head, ending);
    alarm.set(worker.clock.now().after(worker.snapshot.limits.idle_timeout));
    let in_chunks = ending.in_chunks;
    let mut passing = Passing { worker, reader, alarm, body, in_chunks, is_over: false, out };
    let is_whole = poll_fn(|cx| passing.poll(cx)).await;
    worker.buffers.give_back(passing.out);
    if is_whole { Served::Answered(then) } else { Served::Over }
}

impl Passing<'_, '_> {
    /// Ready when all was written, or nothing more can be; whether all was.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if !self.out.is_empty() {
                match self.reader.side.poll_write(cx, &self.out, &[]) {
                    Poll::Ready(Ok(len)) => self.out.advance(len),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return self.alarm.poll(cx).map(|()| false),
                }
                let idle = self.worker.snapshot.limits.idle_timeout;
                self.alarm.set(self.worker.clock.now().after(idle));
            } else if self.is_over {
                return Poll::Ready(true);
            } else if !ready!(self.poll_body(cx)) {
                return Poll::Ready(false);
            }
        }
    }

    /// Takes the next piece of the body; false where there is none and should be.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    write::piece(&mut self.out, &data, self.in_chunks);
                }
                Poll::Ready(true)
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "an answer did not arrive whole");
                Poll::Ready(false)
            }
            Poll::Ready(None) => {
                self.is_over = true;
                if self.in_chunks {
                    self.out.put_slice(b"0\r\n\r\n");
                }
                Poll::Ready(true)
            }
            Poll::Pending if self.reader.poll(cx, self.worker).is_ready() => Poll::Ready(false),
            Poll::Pending => self.alarm.poll(cx).map(|()| false),
        }
    }
}

/// Tells the client that the protocol changes. What follows is no HTTP.
async fn switch(
    worker: &Worker,
    reader: Reader<'_>,
    response: Response<ResponseBody>,
    tunnel: Box<Tunnel>,
) -> Served {
    let (parts, _) = response.into_parts();
    let mut out = worker.buffers.take();
    write::response(&mut out, &parts, None, true, Ending { in_chunks: false, then: Then::Stay });
    let is_written = reader.side.write_all(&mut out).await;
    worker.buffers.give_back(out);
    if is_written.is_ok() { Served::Upgraded(tunnel) } else { Served::Over }
}

// === impl Reader ===

impl Reader<'_> {
    /// Reads what is asked for. Ready where the client is gone or its body is broken.
    fn poll(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<()> {
        loop {
            let hand = Rc::clone(&self.hand);
            let mut hand = hand.borrow_mut();
            if hand.is_over {
                return self.side.poll_left(cx, worker);
            }
            if !hand.is_wanted {
                self.side.push(cx);
                hand.connection = Some(cx.waker().clone());
                return Poll::Pending;
            }
            match self.body.next(&mut self.side.bytes) {
                Ok(Next::Data(len)) if len as u64 > self.allowed => {
                    self.problem = Some(Problem::BodyTooLarge);
                    hand.give(Some(Err(TooLarge)));
                }
                Ok(Next::Data(len)) => {
                    self.allowed -= len as u64;
                    self.body.used(len);
                    hand.give(Some(Ok(self.side.bytes.split_to(len).freeze())));
                }
                Ok(Next::End) => hand.give(None),
                Ok(Next::More) => {
                    if !ready!(self.poll_more(cx, worker)) {
                        return Poll::Ready(());
                    }
                }
                Err(malformed) => {
                    self.problem = Some(malformed.into());
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Reads; false where the client is gone.
    fn poll_more(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<bool> {
        if std::mem::take(&mut self.owes_100) && self.side.poll_tell(cx, CONTINUE) != Poll::Ready(true) {
            return Poll::Ready(false);
        }
        self.side.poll_read(cx, worker).map(|read| read.is_ok_and(|len| len > 0))
    }

    fn unserved(self, problem: Problem) -> Unserved {
        let taken = if self.body.is_done() { Taken::Whole } else { Taken::Part };
        Unserved { problem: self.problem.unwrap_or(problem), taken }
    }
}

// === impl Hand ===

impl Hand {
    /// Gives the next piece, or nothing where there is no more.
    fn give(&mut self, piece: Option<Result<Bytes, TooLarge>>) {
        self.is_over = !matches!(piece, Some(Ok(_)));
        self.piece = piece;
        self.is_wanted = false;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

// === impl HandedBody ===

impl Body for HandedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { hand, left } = self.get_mut();
        let mut hand = hand.borrow_mut();
        if let Some(piece) = hand.piece.take() {
            if let (Some(left), Ok(piece)) = (left, &piece) {
                *left -= piece.len() as u64;
            }
            return Poll::Ready(Some(piece.map(Frame::data).map_err(Into::into)));
        }
        if hand.is_over {
            return Poll::Ready(None);
        }
        hand.is_wanted = true;
        hand.reader = Some(cx.waker().clone());
        if let Some(connection) = hand.connection.take() {
            connection.wake();
        }
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
