use alloc::string::ToString;

use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

const COUNTS: Counts = Counts {
    requests: 20,
    total_successes: 8,
    total_failures: 12,
    consecutive_successes: 0,
    consecutive_failures: 6,
};

fn holds(text: &str) -> bool {
    Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).holds(&COUNTS)
}

fn wrong(text: &str) -> String {
    Condition::parse(text).expect_err(text).to_string()
}

#[test]
fn compares_counts() {
    assert!(holds("consecutiveFailures > 5") && !holds("consecutiveFailures > 6"));
    assert!(holds("consecutiveFailures >= 6") && !holds("consecutiveFailures < 6"));
    assert!(holds("requests == 20 && totalSuccesses != 9 && consecutiveSuccesses <= 0"));
    assert!(holds("5 < consecutiveFailures"));
}

#[test]
fn computes_by_precedence() {
    assert!(holds("totalFailures * 100 / requests > 50"));
    assert!(holds("double(totalFailures) / double(requests) >= 0.6"));
    assert!(holds("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 % 4 == 3 && -3 + 3 == 0"));
    assert!(holds("false && false || true") && !holds("false && (false || true)"));
    assert!(holds("!(requests < 20)") && holds("int(2.9) == 2") && holds("1 == 1.0"));
    assert!(holds("10 - 4 - 3 == 3"), "from left to right");
}

#[test]
fn what_cannot_be_computed_does_not_hold() {
    assert!(!holds("requests / consecutiveSuccesses > 0"));
    assert!(!holds("9223372036854775807 + 1 > 0") && !holds("int(1.0 / 0.0) > 0"));
    assert!(
        holds("requests / consecutiveSuccesses > 0 || consecutiveFailures > 5"),
        "the other side decides"
    );
}

#[test]
fn what_is_no_condition_is_told_why() {
    let unknown = wrong("failures > 5");
    assert!(unknown.contains("`failures`") && unknown.contains("`totalFailures`"), "{unknown}");
    assert!(wrong("totalFailures / requests").contains("compare it"));
    assert!(wrong("totalFailures * 0.5 > 1.0").contains("double("));
    assert!(wrong("(requests > 1").contains("not closed"));
    assert!(wrong("requests >").contains("ends"));
    assert!(wrong("requests > 1 2").contains("`2`"));
    assert!(wrong("requests ? 1 : 2").contains("`?`"));
    assert!(wrong("true + 1 > 0").contains("condition"));
    assert!(wrong("").contains("ends"));
    assert!(wrong("requests > 99999999999999999999").contains("no number"));
    assert!(wrong(&"(".repeat(500)).contains("deeper"));
    assert!(wrong(&"1 + ".repeat(500)).contains("longer"));
}

proptest! {
    #[test]
    fn reads_any_text_without_harm(text in ".{0,60}") {
        if let Ok(condition) = Condition::parse(&text) {
            condition.holds(&COUNTS);
        }
    }

    #[test]
    fn every_number_of_failures_in_a_row_is_told(most in 0_u32..100, failures in 0_u32..100) {
        let counts = Counts { consecutive_failures: failures, ..Counts::NONE };
        let above = Condition::parse(&std::format!("consecutiveFailures > {most}")).expect("a condition");
        prop_assert_eq!(above.holds(&counts), failures > most);
        let at_least = Condition::parse(&std::format!("consecutiveFailures>={most}")).expect("a condition");
        prop_assert!(at_least.holds(&counts) == (failures >= most));
    }
}
