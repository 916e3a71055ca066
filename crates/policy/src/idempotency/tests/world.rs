//! Requests with one key, in any order of their steps, that die, stall and meet a service that fails; and a
//! store that keeps time.

use super::*;

const REQUESTS: usize = 6;
const STEPS: u32 = 400;

/// What the store has: bytes, their version, and when they are gone.
type Stored = Option<(Vec<u8>, u64, u64)>;

pub(crate) struct World {
    policy: IdempotencyPolicy,
    rng: Rng,
    now: u64,
    stored: Stored,
    versions: u64,
    requests: Vec<Request>,
    runs: Vec<Run>,
    /// What clients were given that is kept.
    given: Vec<(u64, Vec<u8>)>,
}

/// One call of the service.
struct Run {
    /// Nobody else may begin before: the end of the lease.
    until: u64,
    /// It gave the key back before that.
    is_released: bool,
}

#[derive(Clone)]
enum Request {
    Look,
    /// It saw no record.
    Take,
    /// Since when, by its own clock, and the number of its run.
    Running {
        me: Taker,
        deadline: u64,
        run: usize,
    },
    Settle {
        me: Taker,
        run: usize,
        answer: Option<Vec<u8>>,
        settlement: Settlement,
    },
    /// It has seen whose the key is.
    Write {
        seen: Option<u64>,
        run: usize,
        answer: Option<Vec<u8>>,
        settlement: Settlement,
        me: Taker,
    },
    Over,
}

impl World {
    pub(crate) fn new(policy: IdempotencyPolicy, rng: Rng) -> Self {
        let requests = vec![Request::Look; REQUESTS];
        Self { policy, rng, now: 0, stored: None, versions: 0, requests, runs: vec![], given: vec![] }
    }

    pub(crate) fn play(mut self) {
        for _ in 0..STEPS {
            match self.rng.below(20) {
                0 => self.now += u64::from(self.rng.below(45)),
                1 => {
                    let dead = self.any();
                    self.requests[dead] = Request::Look;
                }
                _ => {
                    let next = self.any();
                    let request = self.requests[next].clone();
                    self.requests[next] = self.step(request);
                }
            }
        }
        let keep = self.policy.keep.as_secs();
        for pair in self.given.windows(2) {
            let is_kept = pair[1].0 < pair[0].0 + keep;
            assert!(!is_kept || pair[0].1 == pair[1].1, "two answers: {:?}", self.given);
        }
    }

    fn any(&mut self) -> usize {
        self.rng.below(6) as usize
    }

    fn read(&self) -> Option<(Vec<u8>, u64)> {
        let stored = self.stored.as_ref().filter(|(.., until)| *until > self.now);
        stored.map(|(bytes, version, _)| (bytes.clone(), *version))
    }

    /// Writes if the key is as it was seen.
    fn write(&mut self, seen: Option<u64>, put: Option<(Vec<u8>, Duration)>) -> bool {
        if self.read().map(|(_, version)| version) != seen {
            return false;
        }
        self.versions += 1;
        self.stored = put.map(|(bytes, ttl)| (bytes, self.versions, self.now + ttl.as_secs()));
        true
    }

    fn step(&mut self, request: Request) -> Request {
        match request {
            Request::Look => self.look(),
            Request::Take => self.take(),
            Request::Running { me, deadline, run } => self.end(me, deadline, run),
            Request::Settle { me, run, answer, settlement } => {
                let found = self.read();
                let record = found.as_ref().map(|(bytes, _)| Record::decode(bytes).expect("ours"));
                match hold(record.as_ref(), me) {
                    Hold::Lost => Request::Look,
                    Hold::Mine | Hold::Over => {
                        let seen = found.map(|(_, version)| version);
                        Request::Write { seen, run, answer, settlement, me }
                    }
                }
            }
            Request::Write { seen, run, answer, settlement, me } => {
                self.settle(seen, run, answer, settlement, me)
            }
            Request::Over => Request::Look,
        }
    }

    fn look(&mut self) -> Request {
        let found = self.read();
        let record = found.as_ref().map(|(bytes, _)| Record::decode(bytes).expect("ours"));
        match self.policy.decide(record.as_ref(), &FINGERPRINT, Duration::ZERO) {
            Verdict::Take => Request::Take,
            Verdict::Replay(answer) => {
                self.given.push((self.now, answer.body.to_vec()));
                Request::Over
            }
            Verdict::Wait => Request::Look,
            Verdict::InProgress | Verdict::NotKept(_) => Request::Over,
            Verdict::Mismatch => unreachable!("all ask the same"),
        }
    }

    fn take(&mut self) -> Request {
        let me = Taker(self.rng.next_u64());
        let record = Record { fingerprint: FINGERPRINT, state: State::Taken(me) };
        if !self.write(None, Some((record.encode(), self.policy.lease))) {
            return Request::Look;
        }
        if let Some(last) = self.runs.last() {
            assert!(last.is_released || last.until <= self.now, "a second run in one lease");
        }
        let run = self.runs.len();
        self.runs.push(Run { until: self.now + self.policy.lease.as_secs(), is_released: false });
        Request::Running { me, deadline: self.now + self.policy.run_max().as_secs(), run }
    }

    fn end(&mut self, me: Taker, deadline: u64, run: usize) -> Request {
        let status = [200, 201, 404, 409, 500, 503][self.any()];
        let outcome = match self.rng.below(8) {
            _ if self.now > deadline => Outcome::TimedOut,
            0 => Outcome::NotSent,
            1 => Outcome::BrokeOff,
            2 => Outcome::TimedOut,
            3 => Outcome::Answered { status, is_whole: false },
            _ => Outcome::Answered { status, is_whole: true },
        };
        let settlement = outcome.settle();
        let answer = (settlement == Settlement::Answer).then(|| run.to_be_bytes().to_vec());
        if settlement == Settlement::Leave {
            return Request::Over;
        }
        Request::Settle { me, run, answer, settlement }
    }

    fn settle(
        &mut self,
        seen: Option<u64>,
        run: usize,
        answer: Option<Vec<u8>>,
        settlement: Settlement,
        me: Taker,
    ) -> Request {
        let fields = &mut Vec::new();
        let fields = Fields::encode(core::iter::empty(), fields).expect("none");
        let state = match (settlement, &answer) {
            (Settlement::Answer, Some(body)) => Some(State::Answered(Answer { status: 200, fields, body })),
            (Settlement::Unkept(status), _) => Some(State::Unkept(status)),
            _ => None,
        };
        let put = state.map(|state| Record { fingerprint: FINGERPRINT, state }.encode());
        if !self.write(seen, put.map(|bytes| (bytes, self.policy.keep))) {
            return Request::Settle { me, run, answer, settlement };
        }
        self.runs[run].is_released = true;
        self.given.extend(answer.map(|body| (self.now, body)));
        Request::Over
    }
}
