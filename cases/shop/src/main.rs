//! An online shop: orders, inventory and payment on Floodway.

fn main() {}
