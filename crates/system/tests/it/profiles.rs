//! Profiles and references to the environment.

use floodway_blocks::engine::OptionValue;
use floodway_system::{Code, Source, System};

use crate::support::{read, read_with};

const FILE: &str = r#"
system: shop
services:
  order: { run: shop order, env: { A: a, B: b }, replicas: 3, balance: weighted, weights: [1, 2, 3] }
gateway: { listen: ["127.0.0.1:8080", "127.0.0.1:8081"] }
stores: { orders: { engine: embedded } }
profiles:
  small:
    services: { order: { env: { B: c, C: d }, replicas: 1, weights: ~, balance: random } }
    gateway: { listen: 127.0.0.1:9090 }
    stores: { orders: { durability: interval, interval: 5ms }, more: { engine: embedded } }
  moved:
    services: { order: { run: ~, env: ~, replicas: ~, weights: [1], at: ["10.0.0.4:80"] } }
  elsewhere:
    node: { api: { bind: 10.0.0.1, token: "${env:NOT_SET}" } }
"#;

fn system(profile: Option<&str>) -> System {
    read_with(FILE, profile).map_err(|mistakes| mistakes.to_string()).expect("a good file")
}

fn codes(text: &str, profile: Option<&str>) -> Vec<(Code, usize)> {
    let mistakes = read_with(text, profile).err();
    let list = |mistake: &floodway_system::Mistake| (mistake.code, mistake.span.map_or(0, |span| span.line));
    mistakes.iter().flat_map(|mistakes| mistakes.iter().map(list)).collect()
}

#[test]
fn a_profile_lies_over_the_file() {
    let system = system(Some("small"));
    let Source::Run(run) = &system.services[0].source else { panic!("it is run") };
    let env: Vec<_> = run.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=a", "B=c", "C=d"]);
    assert_eq!((run.replicas, system.services[0].weights.len()), (1, 1));
    assert_eq!(system.gateway.unwrap().listen[0].address, "127.0.0.1:9090".parse().unwrap());
    let names: Vec<_> = system.stores.iter().map(|store| store.name.as_str()).collect();
    assert_eq!(names, ["orders", "more"]);
    let options = &system.stores[0].engine.options;
    assert_eq!(options["durability"], OptionValue::Text("interval".into()));
    assert_eq!(options["interval"], OptionValue::Duration(std::time::Duration::from_millis(5)));
    assert_eq!(system.profiles, ["small", "moved", "elsewhere"]);
}

#[test]
fn null_in_a_profile_removes_a_key() {
    let system = system(Some("moved"));
    let Source::At(addresses) = &system.services[0].source else { panic!("it is there") };
    assert_eq!(addresses.as_slice(), ["10.0.0.4:80".parse().unwrap()]);
}

#[test]
fn without_a_profile_none_counts() {
    let system = system(None);
    assert_eq!(system.services[0].endpoints(), 3);
    assert_eq!(system.gateway.unwrap().listen.len(), 2);
    assert_eq!(system.stores[0].engine.options["durability"], OptionValue::Text("fsync".into()));
}

#[test]
fn a_variable_must_be_set_only_where_it_is_used() {
    assert_eq!(codes(FILE, None), []);
    assert_eq!(codes(FILE, Some("elsewhere")), [(Code::MissingVariable, 15)]);
}

#[test]
fn a_mistake_that_a_profile_brings_about_names_it() {
    let text = FILE.replace("weights: ~, balance: random", "env: {}").replace("env: { B: c, C: d }, ", "");
    let mistakes = read(&text).unwrap_err();
    let all: Vec<_> = mistakes.iter().collect();
    assert_eq!((all.len(), all[0].code, all[0].span.unwrap().line), (1, Code::WeightsCount, 4));
    assert_eq!(all[0].help.as_deref(), Some("this comes about with the profile `small`"));
}

#[test]
fn the_environment_may_give_any_value() {
    let text = r#"
system: a
node: { workers: "${env:SET}", grace: "${env:SET}s" }
services: { b: { run: "b ${env:UNSET:-one two} $${x}", replicas: "${env:UNSET:-2}" } }
"#;
    let system = read(text).map_err(|mistakes| mistakes.to_string()).unwrap();
    assert_eq!(system.node.workers, Some(7));
    assert_eq!(system.node.grace.as_secs(), 7);
    let Source::Run(run) = &system.services[0].source else { panic!("it is run") };
    assert_eq!(run.command, ["b", "one", "two", "${x}"]);
    assert_eq!(run.replicas, 2);
}

#[test]
fn what_the_environment_gives_is_no_reference() {
    let env = |_: &str| Some("${row:gone}".to_owned());
    let context = floodway_system::Context {
        file: "floodway.yaml".as_ref(),
        profile: None,
        env: &env,
        catalogue: &[],
        columns: &|_| Ok(None),
    };
    let text = "system: a\nloads: { b: { repeat: 1, request: { path: /, body: '${env:X} ${row} $${y}' } } }";
    let system = floodway_system::parse(text, context).map_err(|mistakes| mistakes.to_string()).unwrap();
    let body = system.loads[0].load.request.body.as_ref().unwrap();
    let mut shown = String::new();
    body.bind::<&str>(&[]).unwrap().render(3, |_| "", &mut shown);
    assert_eq!(shown, "${row:gone} 3 ${y}");
}

#[test]
fn an_alias_stands_for_what_its_anchor_names() {
    let text = "system: a\nservices:\n  b: &b { run: b, timeout: 2s }\n  c: *b\n";
    let system = read(text).map_err(|mistakes| mistakes.to_string()).unwrap();
    assert_eq!(system.services[1].timeout.as_secs(), 2);
    // The place of a mistake is where it is written, once.
    assert_eq!(codes(&text.replace("2s", "2"), None), [(Code::BadDuration, 3)]);
}

#[test]
fn debug_does_not_show_a_token() {
    let text = "system: a\nnode: { api: { bind: 0.0.0.0, token: hush } }";
    let system = read(text).map_err(|mistakes| mistakes.to_string()).unwrap();
    assert_eq!(system.node.api_token.as_ref().map(floodway_system::Token::reveal), Some("hush"));
    assert!(!format!("{system:?}").contains("hush"));
}
