//! Seeds of randomised tests.

/// The seeds to run: from 1 to `count`, or those that `FLOODWAY_SEEDS` names, as in `3` or `10..20`. A
/// test says its seed when it fails, so that this brings the same run again.
pub fn seeds(count: u64) -> Vec<u64> {
    let text = std::env::var("FLOODWAY_SEEDS").unwrap_or_default();
    parse(&text, count).expect("FLOODWAY_SEEDS is one seed, as in 3, or a range, as in 10..20")
}

fn parse(text: &str, count: u64) -> Option<Vec<u64>> {
    if text.is_empty() {
        return Some((1..=count).collect());
    }
    match text.split_once("..") {
        Some((from, to)) => Some((from.parse().ok()?..to.parse().ok()?).collect()),
        None => Some(vec![text.parse().ok()?]),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_one_seed_a_range_or_none() {
        assert_eq!(parse("", 3), Some(vec![1, 2, 3]));
        assert_eq!(parse("7", 3), Some(vec![7]));
        assert_eq!(parse("7..9", 3), Some(vec![7, 8]));
        assert_eq!(parse("x", 3), None);
    }
}
