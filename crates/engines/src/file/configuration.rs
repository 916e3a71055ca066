//! Configuration from a file of JSON: `{"key": "value", "other": {"value": …, "version": …, "metadata": {…}}}`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::configuration::{Changes, Configuration, Item, Items};
use floodway_blocks::{Failure, PortFuture};
use serde_json::{Map, Value};

use super::NAME;
use super::watched::Watched;
use crate::failure::blocking;

/// How often the file is looked at for those who watch.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The configuration in a file.
#[derive(Debug)]
pub struct FileConfiguration {
    file: Arc<Watched<Items>>,
}

impl FileConfiguration {
    /// Reads the file, which must be there now.
    pub fn open(path: PathBuf) -> Result<Self, Failure> {
        let make = |root: &Map<String, Value>, _before: &Items| {
            root.iter().map(|(key, value)| (key.clone(), item(value))).collect()
        };
        Ok(Self { file: Arc::new(Watched::open(path, &Items::new(), make)?) })
    }
}

/// A text is the value itself; a map with a `value` says more; anything else is a value as JSON has it.
fn item(value: &Value) -> Item {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let whole = value.as_object().and_then(|map| Some((map, text(map.get("value")?))));
    let Some((map, value)) = whole else {
        let value = text(value);
        return Item { version: checksum(&value), value, metadata: BTreeMap::new() };
    };
    let version = map.get("version").map_or_else(|| checksum(&value), text);
    let metadata = map.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let metadata = metadata.map(|(name, value)| (name.clone(), text(value))).collect();
    Item { value, version, metadata }
}

/// Where a file gives no version, one that changes with the value.
fn checksum(value: &str) -> String {
    format!("{:08x}", crc32fast::hash(value.as_bytes()))
}

fn of_keys(items: &Items, keys: &[String]) -> Items {
    if keys.is_empty() {
        return items.clone();
    }
    keys.iter().filter_map(|key| Some((key.clone(), items.get(key)?.clone()))).collect()
}

impl Configuration for FileConfiguration {
    fn get(&self, keys: Vec<String>) -> PortFuture<'_, Result<Items, Failure>> {
        Box::pin(async move {
            let file = Arc::clone(&self.file);
            let items = blocking(NAME, move || Ok(file.now())).await?;
            Ok(of_keys(&items, &keys))
        })
    }

    fn watch(&self, keys: Vec<String>) -> PortFuture<'_, Result<Box<dyn Changes>, Failure>> {
        Box::pin(async move {
            let seen = self.get(keys.clone()).await?;
            let changes: Box<dyn Changes> =
                Box::new(FileChanges { file: Arc::clone(&self.file), keys, seen });
            Ok(changes)
        })
    }
}

/// What one who watches has seen.
#[derive(Debug)]
struct FileChanges {
    file: Arc<Watched<Items>>,
    keys: Vec<String>,
    seen: Items,
}

impl Changes for FileChanges {
    fn next(&mut self) -> PortFuture<'_, Result<BTreeMap<String, Option<Item>>, Failure>> {
        Box::pin(async move {
            loop {
                let file = Arc::clone(&self.file);
                let items = of_keys(&*blocking(NAME, move || Ok(file.now())).await?, &self.keys);
                let changes = differences(&self.seen, &items);
                if !changes.is_empty() {
                    self.seen = items;
                    return Ok(changes);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }
}

fn differences(before: &Items, now: &Items) -> BTreeMap<String, Option<Item>> {
    let changed = now.iter().filter(|(key, item)| before.get(*key) != Some(*item));
    let gone = before.keys().filter(|key| !now.contains_key(*key)).map(|key| (key.clone(), None));
    changed.map(|(key, item)| (key.clone(), Some(item.clone()))).chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(path: &std::path::Path, text: &str) {
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, path).unwrap();
    }

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn reads_by_keys_all_and_unknown_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.json");
        let text = r#"{"a":"1","b":{"value":"2","version":"v7","metadata":{"m":"x"}},"c":[1,2]}"#;
        replace(&path, text);
        let configuration = FileConfiguration::open(path).unwrap();
        let all = configuration.get(Vec::new()).await.unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((all["a"].value.as_str(), all["c"].value.as_str()), ("1", "[1,2]"));
        let b = Item { value: "2".into(), version: "v7".into(), metadata: [("m".into(), "x".into())].into() };
        assert_eq!(all["b"], b);
        let some = configuration.get(keys(&["b", "unknown"])).await.unwrap();
        assert_eq!(some.into_keys().collect::<Vec<_>>(), ["b"]);
        assert!(configuration.get(keys(&["unknown"])).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_watches_sees_what_changes_and_what_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.json");
        replace(&path, r#"{"a":"1","b":"1"}"#);
        let configuration = FileConfiguration::open(path.clone()).unwrap();
        let mut all = configuration.watch(Vec::new()).await.unwrap();
        let mut of_b = configuration.watch(keys(&["b"])).await.unwrap();
        replace(&path, r#"{"a":"2","b":"1","c":"1"}"#);
        let changes = all.next().await.unwrap();
        assert_eq!(changes.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(changes["a"].as_ref().unwrap().value, "2");
        replace(&path, r#"{"a":"2"}"#);
        let changes = all.next().await.unwrap();
        assert_eq!(changes, BTreeMap::from([("b".to_owned(), None), ("c".to_owned(), None)]));
        assert_eq!(of_b.next().await.unwrap(), BTreeMap::from([("b".to_owned(), None)]), "only its own");
    }
}
