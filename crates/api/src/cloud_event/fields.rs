//! The fields of an envelope on their way through: what was written is not copied until the whole is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Room for the fields that an envelope has beside its data.
const OTHERS_BYTES: usize = 512;

/// In the order of their names.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Fields<'a>(BTreeMap<Cow<'a, str>, Field<'a>>);

/// A value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Field<'a> {
    /// JSON as it was written.
    Written(&'a RawValue),
    /// A text that is not JSON yet.
    Text(Cow<'a, str>),
}

/// A field's name; borrowed where nothing in it is escaped.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The fields of a JSON object; of two with one name the last.
    pub(super) fn read(object: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(object)
    }

    pub(super) fn set(&mut self, name: &'a str, text: impl Into<Cow<'a, str>>) {
        self.0.insert(Cow::Borrowed(name), Field::Text(text.into()));
    }

    pub(super) fn set_written(&mut self, name: &'a str, json: &'a RawValue) {
        self.0.insert(Cow::Borrowed(name), Field::Written(json));
    }

    pub(super) fn set_missing<T: Into<Cow<'a, str>>>(&mut self, name: &'a str, text: impl FnOnce() -> T) {
        self.0.entry(Cow::Borrowed(name)).or_insert_with(|| Field::Text(text().into()));
    }

    /// The text of that name, where there is one.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.0.get(name)? {
            Field::Written(json) => Field::Written(json).into_text(),
            Field::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Field<'a>> {
        self.0.remove(name)
    }

    pub(super) fn into_rest(self) -> impl Iterator<Item = (Cow<'a, str>, Field<'a>)> {
        self.0.into_iter()
    }

    /// As a JSON object; its data has so many bytes.
    pub(super) fn encode(&self, data: usize) -> Bytes {
        let mut json = Vec::with_capacity(data + OTHERS_BYTES);
        serde_json::to_writer(&mut json, self).expect("fields are JSON");
        json.into()
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.insert(name, Field::Written(value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

// === impl Field ===

impl<'a> Field<'a> {
    /// The text that it is; `None` where it is something else.
    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Written(json) => serde_json::from_str::<Name<'a>>(json.get()).ok().map(|Name(text)| text),
            Self::Text(text) => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays_and_text_is_escaped_once() {
        let object = br#"{ "b": 1.50, "a\n": "x", "b": [ 2.0 ] }"#;
        let mut fields = Fields::read(object).unwrap();
        fields.set("text", "\"\n");
        fields.set_missing("b", || "not");
        fields.set_missing("c", || "set");
        let json = fields.encode(0);
        assert_eq!(&json[..], br#"{"a\n":"x","b":[ 2.0 ],"c":"set","text":"\"\n"}"#);
    }

    #[test]
    fn texts_are_read_and_other_values_are_none() {
        let mut fields = Fields::read(br#"{"a":"x\u0041","n":1}"#).unwrap();
        assert_eq!(fields.take("a").and_then(Field::into_text).as_deref(), Some("xA"));
        assert_eq!(fields.take("n").and_then(Field::into_text), None);
        assert!(fields.take("a").is_none());
        assert!(Fields::read(b"[]").is_err());
    }
}
