//! One request that the cache answers at once: from its parsed head to the bytes of the answer.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Buf, BufMut};
use floodway_policy::http_cache::{CachePolicy, Headers};

use super::parse::{Field, Framing, Name, RequestHead};
use super::write::{self, Ending, Then};
use super::{Served, Visit};
use crate::cache::Hit;
use crate::in_flight::InFlight;
use crate::peer::Scheme;

/// A body up to this size is put behind its head; a larger one is not copied.
const COPIED_MAX: usize = 4 << 10;

/// The fields of a head as the service would see them: not what is the connection's, and not what is claimed.
struct Seen<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
}

impl Headers for Seen<'_> {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.values_of(name)
    }

    fn values_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let is_seen = |field: &&Field| {
            matches!(
                field.known,
                Name::Other | Name::Host | Name::ContentLength | Name::TraceParent | Name::TraceState
            )
        };
        let named = move |field: &&Field| field.name.of(self.bytes).eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_seen).filter(named).map(|field| field.value.of(self.bytes))
    }
}

/// Serves a GET that is answered from the store; nothing where it is not, and then nothing was taken of what
/// was read.
pub(super) async fn serve(
    visit: &mut Visit,
    head: &RequestHead,
    fields: &[Field],
    policy: &CachePolicy,
    in_flight: &InFlight,
) -> Option<Served> {
    let worker = Rc::clone(&visit.client.worker);
    let hit = find(visit, head, fields, policy)?;
    visit.side.bytes.advance(head.len);
    let ends = head.wants_close || worker.is_leaving();
    let then = if ends { Then::Close } else { Then::stay(head) };
    let mut out = worker.buffers.take();
    hit.write_head(&mut out);
    write::say_of_request(&mut out, in_flight);
    write::finish_head(&mut out, Ending { in_chunks: false, then });
    let mut body = hit.body().clone();
    if body.len() <= COPIED_MAX {
        out.put_slice(&body);
        body.clear();
    }
    in_flight.answered(hit.status());
    let idle = worker.snapshot.limits.idle_timeout;
    let Visit { side, alarm, .. } = visit;
    alarm.set(worker.clock.now().after(idle));
    let written = poll_fn(|cx| {
        while !out.is_empty() || !body.is_empty() {
            match side.poll_write(cx, &out, &body) {
                Poll::Ready(Ok(len)) => {
                    let of_head = len.min(out.len());
                    out.advance(of_head);
                    body.advance(len - of_head);
                    alarm.set(worker.clock.now().after(idle));
                }
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return alarm.poll(cx).map(|()| false),
            }
        }
        Poll::Ready(true)
    });
    let is_written = written.await;
    worker.buffers.give_back(out);
    Some(if is_written { Served::Answered(then) } else { Served::Over })
}

/// What needs the way of all requests is not looked for: another method, a body, a name that is not plain, a
/// proxy that speaks for others.
fn find(visit: &Visit, head: &RequestHead, fields: &[Field], policy: &CachePolicy) -> Option<Hit> {
    let (client, bytes) = (&visit.client, &visit.side.bytes);
    let is_plain = head.method.of(bytes) == b"GET"
        && head.framing == Framing::Empty
        && !head.has_options
        && head.target.authority.is_none()
        && !client.peer.is_trusted;
    let host = head.host.filter(|_| is_plain)?.text(bytes);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let target = std::str::from_utf8(head.target.path_and_query(bytes)).ok()?;
    let is_https = client.peer.scheme == Scheme::Https;
    Hit::find(&client.worker, policy, is_https, host, target, &Seen { bytes, fields })
}
