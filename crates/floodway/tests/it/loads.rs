//! Loads, their expectations and their audits.

use crate::support::{Place, web};

const SOUND: &str = "loads:\n  some:\n    repeat: 200\n    concurrency: 4\n    \
    request: { method: GET, path: /who }\n";

fn with_load(rest: &str) -> Place {
    let place = web("replicas: 2");
    place.add(SOUND);
    place.add(rest);
    place
}

fn run(place: &Place) -> (Option<i32>, String) {
    let output = place.run(&["up", "--load", "some", "--exit", "--quiet"]);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned())
}

#[test]
fn a_load_whose_expectations_and_audit_hold_exits_with_0() {
    let place = with_load(
        "    expect: { accepted: 200 }\n    audit: { run: \"sh -c 'echo $FLOODWAY_LOAD; wc -l < \
         $FLOODWAY_JOURNAL; test -n \\\"$DAPR_HTTP_PORT\\\"'\" }\n",
    );
    let (code, text) = run(&place);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("audit | some") && text.contains("audit | 201"), "{text}");
    assert!(text.contains("expectations held") && text.contains("audit green"), "{text}");
    assert!(place.path(".floodway/loads/some/journal.csv").exists());
}

#[test]
fn an_expectation_that_does_not_hold_exits_with_1() {
    let (code, text) = run(&with_load("    expect: { accepted: 199 }\n"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("expected 199 accepted, found 200"), "{text}");
}

#[test]
fn an_audit_that_fails_exits_with_1() {
    let (code, text) = run(&with_load("    audit: { run: \"sh -c 'exit 4'\" }\n"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("audit failed") && text.contains("exit status 4"), "{text}");
}
