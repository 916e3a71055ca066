//! Start, restart, drain, stop.

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::service;
use crate::support::{Node, eventually, get, is_alive, signal, system, web};

#[test]
fn serves_through_the_gateway() {
    let node = web("replicas: 2, health: { http: /healthz }").up_and_ready();
    let answers: Vec<_> = (0..4).map(|_| node.get("/who")).collect();
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert!(answers.iter().any(|(_, who)| who.starts_with("web/0")), "{answers:?}");
    assert!(answers.iter().any(|(_, who)| who.starts_with("web/1")), "{answers:?}");
    node.stop();
}

#[test]
fn tells_a_replica_where_it_is() {
    let node = web("replicas: 1").up_and_ready();
    let (_, env) = node.get("/env");
    let words: Vec<_> = env.split(' ').collect();
    let file = node.file().expect("the node runs");
    assert_eq!(words[0], file["replicas"][0]["api_port"].to_string());
    assert!(words[1].parse::<u16>().is_ok_and(|port| port > 0));
    assert_eq!(words[2..], ["test", "hello"]);
    node.stop();
}

#[test]
fn prefixes_what_replicas_print() {
    let node = web("replicas: 1").up_and_ready();
    node.get("/say");
    eventually("the line is passed on", || node.out().contains("web/0 | said something\n"));
    node.stop();
}

#[test]
fn restarts_a_replica_that_died_and_says_so() {
    let node = web("replicas: 1, health: { http: /healthz }").up_and_ready();
    let first = node.pid(0);
    signal(first, Signal::KILL);
    eventually("another process serves", || {
        get(node.gateway(), "/who")
            .is_some_and(|(status, who)| status == 200 && !who.contains(&first.to_string()))
    });
    assert!(node.err().contains("died") && node.err().contains("SIGKILL"), "{}", node.err());
    assert_eq!(node.replicas()[0]["restarts"], 1);
    node.stop();
}

#[test]
fn names_the_exit_status_of_a_replica_that_died() {
    let node = web("replicas: 1").up_and_ready();
    // Its answer is cut off by its end.
    drop(get(node.gateway(), "/die"));
    eventually("the log names it", || node.err().contains("exit status 3"));
    node.stop();
}

#[test]
fn a_replica_that_keeps_dying_is_told_with_its_page() {
    let node = system("services:\n  web: { run: \"sh -c 'exit 7'\" }\n").up(&[]);
    eventually("the log names the page", || node.err().contains("FW-2006"));
    node.stop();
}

#[test]
fn an_unhealthy_replica_gets_no_requests() {
    let place = web("replicas: 1, health: { http: /healthz, period: 50ms, failure: 2 }");
    let node = place.up_and_ready();
    std::fs::write(node.place.path("sick"), "").expect("written");
    eventually("it is unhealthy", || node.state(0) == "unhealthy");
    let why = |node: &Node| node.replicas()[0]["why"].as_str().map(str::to_owned);
    assert_eq!(why(&node).as_deref(), Some("answered 500 Internal Server Error"));
    let told = String::from_utf8(node.place.run(&["status"]).stdout).expect("text");
    assert!(told.contains("answered 500"), "{told}");
    assert_eq!(node.get("/who").0, 503);
    std::fs::remove_file(node.place.path("sick")).expect("removed");
    eventually("it is ready again", || node.state(0) == "ready");
    assert_eq!(why(&node), None);
    assert_eq!(node.get("/who").0, 200);
    node.stop();
}

#[test]
fn routes_to_addresses_that_others_serve() {
    let other = web("replicas: 1").up_and_ready();
    let port = other.replicas()[0]["address"].as_str().expect("an address").to_owned();
    let node = system(&format!("services:\n  web: {{ at: [\"{port}\"] }}\n")).up_and_ready();
    assert_eq!(node.get("/who").0, 200);
    node.stop();
    assert_eq!(other.get("/who").0, 200);
    other.stop();
}

#[test]
fn drains_a_replica_and_starts_a_fresh_one() {
    let node = web("replicas: 2").up_and_ready();
    let (first, second) = (node.pid(0), node.pid(1));
    let output = node.place.run(&["drain", "web/0"]);
    assert!(output.status.success(), "{output:?}");
    assert!(!is_alive(first) && is_alive(second));
    eventually("a fresh one is ready", || node.state(0) == "ready");
    node.stop();
}

#[test]
fn a_drained_replica_finishes_what_it_has() {
    let node = web("replicas: 1").up_and_ready();
    let gateway = node.gateway();
    let slow = std::thread::spawn(move || get(gateway, "/slow"));
    eventually("the request is under way", || node.replicas()[0]["in_flight"] == 1);
    assert!(node.place.run(&["drain", "web/0"]).status.success());
    assert_eq!(slow.join().expect("joined"), Some((200, "slow".into())));
    node.stop();
}

#[test]
fn draining_every_replica_in_turn_loses_no_request() {
    let node = web("replicas: 2, health: { http: /healthz }").up_and_ready();
    let gateway = node.gateway();
    let is_over = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let client = || {
            let mut answers = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                answers.push(get(gateway, "/who").map(|(status, _)| status));
            }
            answers
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        for replica in ["web/0", "web/1", "web/0", "web/1"] {
            assert!(node.place.run(&["drain", replica]).status.success());
            eventually("both are ready", || (0..2).all(|index| node.state(index) == "ready"));
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("joined")).collect::<Vec<_>>()
    });
    let lost = answers.iter().filter(|answer| **answer != Some(200)).count();
    assert_eq!(lost, 0, "of {}", answers.len());
    node.stop();
}

#[test]
fn restarting_even_a_single_replica_loses_no_request() {
    let node = web("replicas: 1, health: { http: /healthz }").up_and_ready();
    let gateway = node.gateway();
    let first = node.pid(0);
    let is_over = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let client = || {
            let mut answers = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                answers.push(get(gateway, "/who").map(|(status, _)| status));
            }
            answers
        };
        let clients: Vec<_> = (0..2).map(|_| scope.spawn(client)).collect();
        for _ in 0..3 {
            let output = node.place.run(&["restart", "web"]);
            assert!(output.status.success(), "{output:?}");
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("joined")).collect::<Vec<_>>()
    });
    let lost = answers.iter().filter(|answer| **answer != Some(200)).count();
    assert_eq!(lost, 0, "of {}", answers.len());
    assert!(!is_alive(first) && node.pid(0) != first);
    assert_eq!(node.replicas()[0]["restarts"], 3);
    node.stop();
}

#[test]
fn a_restart_lets_the_old_process_finish_what_it_has() {
    let node = web("replicas: 1").up_and_ready();
    let gateway = node.gateway();
    let slow = std::thread::spawn(move || get(gateway, "/slow"));
    eventually("the request is under way", || node.replicas()[0]["in_flight"] == 1);
    assert!(node.place.run(&["restart", "web"]).status.success());
    assert_eq!(slow.join().expect("joined"), Some((200, "slow".into())));
    assert_eq!(node.place.run(&["restart", "nobody"]).status.code(), Some(1));
    node.stop();
}

#[test]
fn a_replica_that_is_left_out_comes_back_when_it_is_drained_again() {
    let node = web("replicas: 1").up_and_ready();
    assert!(node.place.run(&["drain", "web/0", "--stop"]).status.success());
    assert_eq!(node.state(0), "stopped");
    assert_eq!(node.get("/who").0, 503);
    assert!(node.place.run(&["drain", "web/0"]).status.success());
    eventually("it is back", || node.state(0) == "ready");
    node.stop();
}

#[test]
fn a_stop_finishes_requests_under_way_and_takes_no_new_ones() {
    let mut node = web("replicas: 1").up_and_ready();
    let gateway = node.gateway();
    let replica = node.pid(0);
    let slow = std::thread::spawn(move || get(gateway, "/slow"));
    eventually("the request is under way", || {
        let output = node.place.run(&["status"]);
        String::from_utf8_lossy(&output.stdout).contains(" 1 in flight")
    });
    node.signal(Signal::TERM);
    eventually("no new request is taken", || get(gateway, "/who").is_none());
    assert_eq!(slow.join().expect("joined"), Some((200, "slow".into())));
    assert!(node.ended().success(), "{}", node.err());
    assert!(!is_alive(replica));
    assert!(node.file().is_none(), "its announcement is taken back");
}

#[test]
fn a_replica_that_ignores_the_signal_is_killed_after_the_grace() {
    let stubborn = format!("sh -c 'trap \\\"\\\" TERM; exec {}'", service::run());
    let services =
        format!("services:\n  web: {{ run: \"{stubborn}\", env: {{ {}: \"1\" }} }}\n", service::MARK);
    let mut node = system(&services).up_and_ready();
    let replica = node.pid(0);
    node.signal(Signal::INT);
    assert!(node.ended().success(), "{}", node.err());
    assert!(!is_alive(replica));
    assert!(node.err().contains("did not end in time"), "{}", node.err());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut node = web("replicas: 1").up_and_ready();
    let gateway = node.gateway();
    let replica = node.pid(0);
    let slow = std::thread::spawn(move || get(gateway, "/slow"));
    eventually("the request is under way", || {
        let output = node.place.run(&["status"]);
        String::from_utf8_lossy(&output.stdout).contains(" 1 in flight")
    });
    node.signal(Signal::TERM);
    eventually("it drains", || node.err().contains("draining"));
    node.signal(Signal::TERM);
    assert!(!node.ended().success());
    eventually("its replica is gone", || !is_alive(replica));
    drop(slow.join());
}

#[test]
fn stops_when_the_admin_api_says_so() {
    let mut node = web("replicas: 1").up_and_ready();
    let admin = node.file().expect("it runs")["admin"].as_str().expect("an address").to_owned();
    let ask = |head: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&admin).expect("it listens");
        write!(stream, "POST /stop HTTP/1.1\r\nconnection: close\r\n{head}\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(ask("host: evil.example").contains(" 403 "));
    assert!(ask("host: 127.0.0.1\r\norigin: http://evil.example").contains(" 403 "));
    assert!(ask("host: 127.0.0.1").contains(" 202 "));
    assert!(node.ended().success());
}

#[test]
fn a_second_node_on_the_same_folder_is_refused() {
    let node = web("replicas: 1").up_and_ready();
    let second = node.place.run(&["up"]);
    let text = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(text.contains("FW-2001") && text.contains(&node.child.id().to_string()), "{text}");
    assert_eq!(node.get("/who").0, 200);
    node.stop();
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = web("replicas: 1");
    let file = place.path("floodway.yaml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let address = taken.local_addr().expect("an address").to_string();
    std::fs::write(&file, text.replace("127.0.0.1:0", &address)).expect("written");
    let output = place.run(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("FW-2003"), "{output:?}");
}

#[test]
fn a_replica_whose_port_was_taken_gets_another_one() {
    // The first time, a stranger in a session of its own takes the port and stays.
    let words = format!(
        "sh -c 'if mkdir once; then setsid {0} & while ! [ -e stranger ]; do sleep 0.05; done; exit 1; fi; \
         exec {0}'",
        service::run()
    );
    let services = format!(
        "services:\n  web: {{ run: \"{words}\", env: {{ {}: \"1\" }}, health: {{ http: /nothing }} }}\n",
        service::MARK
    );
    let node = system(&services).up(&[]);
    let mut stranger = None;
    eventually("the stranger listens", || {
        let address = node.file().and_then(|_| node.replicas()[0]["address"].as_str()?.parse().ok());
        let who = address.and_then(|address| get(address, "/who"));
        stranger = who.and_then(|(_, who)| who.split(' ').nth(1)?.parse().ok());
        stranger.is_some()
    });
    std::fs::write(node.place.path("stranger"), "").expect("written");
    eventually("it is started on another port", || node.err().contains("starting it on another one"));
    assert!(!node.err().contains("died"), "{}", node.err());
    node.stop();
    signal(stranger.expect("it said who it is"), Signal::KILL);
}

#[test]
fn a_reader_that_stalls_delays_no_request_and_no_stop() {
    let place = web("replicas: 1");
    let mut up = place.floodway(&["up"]);
    let child = up.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("floodway is built");
    let mut node = Node { child, place };
    eventually("it serves", || {
        node.file().is_some() && get(node.gateway(), "/who").is_some_and(|(status, _)| status == 200)
    });
    let gateway = node.gateway();
    // More than the pipe and the queue hold, of which nobody reads a byte.
    let noise = std::thread::spawn(move || get(gateway, "/shout"));
    for _ in 0..20 {
        assert_eq!(node.get("/who").0, 200);
    }
    node.signal(Signal::TERM);
    assert!(node.ended().success());
    drop(noise.join());
}
