//! When a breaker opens, as its author writes it: a condition on five counts in the words of the Common Expression
//! Language, of which this is the part that numbers need.
//!
//! ```text
//! consecutiveFailures > 5
//! requests >= 20 && double(totalFailures) / double(requests) > 0.6
//! ```
//! As in CEL, whole numbers and doubles do not mix in arithmetic but may be compared, and what cannot be computed (a
//! division by nothing, a number beyond 64 bits) holds not.

mod parse;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;

/// What a breaker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that have ended.
    pub requests: u32,
    /// Those that succeeded.
    pub total_successes: u32,
    /// Those that failed.
    pub total_failures: u32,
    /// Those that succeeded since the last failure.
    pub consecutive_successes: u32,
    /// Those that failed since the last success.
    pub consecutive_failures: u32,
}

/// A condition on [`Counts`]. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Arc<Term>);

/// Why a text is no condition; says so to its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError(String);

/// A part of a condition whose types fit.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Value(Value),
    Count(Count),
    Not(Box<Self>),
    Minus(Box<Self>),
    ToInt(Box<Self>),
    ToDouble(Box<Self>),
    Both(Box<[Self; 2]>, Operator),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Int(i64),
    Double(f64),
    Bool(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Requests,
    TotalSuccesses,
    TotalFailures,
    ConsecutiveSuccesses,
    ConsecutiveFailures,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}

// === impl Counts ===

impl Counts {
    /// Nothing was counted.
    pub const NONE: Self = Self {
        requests: 0,
        total_successes: 0,
        total_failures: 0,
        consecutive_successes: 0,
        consecutive_failures: 0,
    };

    pub(super) const fn add(&mut self, failed: bool) {
        self.requests = self.requests.saturating_add(1);
        if failed {
            self.total_failures = self.total_failures.saturating_add(1);
            self.consecutive_failures = self.consecutive_failures.saturating_add(1);
            self.consecutive_successes = 0;
        } else {
            self.total_successes = self.total_successes.saturating_add(1);
            self.consecutive_successes = self.consecutive_successes.saturating_add(1);
            self.consecutive_failures = 0;
        }
    }

    const fn of(&self, count: Count) -> u32 {
        match count {
            Count::Requests => self.requests,
            Count::TotalSuccesses => self.total_successes,
            Count::TotalFailures => self.total_failures,
            Count::ConsecutiveSuccesses => self.consecutive_successes,
            Count::ConsecutiveFailures => self.consecutive_failures,
        }
    }
}

// === impl Condition ===

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        parse::condition(text).map(|term| Self(Arc::new(term))).map_err(ConditionError)
    }

    /// Whether it holds. No allocation.
    pub fn holds(&self, counts: &Counts) -> bool {
        self.0.value(counts) == Some(Value::Bool(true))
    }
}

// === impl Term ===

impl Term {
    fn value(&self, counts: &Counts) -> Option<Value> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Count(count) => Some(Value::Int(i64::from(counts.of(*count)))),
            Self::Not(term) => match term.value(counts)? {
                Value::Bool(it) => Some(Value::Bool(!it)),
                Value::Int(_) | Value::Double(_) => None,
            },
            Self::Minus(term) => match term.value(counts)? {
                Value::Int(it) => it.checked_neg().map(Value::Int),
                Value::Double(it) => Some(Value::Double(-it)),
                Value::Bool(_) => None,
            },
            Self::ToInt(term) => match term.value(counts)? {
                Value::Double(it) => to_int(it).map(Value::Int),
                other => Some(other),
            },
            Self::ToDouble(term) => match term.value(counts)? {
                Value::Int(it) => Some(Value::Double(to_double(it))),
                other => Some(other),
            },
            Self::Both(terms, operator) => {
                let [left, right] = &**terms;
                operator.of(left.value(counts), right.value(counts))
            }
        }
    }
}

// === impl Operator ===

impl Operator {
    /// One side alone decides what it can, even where the other cannot be computed.
    fn of(self, left: Option<Value>, right: Option<Value>) -> Option<Value> {
        let decides = match self {
            Self::Or => Some(Value::Bool(true)),
            Self::And => Some(Value::Bool(false)),
            _ => None,
        };
        if decides.is_some() && (left == decides || right == decides) {
            return decides;
        }
        let (left, right) = (left?, right?);
        match self {
            Self::Or | Self::And => Some(Value::Bool(self == Self::And)),
            Self::Plus | Self::Minus | Self::Times | Self::Over | Self::Modulo => self.compute(left, right),
            _ => Some(Value::Bool(self.compares(left, right))),
        }
    }

    fn compares(self, left: Value, right: Value) -> bool {
        let order = match (left, right) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(&b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(&b)),
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(&b),
            (Value::Int(a), Value::Double(b)) => to_double(a).partial_cmp(&b),
            (Value::Double(a), Value::Int(b)) => a.partial_cmp(&to_double(b)),
            (Value::Bool(_), _) | (_, Value::Bool(_)) => None,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Self::Or | Self::And | Self::Plus | Self::Minus | Self::Times | Self::Over | Self::Modulo => {
                false
            }
        }
    }

    fn compute(self, left: Value, right: Value) -> Option<Value> {
        match (left, right) {
            (Value::Int(a), Value::Int(b)) => {
                let whole = match self {
                    Self::Plus => a.checked_add(b),
                    Self::Minus => a.checked_sub(b),
                    Self::Times => a.checked_mul(b),
                    Self::Over => a.checked_div(b),
                    Self::Modulo => a.checked_rem(b),
                    _ => None,
                };
                whole.map(Value::Int)
            }
            (Value::Double(a), Value::Double(b)) => {
                let double = match self {
                    Self::Plus => a + b,
                    Self::Minus => a - b,
                    Self::Times => a * b,
                    Self::Over => a / b,
                    _ => return None,
                };
                Some(Value::Double(double))
            }
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
const fn to_double(whole: i64) -> f64 {
    whole as f64
}

/// Towards nought; nothing where it is beyond 64 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "that is what is asked for, and the bounds are looked at"
)]
fn to_int(double: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    (double > -BEYOND && double < BEYOND).then_some(double as i64)
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ConditionError {}

#[cfg(test)]
mod tests;
