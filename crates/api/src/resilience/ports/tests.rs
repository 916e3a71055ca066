use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use floodway_blocks::state::{Effect, Precondition};
use floodway_kit::eventually;
use floodway_policy::breaker::{BreakerPolicy, Condition, Trip};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::operation::{OperationPolicy, OperationRetry, Retried};
use floodway_policy::retry::Backoff;

use super::*;

const SHORT: Duration = Duration::from_millis(1);
/// How long a breaker stays open.
const POLICY_OPEN: Duration = Duration::from_secs(1);

/// A store whose writes come to what was planned; more than that does not answer.
#[derive(Debug, Default)]
struct Planned {
    verdicts: Mutex<VecDeque<Vec<Result<(), WriteError>>>>,
    asked: Mutex<Vec<Vec<String>>>,
    reads: AtomicUsize,
}

fn failed() -> WriteError {
    WriteError::Failed(Failure::Stopping { engine: "planned" })
}

impl Store for Planned {
    fn get<'a>(&'a self, _: &'a str) -> PortFuture<'a, Result<Option<Item>, Failure>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }

    fn get_many<'a>(&'a self, _: &'a [String]) -> PortFuture<'a, Result<Vec<Option<Item>>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn write_each(&self, changes: Vec<Change>) -> PortFuture<'_, Vec<Result<(), WriteError>>> {
        let keys = changes.into_iter().map(|change| change.key).collect();
        self.asked.lock().unwrap().push(keys);
        let planned = self.verdicts.lock().unwrap().pop_front();
        Box::pin(async {
            match planned {
                Some(verdicts) => verdicts,
                None => std::future::pending().await,
            }
        })
    }

    fn transact(&self, _: Transaction) -> PortFuture<'_, Result<(), WriteError>> {
        let verdict = self.verdicts.lock().unwrap().pop_front().and_then(|mut verdicts| verdicts.pop());
        Box::pin(async move { verdict.expect("a plan") })
    }
}

fn change(key: &str) -> Change {
    let effect = Effect::Put { value: Bytes::new(), ttl: None };
    Change { key: key.to_owned(), effect, precondition: Precondition::None }
}

fn retrying(max: u32) -> OperationPolicy {
    let retry = OperationRetry {
        max: Some(max),
        backoff: Backoff { initial: SHORT, max: SHORT },
        after: Retried::default(),
        budget: BudgetPolicy::default(),
    };
    OperationPolicy { retry: Some(retry), ..OperationPolicy::default() }
}

fn guarded(
    policy: OperationPolicy,
    verdicts: Vec<Vec<Result<(), WriteError>>>,
) -> (Arc<Planned>, Guarded<dyn Store>) {
    let planned = Arc::new(Planned { verdicts: Mutex::new(verdicts.into()), ..Planned::default() });
    let store = Arc::clone(&planned) as Arc<dyn Store>;
    (planned, Guarded::new(store, Arc::new(Ward::new("orders", policy, 1))))
}

#[tokio::test]
async fn only_what_failed_is_written_again() {
    let mismatch = || Err(WriteError::Mismatch { key: "b".to_owned() });
    let (planned, store) = guarded(
        retrying(2),
        vec![vec![Ok(()), mismatch(), Err(failed())], vec![Err(failed())], vec![Ok(())]],
    );
    let verdicts = store.write_each(vec![change("a"), change("b"), change("c")]).await;
    assert!(matches!(&verdicts[..], [Ok(()), Err(WriteError::Mismatch { .. }), Ok(())]), "{verdicts:?}");
    let asked = planned.asked.lock().unwrap();
    assert_eq!(*asked, [vec!["a", "b", "c"], vec!["c"], vec!["c"]]);
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_and_told() {
    let policy = OperationPolicy { timeout: Some(Duration::from_millis(20)), ..retrying(2) };
    let (planned, store) = guarded(policy, vec![]);
    let error = store.get("a").await.expect_err("no answer");
    assert_eq!(error.to_string(), "orders did not answer within 20ms");
    assert_eq!(planned.reads.load(Ordering::Relaxed), 3);
    let verdicts = store.write_each(vec![change("a")]).await;
    assert!(matches!(&verdicts[..], [Err(WriteError::Failed(Failure::TimedOut { .. }))]), "{verdicts:?}");
}

#[tokio::test]
async fn a_lost_race_is_no_failure() {
    let condition = Condition::parse("totalFailures > 0").unwrap();
    let breaker =
        BreakerPolicy { trip: Trip::Counts { condition, every: None }, open: POLICY_OPEN, tries: 1 };
    let policy = OperationPolicy { breaker: Some(breaker), ..OperationPolicy::default() };
    let lost = || vec![Err(WriteError::Mismatch { key: "a".to_owned() })];
    let plan = vec![lost(), lost(), vec![Err(failed())], vec![Ok(())]];
    let (_planned, store) = guarded(policy, plan);
    let transact = || store.transact(Transaction::default());
    assert!(matches!(transact().await, Err(WriteError::Mismatch { .. })));
    assert!(matches!(transact().await, Err(WriteError::Mismatch { .. })));
    assert!(matches!(transact().await, Err(WriteError::Failed(Failure::Stopping { .. }))), "it opens");
    let refused = transact().await.expect_err("it is open");
    assert!(matches!(refused, WriteError::Failed(Failure::LeftAlone { .. })), "{refused}");
    let lets_through = || async { transact().await.is_ok() };
    eventually(Duration::from_secs(10), "half open, it lets one through", lets_through).await;
}
