use std::path::Path;
use std::time::Duration;

use floodway_blocks::engine::OptionValue;
use floodway_blocks::subscription::Bulk;
use floodway_blocks::{Block, EngineDescription};

use super::*;
use crate::load::{Context, parse};

const EMBEDDED: EngineDescription = EngineDescription {
    name: "embedded",
    serves: &[Block::State, Block::Topics, Block::Locks],
    options: &[],
    outbox: true,
};

fn catalogue() -> Vec<EngineDescription> {
    [&[EMBEDDED], floodway_engines::DESCRIPTIONS].concat()
}

/// A system of the service `order` with the topics `events`, and what a text adds.
fn read(text: &str) -> Result<System, Mistakes> {
    let catalogue = catalogue();
    let context = Context {
        file: Path::new("floodway.yaml"),
        profile: None,
        env: &|_| None,
        catalogue: &catalogue,
        columns: &|_| Ok(None),
    };
    let base = "system: s\nservices: { order: { run: order } }\ntopics: { events: { engine: embedded } }";
    let mut system = parse(base, context).expect("a system");
    let env = |name: &str| (name == "SET").then(|| "from outside".to_owned());
    let secret = |component: &Component, name: &str| match (component.name.as_str(), name) {
        ("vault", "mail") => {
            Ok([("mail", "m"), ("token", "t")].map(|(a, b)| (a.to_owned(), b.to_owned())).into())
        }
        _ => Err("it is not there".to_owned()),
    };
    let mut documents = [Documents::parse("resources.yaml", text.to_owned())];
    add_documents(
        &mut system,
        &mut documents,
        Surroundings { env: &env, secret: &secret, catalogue: &catalogue },
    );
    let [Documents { file, text, mistakes, .. }] = documents;
    if mistakes.is_empty() { Ok(system) } else { Err(Mistakes::new(&file, &text, mistakes)) }
}

fn component(kind: &str, metadata: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: it\nspec:\n  type: {kind}\n  version: v1\n  \
         metadata:\n{metadata}"
    )
}

pub(super) fn sound(text: &str) -> System {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The code, line and message of each mistake.
fn wrong(text: &str) -> Vec<(&'static str, usize, String)> {
    let mistakes = read(text).expect_err("a mistake");
    let line = |mistake: &Mistake| mistake.span.map_or(0, |span| span.line);
    mistakes.iter().map(|mistake| (mistake.code.as_str(), line(mistake), mistake.message.clone())).collect()
}

#[test]
fn reads_components_of_every_type_that_is_served() {
    let store = sound(&component("state.in-memory", "  - { name: keyPrefix, value: appid }\n"));
    assert_eq!((store.stores[0].name.as_str(), store.stores[0].engine.name.as_str()), ("it", "embedded"));
    let topics = sound(&component("pubsub.in-memory", "    []\n"));
    assert_eq!((topics.topics[1].name.as_str(), topics.topics[1].in_flight_max), ("it", 64));
    let env = sound(&component("secretstores.local.env", "  - { name: prefix, value: SHOP_ }\n"));
    assert_eq!(env.secrets[0].engine.options["prefix"], OptionValue::Text("SHOP_".to_owned()));
    let env = sound(&component("secretstores.local.env", "    []\n"));
    assert_eq!(env.secrets[0].engine.options["prefix"], OptionValue::Text(String::new()));
    let file = sound(&component(
        "secretstores.local.file",
        "  - { name: secretsFile, value: a/b.json }\n  - { name: multiValued, value: \"true\" }\n",
    ));
    assert_eq!(file.secrets[0].engine.options["path"], OptionValue::File("a/b.json".into()));
    assert_eq!(file.secrets[0].engine.options["multi-valued"], OptionValue::Flag(true));
    let cron = sound(&component("bindings.cron", "  - { name: schedule, value: \"@every 90s\" }\n"));
    assert_eq!(cron.bindings[0].engine.options["schedule"], OptionValue::Text("@every 90s".to_owned()));
    let http = sound(&component(
        "bindings.http",
        "  - { name: url, value: \"https://mail.example/${x}\" }\n  - { name: responseTimeout, value: 1.5s }\n\
         \u{20} - { name: maxResponseBodySize, value: 2Mi }\n  - { name: securityToken, envRef: SET }\n\
         \u{20} - { name: errorIfNot2XX, value: \"false\" }\n",
    ));
    let options = &http.bindings[0].engine.options;
    assert_eq!(options["url"], OptionValue::Text("https://mail.example/${x}".to_owned()));
    assert_eq!(options["response-timeout"], OptionValue::Duration(Duration::from_millis(1500)));
    assert_eq!(options["response-bytes"], OptionValue::Size(2 << 20));
    assert_eq!(options["token"], OptionValue::Text("from outside".to_owned()));
    assert_eq!(options["error-unless-2xx"], OptionValue::Flag(false));
}

#[test]
fn reads_several_documents_with_scopes_and_an_outbox() {
    let text = "\
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: orders.v1, namespace: default, labels: { a: b } }
spec:
  type: state.in-memory
  version: v1
  metadata:
    - { name: outboxPublishPubsub, value: events }
    - { name: outboxPublishTopic, value: changed }
scopes: [order]
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: { name: sub }
spec:
  pubsubname: events
  topic: changed
  routes: { default: take }
  deadLetterTopic: dead
  metadata: { rawPayload: \"true\" }
---
";
    let system = sound(text);
    let outbox = system.stores[0].outbox.as_ref().expect("an outbox");
    assert_eq!((outbox.topics.as_str(), outbox.topic.as_str()), ("events", "changed"));
    let apps = vec!["order".to_owned()];
    assert_eq!(system.scopes, [Scope { section: "stores", name: "orders.v1".to_owned(), apps }]);
    let subscription = &system.subscriptions[0].subscription;
    assert_eq!((subscription.routes.default_path(), subscription.is_raw), (Some("/take"), true));
    assert_eq!(subscription.dead_letter.as_deref(), Some("dead"));
    let old = "\
apiVersion: dapr.io/v1alpha1
kind: Subscription
metadata: { name: sub }
spec: { pubsubname: events, topic: a, route: /a }
scopes: [order]
";
    assert_eq!(sound(old).subscriptions[0].apps, ["order"]);
}

#[test]
fn what_is_unknown_is_named_with_its_line() {
    let unknown = wrong(&component("state.redis", "    []\n"));
    assert_eq!(unknown, [("FW-1104", 6, "unknown component type `state.redis`".to_owned())]);
    let typo = read(&component("bindings.cron", "  - { name: shedule, value: x }\n")).expect_err("a typo");
    assert!(typo.iter().any(|mistake| mistake.nearest.as_deref() == Some("schedule")), "{typo}");
    let text = "apiVersion: dapr.io/v1alpha1\nkind: Componant\nmetadata: { name: x }\n";
    assert_eq!(wrong(text)[0].0, "FW-1104");
    let text = "apiVersion: dapr.io/v9\nkind: Component\nmetadata: { name: x }\n";
    assert_eq!(wrong(text), [("FW-1104", 1, "unknown version `dapr.io/v9` of a Component".to_owned())]);
    let text = format!("{}scope: [order]\n", component("pubsub.in-memory", "    []\n"));
    assert_eq!(wrong(&text)[0], ("FW-1101", 10, "unknown key `scope` in a component".to_owned()));
    let text = format!("{}scopes: [ordre]\n", component("pubsub.in-memory", "    []\n"));
    assert_eq!(wrong(&text)[0].0, "FW-1301");
    assert_eq!(wrong("kind: Component\n")[0].0, "FW-1102");
    assert_eq!(wrong("a: [")[0].0, "FW-1002");
}

#[test]
fn what_is_known_and_not_served_is_refused_by_name() {
    for kind in OTHER_KINDS {
        let text =
            format!("apiVersion: dapr.io/v1alpha1\nkind: {kind}\nmetadata: {{ name: x }}\nspec: {{}}\n");
        let wrong = wrong(&text);
        assert!(wrong.len() == 1 && wrong[0].0 == "FW-1401" && wrong[0].2.contains(kind), "{wrong:?}");
    }
    for metadata in ["  - { name: keyPrefix, value: none }\n", "  - { name: outboxPubsub, value: events }\n"]
    {
        assert_eq!(wrong(&component("state.in-memory", metadata))[0].0, "FW-1401", "{metadata}");
    }
}

#[test]
fn bulk_subscriptions_have_bounds() {
    let of = |bulk: &str| subscription(&format!("routes: {{ default: /b }}, bulkSubscribe: {{ {bulk} }}"));
    let bulk = |text: &str| sound(&of(text)).subscriptions[0].subscription.bulk;
    assert_eq!(bulk("enabled: false, maxMessagesCount: 9"), None);
    assert_eq!(bulk("enabled: true"), Some(Bulk { count_max: 100, wait_max: Duration::from_secs(1) }));
    let asked = Bulk { count_max: 9, wait_max: Duration::from_millis(40) };
    assert_eq!(bulk("enabled: true, maxMessagesCount: 9, maxAwaitDurationMs: 40"), Some(asked));
    assert_eq!(wrong(&of("enabled: true, maxMessagesCount: 0"))[0].0, "FW-1109");
}

/// A subscription of the second version.
fn subscription(spec: &str) -> String {
    let head = "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: { name: x }\n";
    format!("{head}spec: {{ pubsubname: events, topic: a, {spec} }}\n")
}

#[test]
fn routing_rules_are_read_in_order() {
    let rules = "rules: [{ match: event.type == \"a\", path: /a }, { match: 'event.data.n > 1', path: b }]";
    let of = |routes: &str| {
        let system = sound(&subscription(&format!("routes: {{ {routes} }}")));
        system.subscriptions[0].subscription.routes.clone()
    };
    let routes = of(&format!("{rules}, default: /rest"));
    assert_eq!(routes.paths().collect::<Vec<_>>(), ["/a", "/b", "/rest"]);
    assert_eq!(routes.rules()[0].condition.text(), "event.type == \"a\"");
    assert_eq!(of(rules).default_path(), None);
    assert_eq!(of("rules: [{ path: /all }], default: /rest").paths().collect::<Vec<_>>(), ["/all"]);
    let rule = |rule: &str| wrong(&subscription(&format!("routes: {{ rules: [{rule}] }}")));
    let syntax = rule("{ match: 'event.type =! 1', path: /a }");
    assert_eq!((syntax[0].0, syntax[0].1), ("FW-1115", 4));
    assert!(syntax[0].2.contains("token recognition error at: '=!' (at character 12)"), "{syntax:?}");
    assert_eq!(rule("{ match: kind == 1, path: /a }")[0].0, "FW-1115");
    assert_eq!(rule("{ match: event.type == 'a', path: /a b }")[0].0, "FW-1111");
    assert_eq!(rule("{ match: event.type == 'a' }")[0].0, "FW-1102");
    assert_eq!(wrong(&subscription("routes: {}"))[0].0, "FW-1102");
}

#[test]
fn values_that_do_not_fit_are_mistakes_at_their_line() {
    let schedule = wrong(&component("bindings.cron", "  - { name: schedule, value: often }\n"));
    assert_eq!((schedule[0].0, schedule[0].1), ("FW-1114", 9));
    assert_eq!(wrong(&component("bindings.cron", "    []\n"))[0].0, "FW-1102");
    let timeout = "  - { name: url, value: \"http://a\" }\n  - { name: responseTimeout, value: soon }\n";
    assert_eq!(wrong(&component("bindings.http", timeout))[0].0, "FW-1105");
    let unset = wrong(&component("bindings.http", "  - { name: url, envRef: UNSET }\n"));
    assert_eq!(unset[0].0, "FW-1201");
    let neither = wrong(&component("bindings.http", "  - { name: url }\n"));
    assert_eq!(neither[0].0, "FW-1102");
    let twice = format!(
        "{}---\n{}",
        component("pubsub.in-memory", "    []\n"),
        component("pubsub.in-memory", "    []\n")
    );
    assert_eq!(wrong(&twice)[0].0, "FW-1004");
    let version = component("pubsub.in-memory", "    []\n").replace("version: v1", "version: v7");
    assert_eq!(wrong(&version)[0].0, "FW-1104");
    let text = "apiVersion: dapr.io/v1alpha1\nkind: Subscription\nmetadata: { name: x }\nspec: { pubsubname: evnts, topic: a, route: /a }\n";
    assert_eq!(wrong(text)[0].0, "FW-1301");
}

#[test]
fn reads_the_yaml_files_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.yaml", &component("pubsub.in-memory", "    []\n"));
    write("readme.md", "not a document");
    let mut system = read("").expect("a system");
    let folders = [folder.path().to_owned()];
    add_resources(&mut system, &folders, &|_| None, &|_, _| Ok(BTreeMap::new()), &catalogue()).unwrap();
    assert_eq!(system.topics.len(), 2);
    write("b.yml", &component("state.redis", "    []\n"));
    let wrong = add_resources(
        &mut read("").expect("a system"),
        &folders,
        &|_| None,
        &|_, _| Ok(BTreeMap::new()),
        &catalogue(),
    )
    .unwrap_err();
    assert!(wrong.len() == 1 && wrong[0].file().ends_with("b.yml"), "{wrong:?}");
    let nowhere = [folder.path().join("nowhere")];
    assert!(
        add_resources(&mut system, &nowhere, &|_| None, &|_, _| Ok(BTreeMap::new()), &catalogue()).is_err()
    );
}

const VAULT: &str = "\
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: vault }
spec: { type: secretstores.local.env, version: v1 }
";

/// A binding whose token is this secret, beside a vault that comes after it.
fn with_secret(reference: &str, auth: &str) -> String {
    let metadata =
        format!("  - {{ name: url, value: \"http://a\" }}\n  - {{ name: securityToken, {reference} }}\n");
    format!("{}{auth}{VAULT}", component("bindings.http", &metadata))
}

#[test]
fn a_value_may_be_a_secret() {
    let auth = "auth: { secretStore: vault }\n";
    let token =
        |reference: &str| sound(&with_secret(reference, auth)).bindings[0].engine.options["token"].clone();
    assert_eq!(token("secretKeyRef: { name: mail, key: token }"), OptionValue::Text("t".to_owned()));
    assert_eq!(
        token("secretKeyRef: { name: mail }"),
        OptionValue::Text("m".to_owned()),
        "the key is the name"
    );
}

#[test]
fn a_secret_that_cannot_be_read_is_a_mistake() {
    let codes = |reference: &str, auth: &str| wrong(&with_secret(reference, auth))[0].0;
    let auth = "auth: { secretStore: vault }\n";
    assert_eq!(codes("secretKeyRef: { name: nothing }", auth), "FW-1311");
    assert_eq!(codes("secretKeyRef: { name: mail, key: nothing }", auth), "FW-1311");
    assert_eq!(codes("secretKeyRef: { name: mail }", ""), "FW-1102");
    assert_eq!(codes("secretKeyRef: { name: mail }", "auth: { secretStore: valt }\n"), "FW-1301");
    assert_eq!(codes("value: a, secretKeyRef: { name: mail }", auth), "FW-1304");
}

#[test]
fn configuration_may_be_in_a_file() {
    let system = sound(&component("configuration.file", "  - { name: path, value: features.json }\n"));
    let found = &system.configuration[0];
    assert_eq!((found.name.as_str(), found.engine.name.as_str()), ("it", "file"));
    assert_eq!(found.engine.options["path"], OptionValue::File("features.json".into()));
}
