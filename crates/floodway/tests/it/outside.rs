//! Secrets and configuration of a real node.

use std::fs;
use std::net::SocketAddr;

use crate::support::{Node, eventually, web};

fn ask(node: &Node, path: &str) -> (u16, String) {
    let port = node.file().expect("the node runs")["replicas"][0]["api_port"].as_u64().expect("a port");
    let api = SocketAddr::from(([127, 0, 0, 1], port.try_into().expect("a port")));
    let answer = floodway_kit::http::get(api, path).expect("an answer");
    (answer.status, answer.text())
}

#[test]
fn services_read_what_the_system_file_names() {
    let place = web("replicas: 1");
    place.add(
        "secrets:\n  vault: { engine: file, path: vault.json }\n  mounted: { engine: folder, path: mounted }\n\
         configuration: { features: { engine: file, path: features.json } }\n",
    );
    fs::create_dir(place.path("mounted")).expect("a folder");
    fs::write(place.path("mounted/key"), "k\n").expect("written");
    fs::write(place.path("vault.json"), r#"{"db":{"password":"p"}}"#).expect("written");
    fs::write(place.path("features.json"), r#"{"a":{"value":"1","version":"1"}}"#).expect("written");
    let node = place.up_and_ready();
    assert_eq!(ask(&node, "/v1.0/secrets/mounted/key"), (200, r#"{"key":"k"}"#.to_owned()));
    let password = (200, r#"{"db:password":"p"}"#.to_owned());
    assert_eq!(ask(&node, "/v1.0/secrets/vault/db%3Apassword"), password);
    let features = (200, r#"{"a":{"value":"1","version":"1"}}"#.to_owned());
    assert_eq!(ask(&node, "/v1.0/configuration/features"), features);
    node.stop();
}

#[test]
fn a_component_whose_file_is_missing_keeps_the_node_from_starting() {
    let place = web("replicas: 1");
    place.add("secrets: { vault: { engine: file, path: nowhere.json } }\n");
    let node = place.up(&[]);
    eventually("the log names the page", || {
        node.err().contains("FW-2018")
            && node.err().contains("secrets.vault")
            && node.err().contains("nowhere.json")
    });
}
