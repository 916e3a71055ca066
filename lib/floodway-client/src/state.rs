//! State: values by key, with versions, preconditions and transactions.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{ETAG, HeaderMap, HeaderValue, IF_MATCH};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{segment, succeeded};
use crate::{Client, Error};

/// A state store, seen through one client.
#[derive(Debug, Clone)]
pub struct State {
    client: Client,
    store: String,
}

/// The version of a value. It changes with every write of its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(pub String);

/// A stored value and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    /// The value.
    pub value: T,
    /// Its version.
    pub etag: Etag,
}

/// A value to be stored, and what must hold before.
#[derive(Debug, Clone, Serialize)]
pub struct Write {
    key: String,
    value: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<Etag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

/// A key to be removed, and what must hold before.
#[derive(Debug, Clone, Serialize)]
pub struct Removal {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<Etag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

/// One step of a transaction.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "operation", content = "request", rename_all = "lowercase")]
pub enum Operation {
    /// Stores a value.
    Upsert(Write),
    /// Removes a key.
    Delete(Removal),
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Options {
    concurrency: &'static str,
}

const FIRST_WRITE: Options = Options { concurrency: "first-write" };

#[derive(Serialize)]
struct BulkRequest<'a> {
    keys: &'a [String],
}

#[derive(Deserialize)]
struct BulkItem {
    key: String,
    data: Option<Box<RawValue>>,
    etag: Option<Etag>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Transaction<'a> {
    operations: &'a [Operation],
}

// === impl State ===

impl State {
    pub(crate) fn new(client: Client, store: &str) -> Self {
        Self { client, store: segment(store).to_string() }
    }

    /// Reads one key; `None` when it is absent.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Item<T>>, Error> {
        let path = self.path(key);
        let answer = self.client.send(Method::GET, &path, HeaderMap::new(), Bytes::new()).await?;
        let answer = succeeded(answer)?;
        if answer.status() == http::StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
        let etag = Etag(etag.to_owned());
        let value = serde_json::from_slice(answer.body());
        value.map(|value| Some(Item { value, etag })).map_err(|source| Error::Unreadable { path, source })
    }

    /// Reads many keys; the answers stand in the order of the keys.
    pub async fn bulk_get<T: DeserializeOwned>(
        &self,
        keys: &[String],
    ) -> Result<Vec<Option<Item<T>>>, Error> {
        let path = self.path("bulk");
        let body = self.client.post_json(path.clone(), &BulkRequest { keys }).await?;
        items(keys, &path, &body)
    }

    /// Stores values. Each stands alone: after an error some may have been stored. A failed precondition
    /// is an error that says so with [`Error::is_mismatch`].
    pub async fn save(&self, writes: &[Write]) -> Result<(), Error> {
        self.client.post_json(self.root(), &writes).await.map(drop)
    }

    /// Removes a key; not an error when it is absent, unless the removal has a precondition.
    pub async fn delete(&self, removal: &Removal) -> Result<(), Error> {
        let mut path = self.path(&removal.key);
        let mut headers = HeaderMap::new();
        if let Some(Etag(etag)) = &removal.etag {
            let etag = HeaderValue::from_str(etag);
            let invalid = |source: http::header::InvalidHeaderValue| Error::Invalid {
                path: path.clone(),
                source: source.into(),
            };
            headers.insert(IF_MATCH, etag.map_err(invalid)?);
            path.push_str("?concurrency=first-write");
        }
        let answer = self.client.send(Method::DELETE, &path, headers, Bytes::new()).await?;
        succeeded(answer).map(drop)
    }

    /// Does all operations in order, or none. On a store with an outbox each upsert is also published, in
    /// the same commit.
    pub async fn transact(&self, operations: &[Operation]) -> Result<(), Error> {
        self.client.post_json(self.path("transaction"), &Transaction { operations }).await.map(drop)
    }

    fn root(&self) -> String {
        format!("/v1.0/state/{}", self.store)
    }

    fn path(&self, key: &str) -> String {
        format!("/v1.0/state/{}/{}", self.store, segment(key))
    }
}

// === impl Write ===

impl Write {
    /// Overwrites whatever is there.
    pub fn new(key: impl Into<String>, value: &impl Serialize) -> Result<Self, Error> {
        let value = serde_json::value::to_raw_value(value).map_err(Error::Unwritable)?;
        Ok(Self { key: key.into(), value, etag: None, options: None, metadata: BTreeMap::new() })
    }

    /// Only if the key is absent.
    pub fn if_absent(mut self) -> Self {
        self.options = Some(FIRST_WRITE);
        self.etag = None;
        self
    }

    /// Only if the key still has this version.
    pub fn if_matches(mut self, etag: &Etag) -> Self {
        self.options = Some(FIRST_WRITE);
        self.etag = Some(etag.clone());
        self
    }

    /// The value is gone after `ttl`, in whole seconds, rounded up.
    pub fn expires_after(self, ttl: Duration) -> Self {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        self.metadata("ttlInSeconds", seconds.to_string())
    }

    /// Request metadata, such as `datacontenttype` for the message of an outbox.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }
}

// === impl Removal ===

impl Removal {
    /// Removes whatever is there.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), etag: None, options: None }
    }

    /// Only if the key still has this version.
    pub fn if_matches(mut self, etag: &Etag) -> Self {
        self.options = Some(FIRST_WRITE);
        self.etag = Some(etag.clone());
        self
    }
}

/// The items of a bulk answer in the order of `keys`; the API promises no order.
fn items<T: DeserializeOwned>(
    keys: &[String],
    path: &str,
    body: &[u8],
) -> Result<Vec<Option<Item<T>>>, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let answered: Vec<BulkItem> = serde_json::from_slice(body).map_err(unreadable)?;
    let mut by_key = HashMap::with_capacity(answered.len());
    for item in answered {
        if let Some(message) = item.error.filter(|message| !message.is_empty()) {
            let status = http::StatusCode::INTERNAL_SERVER_ERROR;
            return Err(Error::Refused { status, code: "ERR_STATE_BULK_GET".to_owned(), message });
        }
        if let Some(data) = item.data {
            let value = serde_json::from_str(data.get()).map_err(unreadable)?;
            let etag = item.etag.unwrap_or_else(|| Etag(String::new()));
            by_key.insert(item.key, Item { value, etag });
        }
    }
    Ok(keys.iter().map(|key| by_key.remove(key)).collect())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string_pretty(value).unwrap()
    }

    #[test]
    fn writes_a_transaction_in_the_form_of_the_api() {
        let operations = [
            Operation::Upsert(Write::new("a", &1).unwrap().if_absent()),
            Operation::Upsert(Write::new("b", &"x").unwrap().if_matches(&Etag("7".into()))),
            Operation::Delete(Removal::new("c").if_matches(&Etag("8".into()))),
            Operation::Delete(Removal::new("d")),
        ];
        expect![[r#"
            {
              "operations": [
                {
                  "operation": "upsert",
                  "request": {
                    "key": "a",
                    "value": 1,
                    "options": {
                      "concurrency": "first-write"
                    }
                  }
                },
                {
                  "operation": "upsert",
                  "request": {
                    "key": "b",
                    "value": "x",
                    "etag": "7",
                    "options": {
                      "concurrency": "first-write"
                    }
                  }
                },
                {
                  "operation": "delete",
                  "request": {
                    "key": "c",
                    "etag": "8",
                    "options": {
                      "concurrency": "first-write"
                    }
                  }
                },
                {
                  "operation": "delete",
                  "request": {
                    "key": "d"
                  }
                }
              ]
            }"#]]
        .assert_eq(&json(&Transaction { operations: &operations }));
    }

    #[test]
    fn rounds_a_time_to_live_up_to_whole_seconds() {
        let write = Write::new("a", &1).unwrap().expires_after(Duration::from_millis(1001));
        assert_eq!(write.metadata["ttlInSeconds"], "2");
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn puts_bulk_answers_into_the_order_of_the_keys() {
        let body = br#"[{"key":"b"},{"key":"c","data":3,"etag":"9"},{"key":"a","data":1,"etag":"4"}]"#;
        let found = items::<u64>(&keys(&["a", "b", "c"]), "/", body).unwrap();
        let a = Item { value: 1, etag: Etag("4".into()) };
        let c = Item { value: 3, etag: Etag("9".into()) };
        assert_eq!(found, [Some(a), None, Some(c)]);
    }

    #[test]
    fn reports_the_error_of_one_key_of_a_bulk_answer() {
        let body = br#"[{"key":"a","error":"disk on fire"}]"#;
        let error = items::<u64>(&keys(&["a"]), "/", body).unwrap_err();
        assert_eq!(error.to_string(), "500 Internal Server Error ERR_STATE_BULK_GET: disk on fire");
    }
}
