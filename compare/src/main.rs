//! Side by side with peers, figures from one run.

fn main() {}
