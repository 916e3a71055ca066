//! A system file that changes under a running node.

use std::fs;
use std::process::Output;

use rustix::process::Signal;

use crate::support::{Node, eventually, web};

/// Puts `to` in the place of `from` in the system file, as editors do: by another file.
fn change(node: &Node, from: &str, to: &str) {
    let path = node.place.path("floodway.yaml");
    let text = fs::read_to_string(&path).expect("the file is there");
    assert!(text.contains(from), "{text}");
    let next = node.place.path("floodway.yaml.next");
    fs::write(&next, text.replace(from, to)).expect("written");
    fs::rename(next, path).expect("renamed");
}

fn told(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_command_has_the_file_read_again() {
    let node = web("replicas: 1").up_and_ready();
    let pid = node.pid(0);
    assert_eq!(node.get("/who").0, 200);
    change(&node, "path: \"/*\"", "path: /who");
    assert_eq!(told(&node.place.run(&["reload"])), (Some(0), "reloaded\n".to_owned()));
    assert_eq!((node.get("/who").0, node.get("/env").0), (200, 404));
    assert_eq!(node.pid(0), pid, "replicas go on");
    node.stop();
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_they_are_told() {
    let node = web("replicas: 1").up_and_ready();
    change(&node, "to: web", "to: wbe");
    let (code, text) = told(&node.place.run(&["reload"]));
    // The command reads the file too, to find the node.
    assert!(code == Some(2) && text.contains("did you mean `web`"), "{code:?} {text}");
    node.signal(Signal::HUP);
    eventually("the log names the mistake", || node.err().contains("did you mean `web`"));
    assert_eq!(node.get("/who").0, 200);
    change(&node, "to: wbe", "to: web");
    change(&node, "replicas: 1", "replicas: 2");
    let (code, text) = told(&node.place.run(&["reload"]));
    assert!(code == Some(1) && text.contains("FW-2017") && text.contains("services.web.run"), "{text}");
    assert_eq!(node.get("/who").0, 200);
    node.stop();
}

#[test]
fn sighup_has_the_file_read_again() {
    let node = web("replicas: 1").up_and_ready();
    change(&node, "path: \"/*\"", "path: /env");
    node.signal(Signal::HUP);
    eventually("the new route holds", || node.get("/who").0 == 404 && node.get("/env").0 == 200);
    node.stop();
}

#[test]
fn a_file_that_is_watched_is_read_again_once_it_changes() {
    let node = web("replicas: 1").up(&["--watch"]);
    eventually("all replicas are ready", || node.err().contains("all replicas are ready"));
    change(&node, "path: \"/*\"", "path: /env");
    eventually("the new route holds", || node.get("/who").0 == 404 && node.get("/env").0 == 200);
    node.stop();
}

#[test]
fn a_program_that_does_not_accept_the_file_does_not_take_over() {
    let node = web("replicas: 1").up_and_ready();
    let pid = node.pid(0);
    change(&node, "to: web", "to: wbe");
    node.signal(Signal::USR2);
    eventually("the log says why", || node.err().contains("did you mean `web`"));
    change(&node, "to: wbe", "to: web");
    assert_eq!((node.get("/who").0, node.pid(0)), (200, pid));
    node.stop();
}
