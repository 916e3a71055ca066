//! Values that have the shape they should have, each with its place.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use floodway_policy::routing::PathPattern;
use floodway_policy::trust::Network;
use floodway_workload::Rate;

use crate::mistake::Span;
use crate::tree::Key;

/// A checked value.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Not known, or a mistake that has been reported: nothing more is said about it.
    Unknown,
    Text(String),
    Integer(i64),
    Flag(bool),
    Duration(Duration),
    Size(u64),
    Rate(Rate),
    Address(SocketAddr),
    Ip(IpAddr),
    Network(Network),
    Path(PathPattern),
    Words(Vec<String>),
    List(Vec<Value>),
    Map(Vec<(Key, Value)>),
    Fields(Fields),
}

/// The fields of an object; defaults are filled in, but not where there is none.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    /// Where the object is named.
    pub(crate) span: Span,
    pub(crate) values: BTreeMap<&'static str, Value>,
    /// The names of those that the file gives, with the place of the key.
    pub(crate) given: BTreeMap<&'static str, Span>,
}

/// Reads one kind of value; what is unknown comes as something harmless, as the mistake that made it
/// unknown keeps the result from being used.
macro_rules! readers {
    ($($name:ident: $kind:ident => $type:ty = $harmless:expr;)+) => {
        impl Value {
            $(pub(crate) fn $name(&self) -> Option<$type> {
                match &self.kind {
                    Kind::$kind(value) => Some(value.clone()),
                    _ => None,
                }
            })+
        }

        impl Fields {
            $(pub(crate) fn $name(&self, name: &str) -> $type {
                self.get(name).and_then(Value::$name).unwrap_or_else(|| $harmless)
            })+
        }
    };
}

readers! {
    text: Text => String = String::new();
    integer: Integer => i64 = 1;
    flag: Flag => bool = false;
    duration: Duration => Duration = Duration::ZERO;
    size: Size => u64 = 0;
    ip: Ip => IpAddr = IpAddr::from([127, 0, 0, 1]);
    address: Address => SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0));
    words: Words => Vec<String> = Vec::new();
}

// === impl Fields ===

impl Fields {
    pub(crate) const fn empty(span: Span) -> Self {
        Self { span, values: BTreeMap::new(), given: BTreeMap::new() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Where the file gives a field.
    pub(crate) fn given(&self, name: &str) -> Option<Span> {
        self.given.get(name).copied()
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Self> {
        match &self.get(name)?.kind {
            Kind::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    pub(crate) fn list(&self, name: &str) -> &[Value] {
        match self.get(name).map(|value| &value.kind) {
            Some(Kind::List(items)) => items,
            _ => &[],
        }
    }

    pub(crate) fn map(&self, name: &str) -> &[(Key, Value)] {
        match self.get(name).map(|value| &value.kind) {
            Some(Kind::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The objects of a map by name.
    pub(crate) fn objects(&self, name: &str) -> impl Iterator<Item = (&Key, &Self)> {
        self.map(name).iter().filter_map(|(key, value)| match &value.kind {
            Kind::Fields(fields) => Some((key, fields)),
            _ => None,
        })
    }

    /// An integer whose bounds in the shape fit `T`.
    pub(crate) fn whole<T: TryFrom<i64> + From<bool>>(&self, name: &str) -> T {
        T::try_from(self.integer(name)).unwrap_or_else(|_| T::from(true))
    }
}

impl Value {
    pub(crate) const fn network(&self) -> Option<Network> {
        match self.kind {
            Kind::Network(network) => Some(network),
            _ => None,
        }
    }

    /// Whether it is a list of nothing. What is not known is none.
    pub(crate) fn is_empty_list(&self) -> bool {
        matches!(&self.kind, Kind::List(items) if items.is_empty())
    }

    /// A flag; what is not known is harmless as `false`.
    pub(crate) const fn is_true(&self) -> bool {
        matches!(self.kind, Kind::Flag(true))
    }

    /// Whether what stands here is known and may be judged.
    pub(crate) const fn is_known(&self) -> bool {
        !matches!(self.kind, Kind::Unknown)
    }
}
