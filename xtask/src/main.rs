//! The project's own tasks: cargo xtask ci.

fn main() {}
