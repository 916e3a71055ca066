//! The other commands, and what they refuse.

use floodway_kit::http;

use crate::support::{eventually, is_alive, processes_in, system, web};

#[test]
fn check_says_where_a_mistake_is() {
    let place = system("services:\n  web: { rnu: \"true\" }\n");
    let output = place.run(&["check"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("floodway.yaml:4") && text.contains("did you mean `run`"), "{text}");
    assert_eq!(place.run(&["up"]).status.code(), Some(2), "nothing starts on a broken file");
    assert!(!place.path(".floodway").exists());
}

#[test]
fn check_says_that_a_file_is_sound() {
    let output = web("replicas: 3").run(&["check"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("3 replicas"), "{text}");
}

#[test]
fn check_says_which_certificate_cannot_be_used() {
    let place = web("replicas: 1");
    place.add("  tls: { certificates: [{ cert: shop.pem, key: shop.key }] }\n");
    for command in ["check", "up"] {
        let output = place.run(&[command]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("FW-2016") && text.contains("could not read shop.pem"), "{text}");
    }
}

#[test]
fn check_prints_the_schema() {
    let output = web("replicas: 1").run(&["check", "--schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(schema["$defs"]["system"]["properties"]["services"].is_object());
}

#[test]
fn a_wrong_command_line_is_a_mistake_of_its_own() {
    let place = web("replicas: 1");
    assert_eq!(place.run(&["down"]).status.code(), Some(2));
    assert_eq!(place.run(&["up", "--exit"]).status.code(), Some(2));
    assert_eq!(place.run(&["drain", "web"]).status.code(), Some(2));
    assert_eq!(place.run(&["up", "--load", "none"]).status.code(), Some(2));
}

#[test]
fn status_says_that_no_node_runs() {
    let output = web("replicas: 1").run(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("FW-2010"));
}

#[test]
fn status_shows_each_replica() {
    let node = web("replicas: 2").up_and_ready();
    let output = node.place.run(&["status"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("web/0") && text.contains("web/1") && text.contains("ready"), "{text}");
    node.stop();
}

#[test]
fn drain_refuses_what_is_not_there() {
    let node = web("replicas: 1").up_and_ready();
    for replica in ["web/1", "shop/0"] {
        let output = node.place.run(&["drain", replica]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("FW-2012"), "{output:?}");
    }
    node.stop();
}

#[test]
fn purge_takes_responses_out_of_the_cache() {
    let place = web("replicas: 2");
    let file = place.path("floodway.yaml");
    let text = std::fs::read_to_string(&file).expect("readable");
    std::fs::write(&file, text.replace("to: web }", "to: web, cache: { fresh: 1h } }")).expect("written");
    let node = place.up_and_ready();
    let (first, again) = (node.get("/who"), node.get("/who"));
    assert_eq!(first, again, "the other replica was not asked");
    let purge = |words: &[&str]| {
        let output = node.place.run(&[&["purge"], words].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(purge(&["--path", "/other"]), (Some(0), "0 responses purged\n".to_owned()));
    assert_eq!(purge(&["--path", "/who"]), (Some(0), "1 response purged\n".to_owned()));
    assert_eq!(purge(&["--everything"]), (Some(0), "0 responses purged\n".to_owned()));
    node.get("/who");
    assert_eq!(purge(&["--everything"]), (Some(0), "1 response purged\n".to_owned()));
    assert_eq!(purge(&[]).0, Some(2));
    assert_eq!(purge(&["--path", "/who", "--tag", "a"]).0, Some(2));
    node.stop();
}

#[test]
fn the_admin_api_wants_its_token() {
    let place = web("replicas: 1");
    let file = place.path("floodway.yaml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let text = text.replace("grace: 2s", "grace: 2s, admin: { token: \"${env:ADMIN_TOKEN:-right}\" }");
    std::fs::write(&file, text).expect("written");
    let node = place.up_and_ready();
    assert!(node.place.run(&["status"]).status.success());
    let wrong = node.place.floodway(&["status"]).env("ADMIN_TOKEN", "wrong").output().expect("it runs");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("FW-2012"), "{wrong:?}");
    let announced = node.file().expect("it runs").to_string();
    assert!(!announced.contains("right"), "no token in node.json");
    node.stop();
}

#[test]
fn forgetting_a_group_says_what_is_not_there() {
    let place = web("replicas: 1");
    place.add("topics: { events: { engine: embedded } }\n");
    let node = place.up_and_ready();
    let admin = node.file().expect("it runs")["admin"].as_str().expect("an address").parse().expect("one");
    let forget = |query: &str| {
        let answer = http::send(admin, "DELETE", &format!("/groups?{query}"), &[], &[]).expect("an answer");
        (answer.status, answer.text())
    };
    assert_eq!(forget("topics=events&topic=a%2Fb").0, 400);
    let (status, text) = forget("topics=other&topic=a%2Fb&group=gone");
    assert!(status == 404 && text.contains("there are no topics other"), "{text}");
    let (status, text) = forget("topics=events&topic=a%2Fb&group=gone");
    assert!(status == 404 && text.contains("a/b in events has no group gone"), "{text}");
    node.stop();
}

#[test]
fn a_build_runs_once_and_only_when_wanted() {
    let place = web("replicas: 2, build: \"echo built >> built\"");
    let node = place.up_and_ready();
    assert_eq!(std::fs::read_to_string(node.place.path("built")).expect("it was built"), "built\n");
    node.stop();

    let node = web("replicas: 1, build: \"echo built >> built\"").up(&["--no-build"]);
    eventually("it is ready", || node.err().contains("all replicas are ready"));
    assert!(!node.place.path("built").exists());
    node.stop();
}

#[test]
fn a_build_that_fails_shows_its_output_and_starts_nothing() {
    let output = web("replicas: 1, build: \"echo to-out; echo to-err >&2; exit 3\"").run(&["up", "--quiet"]);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("FW-2004") && text.contains("exit status 3"), "{text}");
    assert!(text.contains("to-out") && text.contains("to-err"), "{text}");
}

#[test]
fn a_signal_ends_a_build_and_all_that_it_started() {
    let mut node = web("replicas: 1, build: \"echo $$ > pid; sleep 300; true\"").up(&[]);
    let pid = || std::fs::read_to_string(node.place.path("pid")).ok()?.trim().parse().ok();
    eventually("it builds", || pid().is_some());
    let build: u32 = pid().expect("it builds");
    node.signal(rustix::process::Signal::INT);
    assert!(node.ended().success(), "{}", node.err());
    let folder = node.place.dir.path().to_owned();
    eventually("nothing is left", || !is_alive(build) && processes_in(&folder).is_empty());
}

#[test]
fn a_program_that_is_missing_is_named() {
    let output = system("services:\n  web: { run: ./no-such-program }\n").run(&["up"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("FW-2005") && text.contains("./no-such-program"), "{text}");
}

#[test]
fn completions_know_the_commands() {
    let place = web("replicas: 1");
    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completions", shell]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("drain") && !text.contains("guard"), "{shell}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_a_mistake() {
    let place = web("replicas: 1");
    let output = place.floodway(&["up"]).env("FLOODWAY_LOG", "a=b=c").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("FLOODWAY_LOG"), "{output:?}");
}

#[test]
fn every_command_has_examples() {
    let place = web("replicas: 1");
    for command in ["up", "check", "status", "drain", "restart", "purge", "completions"] {
        let output = place.run(&[command, "--help"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("Examples:"), "{command}");
    }
}

#[test]
fn the_log_can_be_json() {
    let node = web("replicas: 1").up(&["--log", "json"]);
    eventually("all replicas are ready", || node.err().contains("all replicas are ready"));
    node.get("/say");
    eventually("the line is passed on", || node.out().contains("said something"));
    for line in node.err().lines().chain(node.out().lines()) {
        let object: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(object.is_ok_and(|object| object.is_object()), "{line}");
    }
    node.stop();
}
