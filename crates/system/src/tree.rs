//! The YAML text as a tree whose every node knows its place in the file.
//!
//! Built from the parser's events, so that a duplicate key is one mistake among others rather than the
//! end, and so that depth and the growth by aliases are bounded.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::code::Code;
use crate::mistake::{Mistake, Span};

/// A value in the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// What stands here depends on something that is not known: nothing is said about it.
    Unknown,
}

/// Text, with what YAML makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number, a flag or null.
    Plain,
    /// In quotes or as a block: always text.
    Quoted,
    /// Put together from references: may be anything.
    Expanded,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

const DEPTH_MAX: usize = 64;
/// Nodes that aliases may add.
const ALIAS_NODES_MAX: usize = 10_000;

/// Reads the text. `None` where there is no tree; the mistakes say why.
pub(crate) fn read(text: &str, mistakes: &mut Vec<Mistake>) -> Option<Node> {
    let mut builder = Builder::new(text, mistakes);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let span = builder.span(*error.marker(), *error.marker());
                let message = format!("not YAML: {}", error.info());
                builder.mistakes.push(Mistake::at(span, Code::Syntax, message));
                return None;
            }
        }
    }
    builder.end()
}

/// Reads a text of several documents; those that come before one that is no YAML.
pub(crate) fn read_documents(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Node> {
    let mut builder = Builder::new(text, mistakes);
    builder.documents = Some(Vec::new());
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                if builder.take(event, span).is_none() {
                    break;
                }
            }
            Err(error) => {
                let span = builder.span(*error.marker(), *error.marker());
                let message = format!("not YAML: {}", error.info());
                builder.mistakes.push(Mistake::at(span, Code::Syntax, message));
                break;
            }
        }
    }
    let Builder { documents, root, .. } = builder;
    documents.into_iter().flatten().chain(root).collect()
}

// === impl Node ===

impl Node {
    /// What it is, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.content {
            Content::Scalar(scalar) => scalar.describe(),
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a map".into(),
            Content::Unknown => "an unknown value".into(),
        }
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key.text == name),
            Content::Scalar(_) | Content::List(_) | Content::Unknown => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.is_null())
    }

    fn depth(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) | Content::Unknown => 0,
            Content::List(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }

    fn count(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) | Content::Unknown => 0,
            Content::List(items) => items.iter().map(Self::count).sum(),
            Content::Map(entries) => entries.iter().map(|entry| 1 + entry.value.count()).sum(),
        }
    }
}

// === impl Scalar ===

impl Scalar {
    pub(crate) fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Whether YAML reads it as text: quoted, or plain and neither null, flag nor number (YAML 1.2.2
    /// §10.3).
    pub(crate) fn is_text(&self) -> bool {
        self.style != Style::Plain || !(self.is_null() || self.is_flag() || self.is_number())
    }

    fn is_flag(&self) -> bool {
        matches!(self.text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
    }

    fn is_number(&self) -> bool {
        let unsigned = self.text.trim_start_matches(['-', '+']);
        let is_radix = |prefix, radix| {
            unsigned
                .strip_prefix(prefix)
                .is_some_and(|digits: &str| u64::from_str_radix(digits, radix).is_ok())
        };
        (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && self.text.parse::<f64>().is_ok())
            || is_radix("0x", 16)
            || is_radix("0o", 8)
    }

    fn describe(&self) -> String {
        if self.is_null() {
            "nothing".into()
        } else if self.is_text() {
            format!("the text `{}`", self.shortened())
        } else if self.is_flag() {
            format!("the flag `{}`", self.text)
        } else {
            format!("the number `{}`", self.text)
        }
    }

    /// Its beginning, on one line.
    pub(crate) fn shortened(&self) -> String {
        const SHOWN_MAX: usize = 60;
        let line = self.text.lines().next().unwrap_or_default();
        if line.len() == self.text.len() && line.chars().count() <= SHOWN_MAX {
            return line.into();
        }
        line.chars().take(SHOWN_MAX).chain(['…']).collect()
    }
}

// === Builder ===

struct Builder<'m> {
    /// The byte of each character, which the parser counts by.
    bytes: Vec<usize>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    alias_nodes: usize,
    root: Option<Node>,
    /// Those that are whole, where there may be several.
    documents: Option<Vec<Node>>,
    mistakes: &'m mut Vec<Mistake>,
}

/// A list or map whose end has not come yet.
struct Open {
    anchor: usize,
    start: Marker,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The line of each key so far.
        lines: BTreeMap<String, usize>,
        key: Option<PendingKey>,
    },
}

/// A key whose value comes next; kept only if it makes sense.
struct PendingKey {
    key: Key,
    is_kept: bool,
}

impl<'m> Builder<'m> {
    fn new(text: &str, mistakes: &'m mut Vec<Mistake>) -> Self {
        let bytes = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
        Self {
            bytes,
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            alias_nodes: 0,
            root: None,
            documents: None,
            mistakes,
        }
    }

    /// `None` where there is no sense in going on.
    fn take(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Option<()> {
        let place = self.span(span.start, span.end);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => self.begin_document(place)?,
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                let scalar = Scalar { text: text.into_owned(), style };
                self.add(Node { span: place, content: Content::Scalar(scalar) }, anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                self.open(anchor, span.start, Children::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                self.open(
                    anchor,
                    span.start,
                    Children::Map { entries: Vec::new(), lines: BTreeMap::new(), key: None },
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            Event::Alias(anchor) => self.alias(anchor, place)?,
        }
        Some(())
    }

    fn begin_document(&mut self, place: Span) -> Option<()> {
        if let Some(documents) = &mut self.documents {
            documents.extend(self.root.take());
        }
        if self.root.is_none() {
            return Some(());
        }
        self.refuse(place, "a second YAML document", "keep one system in one file: remove the `---`");
        None
    }

    fn open(&mut self, anchor: usize, start: Marker, children: Children) -> Option<()> {
        if self.stack.len() >= DEPTH_MAX {
            let place = self.span(start, start);
            self.refuse(place, &format!("more than {DEPTH_MAX} levels of nesting"), "flatten the file");
            return None;
        }
        self.stack.push(Open { anchor, start, children });
        Some(())
    }

    fn close(&mut self, end: Marker) {
        let Some(open) = self.stack.pop() else { return };
        let content = match open.children {
            Children::List(items) => Content::List(items),
            Children::Map { entries, .. } => Content::Map(entries),
        };
        let span = self.span(open.start, end);
        self.add(Node { span, content }, open.anchor);
    }

    fn alias(&mut self, anchor: usize, place: Span) -> Option<()> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            self.refuse(place, "an alias inside what it stands for", "write the values out");
            return None;
        };
        self.alias_nodes += node.count();
        if self.alias_nodes > ALIAS_NODES_MAX || self.stack.len() + node.depth() > DEPTH_MAX {
            self.refuse(place, "aliases that make the file too large", "write the values out");
            return None;
        }
        self.add(node, 0);
        Some(())
    }

    fn add(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|open| &mut open.children) {
            None => self.root = Some(node),
            Some(Children::List(items)) => items.push(node),
            Some(Children::Map { entries, lines, key }) => match key.take() {
                Some(PendingKey { key, is_kept: true }) => entries.push(Entry { key, value: node }),
                Some(PendingKey { is_kept: false, .. }) => {}
                None => {
                    let (pending, mistake) = pending_key(node, lines);
                    *key = Some(pending);
                    self.mistakes.extend(mistake);
                }
            },
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, place: Span) {
        if tag.is_some() {
            self.refuse(place, "a tag", "remove it: each key has one type");
        }
    }

    fn refuse(&mut self, place: Span, what: &str, help: &str) {
        self.mistakes.push(unused_feature(place, what).help(help));
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        let byte = |marker: Marker| {
            let last = self.bytes.last().copied().unwrap_or_default();
            self.bytes.get(marker.index()).copied().unwrap_or(last)
        };
        let (start_byte, end_byte) = (byte(start), byte(end));
        Span { start: start_byte, end: end_byte.max(start_byte), line: start.line(), column: start.col() + 1 }
    }

    fn end(self) -> Option<Node> {
        let is_empty = self.root.as_ref().is_none_or(Node::is_null);
        if is_empty {
            let mistake = Mistake::of_file(Code::MissingKey, "the file is empty");
            self.mistakes.push(mistake.help("begin with `system: NAME`"));
            return None;
        }
        self.root
    }
}

fn pending_key(node: Node, lines: &mut BTreeMap<String, usize>) -> (PendingKey, Option<Mistake>) {
    let span = node.span;
    let Content::Scalar(Scalar { text, style }) = node.content else {
        let key = Key { text: String::new(), span };
        let mistake = unused_feature(span, "a list or map as a key").help("write a name before the `:`");
        return (PendingKey { key, is_kept: false }, Some(mistake));
    };
    let mistake = if text == "<<" && style == Style::Plain {
        let help = "write the keys out, or put what differs into a profile";
        Some(unused_feature(span, "the merge key `<<`").help(help))
    } else {
        lines.insert(text.clone(), span.line).map(|first| duplicate(&text, span, first))
    };
    (PendingKey { key: Key { text, span }, is_kept: mistake.is_none() }, mistake)
}

fn duplicate(key: &str, span: Span, first: usize) -> Mistake {
    Mistake::at(span, Code::DuplicateKey, format!("the key `{key}` stands here twice"))
        .help(format!("it is also given in line {first}; keep one of the two"))
}

fn unused_feature(span: Span, what: &str) -> Mistake {
    Mistake::at(span, Code::YamlFeature, format!("{what} has no meaning in a system file"))
}
