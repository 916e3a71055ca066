//! How many retries there may be: a share of the requests, so that retries never multiply an overload
//! ("retry budget", Finagle; measured in <https://www.usenix.org/conference/osdi22/presentation/huang-lexiang>).

use core::time::Duration;

use crate::time::Time;

/// What may be spent on retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// Retries per hundred requests.
    pub percent: u8,
    /// Retries per second that are there whatever the load, so that a quiet route may retry at all.
    pub per_second: u32,
}

/// One worker's purse for one policy. It holds what ten quiet seconds bring, so an outage cannot be answered
/// with savings.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    policy: BudgetPolicy,
    /// Thousandths of a retry.
    balance: u64,
    balance_max: u64,
    paid: Time,
}

/// Thousandths in a retry.
const RETRY: u64 = 1_000;
/// Quiet time that is saved at most.
const SAVED: Duration = Duration::from_secs(10);

impl Default for BudgetPolicy {
    /// Finagle's and Linkerd's: a fifth, and ten a second.
    fn default() -> Self {
        Self { percent: 20, per_second: 10 }
    }
}

impl Budget {
    /// A full purse: a worker's part of the policy among `workers`.
    pub fn new(policy: BudgetPolicy, workers: u32) -> Self {
        let per_second = policy.per_second.div_ceil(workers.max(1));
        let balance = u64::from(per_second) * SAVED.as_secs() * RETRY;
        let policy = BudgetPolicy { per_second, ..policy };
        Self { policy, balance, balance_max: balance, paid: Time::ZERO }
    }

    /// A request that was no retry.
    pub fn earn(&mut self) {
        let wage = u64::from(self.policy.percent) * RETRY / 100;
        self.balance = (self.balance + wage).min(self.balance_max.max(RETRY));
    }

    /// Takes out one retry; false where there is not enough.
    pub fn spend(&mut self, now: Time) -> bool {
        let since = now.since(self.paid);
        let income = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let income = income.saturating_mul(u64::from(self.policy.per_second));
        if income > 0 {
            self.paid = now;
            self.balance = self.balance.saturating_add(income).min(self.balance_max.max(self.balance));
        }
        let has_enough = self.balance >= RETRY;
        if has_enough {
            self.balance -= RETRY;
        }
        has_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    proptest! {
        /// However requests and retries come, retries stay within the share, the quiet rate and the savings.
        #[test]
        fn never_spends_more_than_it_has(
            steps in vec((proptest::bool::ANY, 0_u64..50), 0..2_000),
            percent in 0_u8..=100,
            per_second in 0_u32..100,
        ) {
            let mut budget = Budget::new(BudgetPolicy { percent, per_second }, 1);
            let (mut now, mut requests, mut retries) = (Time::ZERO, 0.0, 0.0);
            for (is_request, pause) in steps {
                now = now.after(Duration::from_millis(pause));
                if is_request {
                    budget.earn();
                    requests += 1.0;
                } else if budget.spend(now) {
                    retries += 1.0;
                }
            }
            let seconds = now.since(Time::ZERO).as_secs_f64();
            let allowed = requests * f64::from(percent) / 100.0 + f64::from(per_second) * (seconds + 10.0);
            prop_assert!(retries <= allowed + 1.0, "{retries} of {allowed}");
        }
    }

    #[test]
    fn a_busy_route_retries_its_share() {
        let mut budget = Budget::new(BudgetPolicy { percent: 20, per_second: 0 }, 1);
        let retries = (0..1_000).filter(|_| {
            budget.earn();
            budget.spend(Time::ZERO)
        });
        assert_eq!(retries.count(), 200);
    }
}
