//! What is offered and what came back: arrivals, recorder, report.

#![forbid(unsafe_code)]
