//! The suite that every engine must pass: one function per port, each a list of named cases.
//!
//! Each run uses names of its own, so a server that still holds earlier data does not disturb it. The
//! functions panic with the name of the first case that does not hold. They need a tokio runtime with
//! time, and a few seconds, because some cases wait for an expiry.

#![expect(clippy::panic, reason = "this is test code: a case that does not hold ends the test")]

mod clock;
mod jobs;
mod locks;
mod state;
mod topics;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

pub use self::jobs::jobs;
pub use self::locks::locks;
pub use self::state::state;
pub use self::topics::topics;

/// Why a case does not hold.
#[derive(Debug)]
struct Broken(String);

impl<E: fmt::Display> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Outcome = Result<(), Broken>;

/// No case may take longer; a hanging engine is a broken one.
const CASE_MAX: Duration = Duration::from_secs(30);

/// Runs one case.
async fn case(name: &str, outcome: impl Future<Output = Outcome>) {
    let timed = tokio::time::timeout(CASE_MAX, outcome).await;
    let outcome = timed.unwrap_or_else(|late| Err(Broken(format!("{late} within {CASE_MAX:?}"))));
    if let Err(Broken(why)) = outcome {
        panic!("conformance: {name}: {why}");
    }
}

/// Holds if `condition` does.
fn ensure(condition: bool, why: impl fmt::Display) -> Outcome {
    if condition { Ok(()) } else { Err(Broken(why.to_string())) }
}

/// Holds if both are equal.
fn equal<T: fmt::Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Outcome {
    ensure(found == expected, format_args!("{what} is {found:?}, expected {expected:?}"))
}

/// A name that no other run uses.
fn unique(name: &str) -> String {
    format!("{name}-{:016x}", RandomState::new().build_hasher().finish())
}

/// Asks again and again until it is so or the time is over.
async fn eventually<F: Future<Output = Result<bool, Broken>>>(
    what: &str,
    within: Duration,
    mut is_so: impl FnMut() -> F,
) -> Outcome {
    let poll = async {
        while !is_so().await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    match tokio::time::timeout(within, poll).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(Broken(format!("{what}: not so within {within:?}"))),
    }
}
