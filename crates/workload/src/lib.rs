//! What is offered to a system and what came back, pure.
//!
//! A [`Load`] says what to send, a [`Schedule`] when each request is meant to start, a [`Template`] what
//! it says, a [`Retry`] whether to send it again. A [`Recorder`] gathers what became of each, a
//! [`Report`] sums it up, [`Expectations`] judge it. The load generator performs this; a planner or a
//! simulator can use the same, so that their figures mean the same.

#![forbid(unsafe_code)]

pub mod load;
pub mod template;

pub mod retry;
pub mod schedule;

pub mod expect;
pub mod recorder;
pub mod report;

pub use expect::{Expectations, Unmet};
pub use load::{Load, RequestTemplate, Rows};
pub use recorder::{Failure, Observation, Recorder};
pub use report::{Quantiles, Report};
pub use retry::{Attempt, Retry};
pub use schedule::{Rate, Schedule};
pub use template::{BoundTemplate, Template, TemplateError, UnknownColumn};

pub use floodway_policy::retry::Backoff;
pub use floodway_policy::{Rng, Time};
