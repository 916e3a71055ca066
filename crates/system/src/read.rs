//! Makes a [`System`] of checked values, and finds the mistakes that only show when several values are
//! seen together.

mod blocks;
mod endpoints;
mod fallback;
mod gateway;
mod loads;
mod node;
mod outbound;
mod services;
mod sticky;
mod telemetry;

use std::path::{Component, Path, PathBuf};

use crate::code::Code;
use crate::load::ColumnsOf;
use crate::mistake::{Mistake, Span};
use crate::model::System;
use crate::tree::Key;
use crate::value::Fields;
use floodway_blocks::{Block, EngineDescription};
use floodway_policy::access::Permissions;

/// What reading needs besides the values.
pub(crate) struct Reader<'a> {
    /// The system file.
    pub(crate) file: &'a Path,
    /// What is in it.
    pub(crate) text: &'a str,
    pub(crate) catalogue: &'a [EngineDescription],
    pub(crate) columns: ColumnsOf<'a>,
    /// The names of the zones.
    pub(crate) zones: Vec<String>,
    pub(crate) mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    /// All but the names of the profiles, which a view of the file does not know.
    pub(crate) fn system(&mut self, file: &Fields) -> System {
        self.zones = endpoints::zones(file);
        let node = self.node(file);
        let services = self.services(file, node.zone);
        let gateway = self.gateway(file, &node);
        let topics = self.topics(file);
        let stores = self.stores(file);
        System {
            name: file.text("system"),
            file: self.file.to_path_buf(),
            node,
            zones: self.zones.clone(),
            services,
            gateway,
            telemetry: self.telemetry(file),
            stores,
            topics,
            locks: self.locks(file),
            secrets: self.components(file, "secrets", Block::Secrets),
            jobs: self.jobs(file),
            scopes: Vec::new(),
            targets: self.targets(file),
            permissions: Permissions::default(),
            configured_by: None,
            subscriptions: Vec::new(),
            bindings: self.components(file, "bindings", Block::Bindings),
            configuration: self.components(file, "configuration", Block::Configuration),
            loads: self.loads(file),
            profiles: Vec::new(),
        }
    }

    /// A path of the file, seen from the folder of the file.
    fn path(&self, fields: &Fields, name: &str) -> PathBuf {
        let folder = self.file.parent().unwrap_or_else(|| Path::new(""));
        let path: PathBuf =
            folder.join(fields.text(name)).components().filter(|part| *part != Component::CurDir).collect();
        if path.as_os_str().is_empty() { ".".into() } else { path }
    }

    fn mistake(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// Says so if two keys are given that exclude each other.
    fn refuse_both(&mut self, fields: &Fields, one: &str, other: &str) {
        if let (Some(_), Some(span)) = (fields.given(one), fields.given(other)) {
            let message = format!("`{one}` and `{other}` exclude each other");
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help("keep one of the two"));
        }
    }

    /// Says so if a name is not that of something the file defines.
    fn expect_defined(&mut self, what: &str, name: &str, span: Span, defined: &[(Key, impl Sized)]) {
        if defined.iter().any(|(key, _)| key.text == name) {
            return;
        }
        let mistake = Mistake::at(span, Code::UnknownName, format!("there is no {what} `{name}`"));
        self.mistake(mistake.one_of(name, defined.iter().map(|(key, _)| key.text.as_str())));
    }
}
