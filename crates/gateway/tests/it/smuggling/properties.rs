//! What holds for any bytes that a client sends: no mixture of right and wrong becomes a request that two services
//! could read differently, or is answered though no service saw it.

use std::time::Duration;

use super::downgrade::{Outcome, send};
use super::play::{Client, Stage};
use super::reading::Request;
use super::recorder::{Reading, Seen};

/// A client that has said all goes on reading this long before it closes its side.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends any bytes as HTTP/1.1; what is wrong with what came of them.
pub(super) fn http1(stage: &Stage, bytes: &[u8]) -> Result<(), String> {
    let mut client = Client::to(stage.gateway.address(), PAUSE);
    client.send(bytes)?;
    // Whatever came within the pause is read again below.
    let early = client.so_far();
    client.say_no_more();
    client.waits(stage.patience);
    let answers = [early, client.rest()?].concat();
    let served = answers.windows(15).filter(|window| window == b"HTTP/1.1 200 OK").count();
    let whole = whole(&stage.settle()?)?.len();
    if served <= whole { Ok(()) } else { Err(format!("{served} answers to {whole} requests")) }
}

/// Sends any fields and data as a request of HTTP/2; what is wrong with what came of them.
pub(super) fn http2(stage: &Stage, fields: &[(Vec<u8>, Vec<u8>)], data: &[u8]) -> Result<(), String> {
    let outcome = send(stage.gateway.address(), stage.patience, fields, data);
    let whole = whole(&stage.settle()?)?;
    match (&outcome, &whole[..]) {
        (Outcome::Answered(200, _), [request]) => is_the_same(request, fields, data),
        (Outcome::Answered(200, _) | Outcome::Silence, _) | (_, [_, _, ..]) => {
            Err(format!("{outcome:?}; the service saw {whole:?}"))
        }
        // A request may be refused when its end turns out wrong, which the service has not seen then.
        (_, [request]) => Err(format!("{outcome:?}, but the service saw {request:?}")),
        (_, []) => Ok(()),
    }
}

/// The requests that were whole. Parts of one are no mistake, anything else is.
fn whole(seen: &[Seen]) -> Result<Vec<Request>, String> {
    let mut whole = Vec::new();
    for seen in seen {
        match &seen.reading {
            Reading::Whole(request) => {
                request.check_own_words()?;
                whole.push(request.clone());
            }
            Reading::CutOff => {}
            Reading::Malformed(why) => return Err(format!("{why}: {}", seen.raw.escape_ascii())),
        }
    }
    Ok(whole)
}

/// Whether the service was asked what the client asked.
fn is_the_same(request: &Request, fields: &[(Vec<u8>, Vec<u8>)], data: &[u8]) -> Result<(), String> {
    let given = |name: &[u8]| {
        let value = fields.iter().find(|(found, _)| found == name).map(|(_, value)| &value[..]);
        value.unwrap_or_default().escape_ascii().to_string()
    };
    let target = given(b":path");
    // What follows a `#` is no part of a request (RFC 9110 §7.1).
    let target = target.split('#').next().unwrap_or_default();
    let authority = Some(given(b":authority")).filter(|authority| !authority.is_empty());
    let host = authority.unwrap_or_else(|| given(b"host"));
    let hosts: Vec<_> = request.values("host").collect();
    let is_same = request.method == given(b":method")
        && request.target == target
        && hosts == [host.trim()]
        && request.body == data;
    if is_same { Ok(()) } else { Err(format!("the service saw {request:?}")) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::{TestCaseError, TestRunner};

    use super::super::cases;
    use super::*;
    use crate::support::PATIENCE;

    const RUNS: u32 = 300;

    const VALUES: &[&[u8]] =
        &[b"a", b"3", b"chunked", b"x y", b" z ", b"a\r\nb: c", b"\0", b"\xff", b"trailers"];
    const NAMES: &[&[u8]] =
        &[b"x", b"host", b"cookie", b"te", b"content-length", b"expect", b"x-forwarded-for"];
    const ODD_NAMES: &[&[u8]] =
        &[b"connection", b"transfer-encoding", b"upgrade", b":path", b"X", b"x y", b"x:", b""];
    const BODIES: &[&[u8]] = &[b"", b"abc", b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"];

    /// Cases with a piece of one put into another.
    fn spliced() -> impl Strategy<Value = Vec<u8>> {
        let short = cases().into_iter().map(|case| case.sent.into_owned()).filter(|sent| sent.len() < 400);
        let short: Vec<_> = short.collect();
        let place = || any::<prop::sample::Index>();
        (select(short.clone()), select(short), place(), place(), place(), 0..4_usize).prop_map(
            |(to, from, at, start, end, taken)| {
                let at = at.index(to.len() + 1);
                let (start, end) = (start.index(from.len() + 1), end.index(from.len() + 1));
                let piece = &from[start.min(end)..start.max(end)];
                let rest = to.get(at + taken..).unwrap_or_default();
                [&to[..at], piece, rest].concat()
            },
        )
    }

    /// Pseudo-headers, mostly one of each, then headers.
    fn fields() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
        let field = |name: &'static str, values: &'static [&'static [u8]]| {
            (Just(name.as_bytes().to_vec()), select(values).prop_map(<[u8]>::to_vec))
        };
        let value = prop_oneof![select(VALUES).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..6),];
        let name = prop_oneof![
            8 => select(NAMES),
            1 => select(ODD_NAMES),
        ];
        let headers = vec((name.prop_map(<[u8]>::to_vec), value), 0..4);
        let pseudo = (
            field(":method", &[b"GET", b"POST", b"PUT", b"G T", b"CONNECT", b""]),
            field(":scheme", &[b"http", b"https", b"http", b"ftp", b"http://b/?"]),
            field(
                ":path",
                &[b"/", b"/a?b", b"//c", b"/%2f", b"/a/../b", b"*", b"x", b"/ HTTP/1.1", b"/#f", b"/\r\n"],
            ),
            field(":authority", &[b"a", b"a:80", b"[::1]", b"a b", b"me@a", b"a/b", b""]),
        );
        (pseudo, headers).prop_map(|((method, scheme, path, authority), headers)| {
            let pseudo = [method, scheme, path, authority];
            pseudo.into_iter().chain(headers).collect()
        })
    }

    fn holds<T: std::fmt::Debug>(
        strategy: &impl Strategy<Value = T>,
        check: impl Fn(&Stage, T) -> Result<(), String>,
    ) {
        let stage = Stage::new(PATIENCE);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(RUNS));
        let run = |input| check(&stage, input).map_err(TestCaseError::fail);
        runner.run(strategy, run).unwrap_or_else(|failure| panic!("{failure}"));
    }

    #[test]
    fn mixtures_of_cases_have_one_meaning_or_none() {
        holds(&spliced(), |stage, bytes| http1(stage, &bytes));
    }

    #[test]
    fn mixtures_of_fields_have_one_meaning_or_none() {
        holds(&(fields(), select(BODIES)), |stage, (fields, data)| http2(stage, &fields, data));
    }
}
