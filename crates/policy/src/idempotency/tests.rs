use alloc::vec::Vec;
use std::vec;

use proptest::prelude::*;

use super::*;
use crate::Rng;

mod world;

const FINGERPRINT: Fingerprint = Fingerprint([7; 32]);

pub(super) fn policy(duplicates: Duplicates) -> IdempotencyPolicy {
    IdempotencyPolicy {
        header: "idempotency-key".into(),
        store: "orders".into(),
        route: "POST /orders".into(),
        keep: Duration::from_hours(24),
        required: false,
        duplicates,
        lease: Duration::from_secs(40),
        body_max: 1 << 20,
        answer_max: 1 << 20,
    }
}

#[test]
fn decides_by_what_is_known_of_the_key() {
    let wait = policy(Duplicates::Wait(Duration::from_secs(30)));
    let refuse = policy(Duplicates::Refuse);
    let mut out = Vec::new();
    let fields = Fields::encode([(&b"a"[..], &b"b"[..])].into_iter(), &mut out).expect("small");
    let answer = Answer { status: 201, fields, body: b"made" };
    let of = |state| Record { fingerprint: FINGERPRINT, state };
    let cases = [
        (None, Verdict::Take, Verdict::Take),
        (Some(of(State::Taken(Taker(1)))), Verdict::Wait, Verdict::InProgress),
        (Some(of(State::Answered(answer))), Verdict::Replay(answer), Verdict::Replay(answer)),
        (Some(of(State::Unkept(200))), Verdict::NotKept(200), Verdict::NotKept(200)),
    ];
    for (record, waits, refuses) in cases {
        let none = Duration::ZERO;
        assert_eq!(wait.decide(record.as_ref(), &FINGERPRINT, none), waits, "{record:?}");
        assert_eq!(refuse.decide(record.as_ref(), &FINGERPRINT, none), refuses, "{record:?}");
        let long = Duration::from_secs(30);
        assert_eq!(wait.decide(record.as_ref(), &FINGERPRINT, long), refuses, "{record:?}");
        let other = Fingerprint([8; 32]);
        let expected = if record.is_some() { Verdict::Mismatch } else { Verdict::Take };
        assert_eq!(wait.decide(record.as_ref(), &other, none), expected, "{record:?}");
    }
}

#[test]
fn keeps_what_is_the_last_word_on_a_request() {
    let whole = |status| Outcome::Answered { status, is_whole: true }.settle();
    for status in [200, 201, 202, 204, 299, 301, 303, 400, 402, 403, 404, 410, 413, 422, 499] {
        assert_eq!(whole(status), Settlement::Answer, "{status}");
    }
    for status in [101, 199, 401, 407, 408, 409, 423, 425, 429, 500, 502, 503, 504, 599] {
        assert_eq!(whole(status), Settlement::Release, "{status}");
    }
    let broken = |status| Outcome::Answered { status, is_whole: false }.settle();
    assert_eq!(broken(201), Settlement::Unkept(201), "it has acted");
    assert_eq!(broken(303), Settlement::Unkept(303));
    assert_eq!(broken(422), Settlement::Release, "it has refused");
    assert_eq!(broken(500), Settlement::Release);
    assert_eq!(Outcome::NotSent.settle(), Settlement::Release);
    assert_eq!(Outcome::BrokeOff.settle(), Settlement::Release);
    assert_eq!(Outcome::TimedOut.settle(), Settlement::Leave, "it may be acting still");
}

#[test]
fn only_the_taker_holds_a_key() {
    let of = |state| Record { fingerprint: FINGERPRINT, state };
    assert_eq!(hold(None, Taker(1)), Hold::Over);
    assert_eq!(hold(Some(&of(State::Taken(Taker(1)))), Taker(1)), Hold::Mine);
    assert_eq!(hold(Some(&of(State::Taken(Taker(2)))), Taker(1)), Hold::Lost);
    assert_eq!(hold(Some(&of(State::Unkept(200))), Taker(1)), Hold::Lost);
}

#[test]
fn needs_a_key_where_repeating_is_not_safe() {
    let policy = IdempotencyPolicy { required: true, ..policy(Duplicates::Refuse) };
    for (method, covers, needs) in [
        ("POST", true, true),
        ("PATCH", true, true),
        ("PURGE", true, true),
        ("PUT", true, false),
        ("DELETE", true, false),
        ("GET", false, false),
        ("HEAD", false, false),
        ("OPTIONS", false, false),
    ] {
        assert_eq!(IdempotencyPolicy::covers(method), covers, "{method}");
        assert_eq!(policy.needs_key(method), needs, "{method}");
    }
    assert!(!super::tests::policy(Duplicates::Refuse).needs_key("POST"));
    assert!(policy.run_max() < policy.lease);
}

#[test]
fn reads_a_key_with_and_without_its_quotes() {
    let read = |values: &[&'static str]| key(values.iter().map(|value| value.as_bytes()));
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&["8e03978e"]), Ok(Some(&b"8e03978e"[..])));
    assert_eq!(read(&["\"8e03978e\""]), Ok(Some(&b"8e03978e"[..])));
    assert_eq!(read(&["  \"a b;c,d\" "]), Ok(Some(&b"a b;c,d"[..])));
    for bad in ["", "\"\"", "\"", "\"a", "a\"", "a;b=1", "\"a\";b=1", "a, b", "a b", "\"a\\\"b\"", "a\u{e4}"]
    {
        assert!(read(&[bad]).is_err(), "{bad:?}");
    }
    assert!(read(&["a", "b"]).is_err());
    let long = [b'a'; 256];
    assert!(key([&long[..255]].into_iter()).is_ok());
    assert!(key([&long[..]].into_iter()).is_err());
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        fingerprint: [u8; 32],
        kind in 0_u8..3,
        number: u64,
        status: u16,
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        body: Vec<u8>,
    ) {
        let mut out = Vec::new();
        let slices = fields.iter().map(|(name, value)| (&name[..], &value[..]));
        let encoded = Fields::encode(slices, &mut out).expect("small");
        let state = match kind {
            0 => State::Taken(Taker(number)),
            1 => State::Answered(Answer { status, fields: encoded, body: &body }),
            _ => State::Unkept(status),
        };
        let record = Record { fingerprint: Fingerprint(fingerprint), state };
        let bytes = record.encode();
        prop_assert_eq!(Record::decode(&bytes), Some(record));
        let read: Vec<_> = encoded.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        prop_assert_eq!(read, fields);
    }

    #[test]
    fn any_bytes_are_a_record_or_none(head in 0_u8..3, kind in 0_u8..4, rest: Vec<u8>) {
        let mut bytes = vec![head, kind];
        bytes.extend(rest);
        if let Some(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }

    #[test]
    fn it_runs_once_per_lease_and_all_get_the_same_answer(seed: u64, waits: bool) {
        let duplicates = if waits { Duplicates::Wait(Duration::from_secs(30)) } else { Duplicates::Refuse };
        world::World::new(policy(duplicates), Rng::new(seed)).play();
    }
}
