//! Secrets from a file of JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use floodway_blocks::secrets::{Secret, Secrets};
use floodway_blocks::{Failure, PortFuture};
use serde_json::{Map, Value};

use super::NAME;
use super::watched::Watched;
use crate::failure::blocking;

/// What nested texts become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Stands between the names of a nested text.
    pub separator: String,
    /// A map at the top is one secret with several texts.
    pub is_multi_valued: bool,
}

/// The secrets of a file.
#[derive(Debug)]
pub struct FileSecrets {
    file: Arc<Watched<Made>>,
}

struct Made {
    layout: Layout,
    secrets: BTreeMap<String, Secret>,
}

impl FileSecrets {
    /// Reads the file, which must be there now.
    pub fn open(path: PathBuf, layout: Layout) -> Result<Self, Failure> {
        let empty = Made { layout, secrets: BTreeMap::new() };
        Ok(Self { file: Arc::new(Watched::open(path, &empty, make)?) })
    }
}

fn make(root: &Map<String, Value>, before: &Made) -> Made {
    let layout = before.layout.clone();
    let mut secrets = BTreeMap::new();
    for (name, value) in root {
        match value {
            Value::Object(texts) if layout.is_multi_valued => {
                let mut flat = BTreeMap::new();
                for (key, value) in texts {
                    flatten(key, value, &layout.separator, &mut flat);
                }
                secrets.insert(name.clone(), Secret(flat));
            }
            value => {
                let mut flat = BTreeMap::new();
                flatten(name, value, &layout.separator, &mut flat);
                secrets
                    .extend(flat.into_iter().map(|(name, text)| (name.clone(), Secret::single(&name, text))));
            }
        }
    }
    Made { layout, secrets }
}

fn flatten(name: &str, value: &Value, separator: &str, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                flatten(&format!("{name}{separator}{key}"), value, separator, into);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                flatten(&format!("{name}{separator}{place}"), value, separator, into);
            }
        }
        Value::String(text) => {
            into.insert(name.to_owned(), text.clone());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            into.insert(name.to_owned(), value.to_string());
        }
    }
}

impl Secrets for FileSecrets {
    fn get<'a>(&'a self, name: &'a str) -> PortFuture<'a, Result<Option<Secret>, Failure>> {
        Box::pin(async move {
            let file = Arc::clone(&self.file);
            let made = blocking(NAME, move || Ok(file.now())).await?;
            Ok(made.secrets.get(name).cloned())
        })
    }

    fn all(&self) -> PortFuture<'_, Result<BTreeMap<String, Secret>, Failure>> {
        Box::pin(async move {
            let file = Arc::clone(&self.file);
            Ok(blocking(NAME, move || Ok(file.now())).await?.secrets.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(is_multi_valued: bool) -> Layout {
        Layout { separator: ":".to_owned(), is_multi_valued }
    }

    const TEXT: &str = r#"{"plain":"p","db":{"user":"hush","ports":[1,2.50]},"on":true}"#;

    #[tokio::test]
    async fn nested_texts_are_named_by_their_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        std::fs::write(&path, TEXT).unwrap();
        let secrets = FileSecrets::open(path.clone(), layout(false)).unwrap();
        for (name, text) in [("plain", "p"), ("db:user", "hush"), ("db:ports:1", "2.50"), ("on", "true")] {
            assert_eq!(secrets.get(name).await.unwrap(), Some(Secret::single(name, text.to_owned())));
        }
        assert_eq!(secrets.get("db").await.unwrap(), None);
        assert_eq!(secrets.all().await.unwrap().len(), 5);
        let secrets = FileSecrets::open(path, layout(true)).unwrap();
        let db = secrets.get("db").await.unwrap().unwrap();
        assert_eq!(db.0.keys().collect::<Vec<_>>(), ["ports:0", "ports:1", "user"]);
        assert!(!format!("{secrets:?} {db:?}").contains("hush"));
    }

    #[tokio::test]
    async fn a_file_that_has_changed_is_read_anew_unless_it_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        assert!(FileSecrets::open(path.clone(), layout(false)).is_err(), "it is not there");
        std::fs::write(&path, r#"{"a":"1"}"#).unwrap();
        let secrets = FileSecrets::open(path.clone(), layout(false)).unwrap();
        let text = async || secrets.get("a").await.unwrap().map(|secret| secret.0["a"].clone());
        assert_eq!(text().await.as_deref(), Some("1"));
        // As editors and mounted volumes do: another file takes its place.
        let replace = |text: &str| {
            let fresh = folder.path().join("fresh");
            std::fs::write(&fresh, text).unwrap();
            std::fs::rename(&fresh, &path).unwrap();
        };
        replace(r#"{"a":"2"}"#);
        assert_eq!(text().await.as_deref(), Some("2"));
        replace("{ half");
        assert_eq!(text().await.as_deref(), Some("2"));
        replace(r#"{"b":"3"}"#);
        assert_eq!(text().await, None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secrets.all().await.unwrap().len(), 1);
    }
}
