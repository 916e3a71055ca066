//! What a case is: the bytes that a client sends, and what must come of them.

use std::borrow::Cow;

/// One way to attack, or to be merely odd.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Unique among all cases.
    pub(super) name: Cow<'static, str>,
    /// All that the client sends, in one write.
    pub(super) sent: Cow<'static, [u8]>,
    pub(super) must: Must,
}

/// What must come of a case. Forwarded requests are written as `reading::Request::text` renders them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Must {
    /// These requests reach the service and are answered in order; nothing else does, and the connection
    /// holds nothing more.
    Forward(&'static [&'static str]),
    /// These requests are served; what follows is answered with one of the statuses, the connection is
    /// closed, and nothing after it was read as a request.
    Refuse(&'static [&'static str], &'static [u16]),
    /// The gateway answers itself with one of the statuses; the connection may go on.
    Answer(&'static [u16]),
    /// The body goes wrong after the head may have been passed on: one of the statuses, the connection is
    /// closed, and the service never holds a whole request.
    Spoil(&'static [u16]),
    /// The client stops sending in the middle: no answer that sounds like success, and the service never
    /// holds a whole request.
    Break,
}

pub(super) const fn forwarded(
    name: &'static str,
    sent: &'static [u8],
    requests: &'static [&'static str],
) -> Case {
    case(name, sent, Must::Forward(requests))
}

/// Refused with 400.
pub(super) const fn refused(name: &'static str, sent: &'static [u8]) -> Case {
    case(name, sent, Must::Refuse(&[], &[400]))
}

pub(super) const fn spoilt(name: &'static str, sent: &'static [u8]) -> Case {
    case(name, sent, Must::Spoil(&[400]))
}

pub(super) const fn broken(name: &'static str, sent: &'static [u8]) -> Case {
    case(name, sent, Must::Break)
}

pub(super) const fn case(name: &'static str, sent: &'static [u8], must: Must) -> Case {
    Case { name: Cow::Borrowed(name), sent: Cow::Borrowed(sent), must }
}
