use std::format;
use std::string::String;
use std::vec::Vec;

use expect_test::{Expect, expect};
use proptest::collection::vec;
use proptest::{prop_assert_eq, proptest};

use super::{Methods, PathPattern, Pattern, RouteId, Routed, Router};

fn pattern(text: &str) -> Pattern {
    let mut words: Vec<&str> = text.split(' ').collect();
    let path = words.pop().expect("a path");
    let mut methods = Methods::NONE;
    let mut host = None;
    for word in words {
        match methods.with(word) {
            Some(more) => methods = more,
            None => host = Some(String::from(word)),
        }
    }
    let methods = if methods == Methods::NONE { Methods::ALL } else { methods };
    Pattern { host, path: PathPattern::parse(path).expect("a path pattern"), methods }
}

fn router(patterns: &[&str]) -> Router {
    Router::new((0..).map(RouteId).zip(patterns).map(|(id, text)| (pattern(text), id)))
}

/// Each request is `METHOD host path`; the answer names the pattern.
fn check(patterns: &[&str], requests: &[&str], expected: &Expect) {
    let router = router(patterns);
    let mut answers = Vec::new();
    for request in requests {
        let words: Vec<&str> = request.split(' ').collect();
        let answer = match router.find(Some(words[1]), words[2], words[0]) {
            Routed::To(route) => String::from(patterns[usize::from(route.0)]),
            Routed::MethodNotAllowed(methods) => {
                format!("405, allow {}", methods.names().collect::<Vec<_>>().join(", "))
            }
            Routed::NotFound => String::from("404"),
        };
        answers.push(format!("{request} -> {answer}\n"));
    }
    expected.assert_eq(&answers.concat());
}

#[test]
fn the_most_specific_pattern_wins() {
    check(
        &["/*", "/orders", "POST /orders", "/orders/*", "/orders/new", "shop.example /orders/*"],
        &[
            "GET a /",
            "GET a /orders",
            "POST a /orders",
            "GET a /orders/7",
            "GET a /orders/",
            "GET a /orders/new",
            "GET a /orders/7/items/3",
            "GET shop.example /orders/new",
            "GET shop.example /other",
        ],
        &expect![[r"
            GET a / -> /*
            GET a /orders -> /orders
            POST a /orders -> /orders
            GET a /orders/7 -> /orders/*
            GET a /orders/ -> /orders/*
            GET a /orders/new -> /orders/new
            GET a /orders/7/items/3 -> /orders/*
            GET shop.example /orders/new -> shop.example /orders/*
            GET shop.example /other -> /*
        "]],
    );
}

#[test]
fn says_which_methods_a_known_path_allows() {
    check(
        &["POST /orders", "GET /orders/*"],
        &[
            "GET a /orders",
            "DELETE a /orders/7",
            "HEAD a /orders/7",
            "PURGE a /orders",
            "GET a /",
            "GET a /orders7",
        ],
        &expect![[r"
            GET a /orders -> 405, allow POST
            DELETE a /orders/7 -> 405, allow GET, HEAD
            HEAD a /orders/7 -> GET /orders/*
            PURGE a /orders -> 405, allow POST
            GET a / -> 404
            GET a /orders7 -> 404
        "]],
    );
}

#[test]
fn refuses_what_is_no_path_pattern() {
    for text in ["", "orders", "/a*", "*", "/a/*/b", "/a?b", "/a#b", "/a/**"] {
        assert_eq!(PathPattern::parse(text), None, "{text}");
    }
}

proptest! {
    /// Against the plain reading of the rule: all that match, the longest first.
    #[test]
    fn agrees_with_a_linear_search(
        patterns in vec("(/[ab]{0,2}){1,3}(/\\*)?", 1..12),
        path in "(/[ab]{0,2}){1,4}",
    ) {
        let texts: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let matches = |text: &str| match text.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == text,
        };
        let best = (0..texts.len())
            .filter(|&place| matches(texts[place]))
            .max_by_key(|&place| {
                let text = texts[place];
                (!text.ends_with('*'), text.len(), usize::MAX - place)
            });
        let expected = best.map_or(Routed::NotFound, |place| Routed::To(RouteId(u16::try_from(place).unwrap())));
        prop_assert_eq!(router(&texts).find(Some("a"), &path, "GET"), expected);
    }
}

#[test]
fn names_a_pattern() {
    for text in ["GET,PUT a.example/orders/*", "/orders", "b.example/*", "POST /"] {
        let words = text.replace(',', " ").replacen('/', " /", 1);
        assert_eq!(alloc::format!("{}", pattern(words.trim())), text);
    }
}
