//! Whether a replica is healthy, from the outcomes of its probes: the fields and rules of a Kubernetes
//! probe, with one difference: during `delay` a failure does not count, but a success does at once, so
//! a quick service is in use quickly.

use core::time::Duration;

use crate::membership::EndpointState;
use crate::rng::Rng;
use crate::time::Time;

/// The first pause between probes of a replica that was never healthy; it doubles up to `period`.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// From the shortest to the longest pause is one of so many parts of it.
const JITTER_PARTS: u64 = 5;

/// How a service is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbePolicy {
    /// Failures within this time after the start do not count.
    pub delay: Duration,
    /// A probe without an answer after this long has failed.
    pub timeout: Duration,
    /// Pause between two probes.
    pub period: Duration,
    /// Successes in a row that make an unhealthy replica healthy; a new one needs one.
    pub success: u32,
    /// Failures in a row that make it unhealthy.
    pub failure: u32,
}

impl Default for ProbePolicy {
    /// Kubernetes' defaults, but a delay of 5 s and a period of 5 s.
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            period: Duration::from_secs(5),
            success: 1,
            failure: 3,
        }
    }
}

/// The record of one incarnation of a replica.
#[derive(Debug, Clone)]
pub struct Health {
    policy: ProbePolicy,
    started: Time,
    state: EndpointState,
    /// Outcomes in a row that speak against the present state.
    against: u32,
    pause: Duration,
}

impl Health {
    /// A replica that was started now.
    pub const fn new(policy: ProbePolicy, now: Time) -> Self {
        Self { policy, started: now, state: EndpointState::Starting, against: 0, pause: FIRST_PAUSE }
    }

    /// The present verdict: starting, ready or unhealthy.
    pub const fn state(&self) -> EndpointState {
        self.state
    }

    /// Takes in a probe's outcome; returns the pause before the next probe: the period, up to a tenth shorter or
    /// longer by chance, so that replicas that were started together are not probed together for ever.
    pub fn observe(&mut self, succeeded: bool, now: Time, rng: &mut Rng) -> Duration {
        jittered(self.judge(succeeded, now), rng)
    }

    fn judge(&mut self, succeeded: bool, now: Time) -> Duration {
        match self.state {
            EndpointState::Starting if succeeded => self.turn(EndpointState::Ready),
            EndpointState::Starting if now.since(self.started) > self.policy.delay => {
                self.count_against(self.policy.failure, EndpointState::Unhealthy);
            }
            EndpointState::Ready if !succeeded => {
                self.count_against(self.policy.failure, EndpointState::Unhealthy);
            }
            EndpointState::Unhealthy if succeeded => {
                self.count_against(self.policy.success, EndpointState::Ready);
            }
            _ => self.against = 0,
        }
        self.next_pause()
    }

    fn count_against(&mut self, threshold: u32, next: EndpointState) {
        self.against += 1;
        if self.against >= threshold {
            self.turn(next);
        }
    }

    fn turn(&mut self, state: EndpointState) {
        self.state = state;
        self.against = 0;
    }

    fn next_pause(&mut self) -> Duration {
        if self.state != EndpointState::Starting {
            return self.policy.period;
        }
        let pause = self.pause.min(self.policy.period);
        self.pause = self.pause.saturating_mul(2).min(self.policy.period);
        pause
    }
}

fn jittered(pause: Duration, rng: &mut Rng) -> Duration {
    let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
    let span = nanos / JITTER_PARTS;
    let parts = u64::from(rng.below(1_000));
    Duration::from_nanos((nanos - span / 2).saturating_add(span / 1_000 * parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use EndpointState::{Ready, Starting, Unhealthy};
    use std::vec::Vec;

    /// Probes at the given seconds with `+` for success, `-` for failure; the states after each.
    fn check(script: &[(u64, char)], expected: &[EndpointState]) {
        let policy = ProbePolicy { success: 2, ..ProbePolicy::default() };
        let mut health = Health::new(policy, Time::ZERO);
        let states: Vec<_> = script
            .iter()
            .map(|&(second, outcome)| {
                health.judge(outcome == '+', Time::ZERO.after(Duration::from_secs(second)));
                health.state()
            })
            .collect();
        assert_eq!(states, expected);
    }

    #[test]
    fn failures_do_not_count_during_the_delay() {
        check(&[(1, '-'), (2, '-'), (3, '-'), (4, '-'), (5, '-')], &[Starting; 5]);
    }

    #[test]
    fn a_success_counts_at_once_during_the_delay() {
        check(&[(1, '-'), (2, '+')], &[Starting, Ready]);
    }

    #[test]
    fn gives_up_on_a_start_after_the_delay() {
        check(&[(6, '-'), (7, '-'), (8, '-')], &[Starting, Starting, Unhealthy]);
    }

    #[test]
    fn only_failures_in_a_row_count() {
        check(
            &[(1, '+'), (2, '-'), (3, '-'), (4, '+'), (5, '-'), (6, '-'), (7, '-')],
            &[Ready, Ready, Ready, Ready, Ready, Ready, Unhealthy],
        );
    }

    #[test]
    fn comes_back_after_successes_in_a_row() {
        check(
            &[(6, '-'), (7, '-'), (8, '-'), (9, '+'), (10, '-'), (11, '+'), (12, '+')],
            &[Starting, Starting, Unhealthy, Unhealthy, Unhealthy, Unhealthy, Ready],
        );
    }

    #[test]
    fn probes_a_starting_replica_often_and_a_ready_one_by_its_period() {
        let mut health = Health::new(ProbePolicy::default(), Time::ZERO);
        let pauses: Vec<_> = (0..3).map(|_| health.judge(false, Time::ZERO).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80]);
        assert_eq!(health.judge(true, Time::ZERO), Duration::from_secs(5));
    }

    #[test]
    fn pauses_differ_by_a_tenth_at_most_and_are_right_in_the_mean() {
        let (mut health, mut rng) = (Health::new(ProbePolicy::default(), Time::ZERO), Rng::new(4));
        health.judge(true, Time::ZERO);
        let pauses: Vec<_> =
            (0..1_000).map(|_| health.observe(true, Time::ZERO, &mut rng).as_millis()).collect();
        assert!(pauses.iter().all(|pause| (4_500..=5_500).contains(pause)), "{pauses:?}");
        let mean = pauses.iter().sum::<u128>() / 1_000;
        assert!((4_950..=5_050).contains(&mean), "{mean}");
    }
}
