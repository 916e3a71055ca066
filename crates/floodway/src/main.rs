//! The command line of Floodway.

fn main() {}
