//! Dapr's documents: what a folder of components and subscriptions adds to a system.
//!
//! ```text
//! folder ─▶ files ─▶ documents, in turns ─▶ held against their shape ─▶ components, subscriptions … ─▶ the system
//! ```
//! Turns, as documents name what others bring: secrets first, then topics, other components, what is said of them.
//! What is read is honoured; what is known but not served, and what is unknown, is a mistake at its line.

mod component;
mod configuration;
mod emit;
mod resiliency;
mod shape;
mod subscription;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use floodway_blocks::EngineDescription;
use floodway_policy::access::Permissions;
use floodway_policy::snapshot::TargetPolicy;

use self::configuration::CONFIGURATION;
use self::resiliency::{RESILIENCY, Rank};
use self::shape::{COMPONENT, SUBSCRIPTION_V1, SUBSCRIPTION_V2};
use crate::check;
use crate::code::Code;
use crate::load::read_text;
use crate::mistake::{Mistake, Mistakes, Span};
use crate::model::{Component, DaprSubscription, Scope, Store, System, Topics, Traces};
use crate::tree::{self, Content, Node, Scalar};
use crate::value::{Fields, Kind, Value};

/// Reads a secret of a component, by its name: its texts by key, or why there are none.
pub type ReadSecret<'a> = &'a dyn Fn(&Component, &str) -> Result<BTreeMap<String, String>, String>;

/// What documents are read with.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    secret: ReadSecret<'a>,
    catalogue: &'a [EngineDescription],
}

/// What documents add.
#[derive(Debug, Default)]
struct Found {
    stores: Vec<Store>,
    topics: Vec<Topics>,
    secrets: Vec<Component>,
    bindings: Vec<Component>,
    configurations: Vec<Component>,
    scopes: Vec<Scope>,
    subscriptions: Vec<DaprSubscription>,
    targets: Vec<(Rank, TargetPolicy)>,
    /// Its name, what it allows, and where spans go.
    configuration: Option<(String, Permissions, Option<Traces>)>,
}

const KINDS: [&str; 4] = ["Component", "Subscription", "Resiliency", "Configuration"];
/// Of Dapr, and not served.
const OTHER_KINDS: [&str; 3] = ["HTTPEndpoint", "WorkflowAccessPolicy", "MCPServer"];

/// A file, with what is wrong with it.
#[derive(Debug)]
struct Documents {
    file: String,
    text: String,
    nodes: Vec<Node>,
    mistakes: Vec<Mistake>,
}

/// Adds what the YAML files in these folders say. All mistakes are gathered, file by file.
pub fn add_resources(
    system: &mut System,
    folders: &[PathBuf],
    env: &dyn Fn(&str) -> Option<String>,
    secret: ReadSecret<'_>,
    catalogue: &[EngineDescription],
) -> Result<(), Vec<Mistakes>> {
    let (mut wrong, mut documents) = (Vec::new(), Vec::new());
    for folder in folders {
        match files(folder) {
            Ok(files) => documents.extend(files.iter().map(|file| Documents::read(file))),
            Err(mistakes) => wrong.push(*mistakes),
        }
    }
    add_documents(system, &mut documents, Surroundings { env, secret, catalogue });
    let wrong_files = documents.into_iter().filter(|it| !it.mistakes.is_empty());
    wrong.extend(wrong_files.map(|it| Mistakes::new(&it.file, &it.text, it.mistakes)));
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The YAML files of a folder, by name. Folders in it are not looked at.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<Mistakes>> {
    let unreadable = |error: std::io::Error| {
        let message = format!("cannot read the folder `{}`: {error}", folder.display());
        let mistake = Mistake::of_file(Code::Unreadable, message).help("name a folder of Dapr's documents");
        Box::new(Mistakes::new(&folder.to_string_lossy(), "", vec![mistake]))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Each document in its turn, and within it by files.
fn add_documents(system: &mut System, documents: &mut [Documents], with: Surroundings<'_>) {
    let (mut targets, mut types) = (Vec::new(), Vec::new());
    for turn in 0..=LAST_TURN {
        for Documents { nodes, mistakes, .. } in &mut *documents {
            for node in nodes.iter().filter(|node| turn_of(node) == turn) {
                let mut found = Found::default();
                let mut reader = Reader { system, with, found: &mut found, types: &mut types, mistakes };
                reader.document(node);
                targets.extend(found.add_to(system));
            }
        }
    }
    targets.sort_by_key(|(rank, _)| *rank);
    system.targets.extend(targets.into_iter().map(|(_, target)| target));
}

const LAST_TURN: u8 = 4;

/// What is named by others comes before them.
fn turn_of(node: &Node) -> u8 {
    let text = |node: &Node, key| match node.entry(key).map(|entry| &entry.value.content) {
        Some(Content::Scalar(Scalar { text, .. })) => text.clone(),
        _ => String::new(),
    };
    match text(node, "kind").as_str() {
        "Component" => {
            let kind = node.entry("spec").map(|entry| text(&entry.value, "type")).unwrap_or_default();
            match kind.split('.').next() {
                Some("secretstores") => 0,
                Some("pubsub") => 1,
                _ => 2,
            }
        }
        "Resiliency" | "Configuration" => LAST_TURN,
        _ => 3,
    }
}

// === impl Documents ===

impl Documents {
    fn read(file: &Path) -> Self {
        let name = file.to_string_lossy();
        match read_text(file) {
            Ok(text) => Self::parse(&name, text),
            Err(mistake) => {
                let (file, text) = (name.into_owned(), String::new());
                Self { file, text, nodes: Vec::new(), mistakes: vec![*mistake] }
            }
        }
    }

    fn parse(file: &str, text: String) -> Self {
        let mut mistakes = Vec::new();
        let mut nodes = tree::read_documents(&text, &mut mistakes);
        nodes.retain(|node| !node.is_null());
        Self { file: file.to_owned(), text, nodes, mistakes }
    }
}

// === impl Found ===

impl Found {
    /// All but how targets are tried, which has an order of its own.
    fn add_to(self, system: &mut System) -> Vec<(Rank, TargetPolicy)> {
        let Self {
            stores,
            topics,
            secrets,
            bindings,
            configurations,
            scopes,
            subscriptions,
            targets,
            configuration,
        } = self;
        system.stores.extend(stores);
        system.topics.extend(topics);
        system.secrets.extend(secrets);
        system.bindings.extend(bindings);
        system.configuration.extend(configurations);
        system.scopes.extend(scopes);
        system.subscriptions.extend(subscriptions);
        if let Some((name, permissions, traces)) = configuration {
            (system.permissions, system.configured_by) = (permissions, Some(name));
            system.telemetry.traces = traces.or_else(|| system.telemetry.traces.take());
        }
        targets
    }
}

/// Reads the documents of one file.
struct Reader<'a> {
    system: &'a System,
    with: Surroundings<'a>,
    found: &'a mut Found,
    /// The types and names of components, of all documents until now.
    types: &'a mut Vec<(String, String)>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    fn document(&mut self, node: &Node) {
        let Some((kind, span)) = self.word(node, "kind") else { return };
        let Some((version, at)) = self.word(node, "apiVersion") else { return };
        match (kind.as_str(), version.as_str()) {
            ("Component", "dapr.io/v1alpha1") => {
                let fields = check::object(node, &COMPONENT, self.mistakes);
                self.component(&fields);
            }
            ("Subscription", "dapr.io/v1alpha1") => {
                let fields = check::object(node, &SUBSCRIPTION_V1, self.mistakes);
                self.subscription(&fields);
            }
            ("Subscription", "dapr.io/v2alpha1") => {
                let fields = check::object(node, &SUBSCRIPTION_V2, self.mistakes);
                self.subscription(&fields);
            }
            ("Resiliency", "dapr.io/v1alpha1") => {
                let fields = check::object(node, &RESILIENCY, self.mistakes);
                self.resiliency(&fields);
            }
            ("Configuration", "dapr.io/v1alpha1") => {
                let fields = check::object(node, &CONFIGURATION, self.mistakes);
                self.configuration(&fields);
            }
            (known, _) if KINDS.contains(&known) => {
                let versions = ["dapr.io/v1alpha1", "dapr.io/v2alpha1"];
                let versions = versions.into_iter().take(if known == "Subscription" { 2 } else { 1 });
                let message = format!("unknown version `{version}` of a {known}");
                self.wrong(Mistake::at(at, Code::UnknownWord, message).one_of(&version, versions));
            }
            (other, _) if OTHER_KINDS.contains(&other) => {
                self.not_served(span, &format!("documents of the kind `{other}`"), "leave this document out");
            }
            _ => {
                let message = format!("unknown kind `{kind}` of document");
                self.wrong(Mistake::at(span, Code::UnknownWord, message).one_of(&kind, KINDS));
            }
        }
    }

    /// A text at the top of a document, which decides what the document is.
    fn word(&mut self, node: &Node, key: &str) -> Option<(String, Span)> {
        let entry = node.entry(key).map(|entry| &entry.value);
        match entry.map(|value| (&value.content, value.span)) {
            Some((Content::Scalar(Scalar { text, .. }), span)) => Some((text.clone(), span)),
            Some((_, span)) => {
                self.wrong(Mistake::at(span, Code::WrongType, format!("`{key}` is no text")));
                None
            }
            None => {
                let message = format!("the document needs the key `{key}`");
                let help = "a document of Dapr's begins with `apiVersion`, `kind` and `metadata`";
                self.wrong(Mistake::at(node.span, Code::MissingKey, message).help(help));
                None
            }
        }
    }

    /// The name of a document; `default` is the only namespace there is.
    fn name(&mut self, fields: &Fields) -> (String, Span) {
        let empty = Fields::empty(fields.span);
        let metadata = fields.object("metadata").unwrap_or(&empty);
        if let Some(namespace) = metadata.get("namespace").filter(|value| value.is_known())
            && namespace.text().is_some_and(|text| text != "default")
        {
            let help = "leave it out, or write `default`";
            self.not_served(namespace.span, "another namespace than `default`", help);
        }
        let span = metadata.get("name").map_or(metadata.span, |name| name.span);
        (metadata.text("name"), span)
    }

    fn scopes(&mut self, fields: &Fields) -> Vec<String> {
        let mut apps = Vec::new();
        for value in fields.list("scopes") {
            if let Some(app) = value.text() {
                self.expect_service(&app, value);
                apps.push(app);
            }
        }
        apps
    }

    fn expect_service(&mut self, app: &str, value: &Value) {
        self.expect_service_at(app, value.span);
    }

    fn expect_service_at(&mut self, app: &str, span: Span) {
        let services = &self.system.services;
        if services.iter().all(|service| service.name != app) {
            let mistake = Mistake::at(span, Code::UnknownName, format!("there is no service `{app}`"));
            self.wrong(mistake.one_of(app, services.iter().map(|service| service.name.as_str())));
        }
    }

    fn wrong(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    fn not_served(&mut self, span: Span, what: &str, help: &str) {
        let mistake =
            Mistake::at(span, Code::NotServed, format!("{what}: that is Dapr's, and not served here"));
        self.wrong(mistake.help(help));
    }
}

/// Whether a value is there and switched on.
fn is_on(value: Option<&Value>) -> bool {
    value.is_some_and(|value| matches!(value.kind, Kind::Flag(true)))
}

#[cfg(test)]
mod tests;
