//! The cookie of sticky sessions on its way: taken out of requests, given with answers. What it means is decided
//! by `policy::sticky`.

use std::rc::Rc;

use bytes::Bytes;
use floodway_policy::ServiceId;
use floodway_policy::sticky::{Secret, Session, SetCookie, StickyPolicy, Token};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use http::{Request, Response};

use crate::connection::Client;
use crate::forward::Answer;
use crate::head;
use crate::worker::Worker;

/// What the answers to one client are bound by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) policy: &'a StickyPolicy,
    /// The client came by TLS.
    pub(crate) is_secure: bool,
}

/// What binds clients to endpoints of a service, if anything does.
pub(crate) fn policy(worker: &Worker, service: ServiceId) -> Option<&StickyPolicy> {
    worker.snapshot.services.get(usize::from(service.0))?.sticky.as_ref()
}

/// Takes the cookie out of a request, so that the service does not see it.
pub(crate) fn take<'a, B>(
    client: &'a Rc<Client>,
    service: ServiceId,
    request: &mut Request<B>,
) -> (Session, Option<Binding<'a>>) {
    let Some(policy) = policy(&client.worker, service) else { return (Session::None, None) };
    let headers = request.headers_mut();
    let is_secure = head::is_https(headers, client);
    let session = policy.session(headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes));
    take_out(headers, policy);
    (session, Some(Binding { policy, is_secure }))
}

fn take_out(headers: &mut HeaderMap, policy: &StickyPolicy) {
    if !headers.get_all(COOKIE).iter().any(|cookies| policy.is_in(cookies.as_bytes())) {
        return;
    }
    let all: Vec<_> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for cookies in all {
        let others: Vec<_> = policy.others(cookies.as_bytes()).collect();
        if !others.is_empty() {
            let others = HeaderValue::from_bytes(&others.join(&b"; "[..])).expect("parts of a value");
            headers.append(COOKIE, others);
        }
    }
}

impl<'a> Binding<'a> {
    pub(crate) const fn cookie(self, token: Token) -> SetCookie<'a> {
        let Self { policy, is_secure } = self;
        SetCookie { policy, token, is_secure }
    }

    /// Gives the cookie with an answer that came from an endpoint, if its exchange wants that: then the token is among
    /// the extensions. What an HTTP cache or a store keeps are headers, so neither gives it to others.
    pub(crate) fn bind(self, answer: &mut Answer) {
        if let Some(token) = answer.response.extensions_mut().remove::<Token>() {
            let text = Bytes::from(self.cookie(token).to_string());
            let value = HeaderValue::from_maybe_shared(text).expect("a token and plain words");
            answer.response.headers_mut().append(SET_COOKIE, value);
        }
    }
}

/// Leaves an answer without the cookie that it was to have, as others may have it too.
pub(crate) fn unbind<B>(response: &mut Response<B>) {
    response.extensions_mut().remove::<Token>();
}

/// A secret that nobody knows, for those services that have none of their own.
pub(crate) fn secret() -> Secret {
    let mut bytes = [0; 32];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).expect("a machine without randomness speaks no TLS either");
    Secret::new(bytes)
}
