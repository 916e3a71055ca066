//! The shop's two loads, by the command that the README names.

use std::process::Output;

use crate::node::floodway;
use crate::shop::{self, dollars};

fn run(load: &str) -> (Output, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = floodway()
        .args(["up", "cases/shop", "--load", load, "--exit", "--no-build"])
        .env("SHOP_DATA", folder.path().join("data"))
        .env("SHOP_LISTEN", shop::gateway().to_string())
        .output()
        .expect("floodway is built");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    (output, text)
}

/// Digits without their grouping, so that figures are found however they are printed.
fn plain(text: &str) -> String {
    text.replace(',', "")
}

#[test]
fn all_real_purchases_are_accepted_and_none_is_lost() {
    let totals = shop::totals();
    assert_eq!(totals.captured + totals.cancelled, 69_659, "the data is whole");
    let (output, text) = run("purchases");
    assert!(output.status.success(), "{text}");
    let text = plain(&text);
    for figure in [
        totals.captured.to_string(),
        dollars(totals.captured_cents),
        totals.cancelled.to_string(),
        dollars(totals.cancelled_cents),
    ] {
        assert!(text.contains(&figure), "{figure} is missing");
    }
}

#[test]
fn a_flash_sale_sells_every_unit_once() {
    let (output, text) = run("flash-sale");
    assert!(output.status.success(), "{text}");
    let text = plain(&text);
    assert!(text.contains("1000") && text.contains("9000"), "{text}");
}
