//! Holds a tree against the shape of the file: what fits becomes values with defaults filled in, what
//! does not becomes mistakes.

use floodway_blocks::{Block, EngineDescription};

use crate::code::Code;
use crate::form::Form;
use crate::mistake::{Mistake, Span};
use crate::shape::file::FILE_SHAPE;
use crate::shape::{Field, Need, Object, Shape, options, serving};
use crate::tree::{Content, Entry, Key, Node, Scalar, Style};
use crate::value::{Fields, Kind, Value};

/// Checks the whole file.
pub(crate) fn file(root: &Node, catalogue: &[EngineDescription], mistakes: &mut Vec<Mistake>) -> Fields {
    let mut checker = Checker { catalogue, mistakes };
    checker.object(Some(root), first_key(root), &FILE_SHAPE)
}

/// Checks a node that stands for an object.
pub(crate) fn object(node: &Node, object: &'static Object, mistakes: &mut Vec<Mistake>) -> Fields {
    Checker { catalogue: &[], mistakes }.object(Some(node), first_key(node), object)
}

fn first_key(root: &Node) -> Span {
    match &root.content {
        Content::Map(entries) => entries.first().map_or(root.span, |entry| entry.key.span),
        Content::Scalar(_) | Content::List(_) | Content::Unknown => root.span,
    }
}

struct Checker<'a> {
    catalogue: &'a [EngineDescription],
    mistakes: &'a mut Vec<Mistake>,
}

impl Checker<'_> {
    /// `place` is where the value is named, for what is missing in it.
    fn value(&mut self, node: &Node, place: Span, shape: Shape) -> Value {
        let kind = match shape {
            _ if matches!(node.content, Content::Unknown) => Kind::Unknown,
            Shape::One(form) => self.one(node, form),
            Shape::Choice(words) => self.choice(node, words),
            Shape::Short(object) if matches!(node.content, Content::Scalar(_)) => {
                Kind::Fields(self.short(node, place, object))
            }
            Shape::Object(object) | Shape::Short(object) => {
                Kind::Fields(self.object(Some(node), place, object))
            }
            Shape::Engine(block, object) => self.engine(node, place, block, object),
            Shape::Map { key, value, max } => self.map(node, key, *value, max),
            Shape::List { item, max } => self.list(node, *item, max),
            Shape::OneOrMany { item, max } => match &node.content {
                Content::List(_) => self.list(node, *item, max),
                _ => Kind::List(vec![self.value(node, place, *item)]),
            },
            Shape::Overlay => self.overlay(node),
        };
        Value { span: node.span, kind }
    }

    fn one(&mut self, node: &Node, form: Form) -> Kind {
        let Content::Scalar(scalar) = &node.content else {
            return self.wrong_type(node, &form.title());
        };
        form.read(scalar).unwrap_or_else(|misfit| {
            let message = match misfit.code {
                Code::WrongType => format!("wrong type: {}", node.describe()),
                code => format!("{} {}", fault(code), shown(scalar, form)),
            };
            let mistake = Mistake::at(node.span, misfit.code, message).expected(misfit.message);
            self.mistakes.push(Mistake { help: misfit.help, ..mistake });
            Kind::Unknown
        })
    }

    fn choice(&mut self, node: &Node, words: &[&'static str]) -> Kind {
        let Content::Scalar(scalar) = &node.content else {
            return self.wrong_type(node, &format!("one of `{}`", words.join("`, `")));
        };
        if words.contains(&scalar.text.as_str()) {
            return Kind::Text(scalar.text.clone());
        }
        let message = format!("unknown word `{}`", scalar.shortened());
        let mistake = Mistake::at(node.span, Code::UnknownWord, message);
        self.mistakes.push(mistake.one_of(&scalar.text, words.iter().copied()));
        Kind::Unknown
    }

    fn map(&mut self, node: &Node, key: Form, value: Shape, max: usize) -> Kind {
        let Some(entries) = self.entries(node, "a map") else { return Kind::Unknown };
        self.bound(node, entries.len(), max);
        let mut values = Vec::with_capacity(entries.len());
        for entry in entries.iter().take(max) {
            self.key(&entry.key, key);
            values.push((entry.key.clone(), self.value(&entry.value, entry.key.span, value)));
        }
        Kind::Map(values)
    }

    fn key(&mut self, key: &Key, form: Form) {
        if let Err(misfit) = form.parse(&key.text) {
            let mistake =
                Mistake::at(key.span, misfit.code, format!("{} `{}`", fault(misfit.code), key.text));
            self.mistakes.push(Mistake { help: misfit.help, ..mistake.expected(misfit.message) });
        }
    }

    fn list(&mut self, node: &Node, item: Shape, max: usize) -> Kind {
        let Content::List(items) = &node.content else {
            return self.wrong_type(node, "a list");
        };
        self.bound(node, items.len(), max);
        Kind::List(items.iter().take(max).map(|node| self.value(node, node.span, item)).collect())
    }

    fn bound(&mut self, node: &Node, count: usize, max: usize) {
        if count > max {
            let message = format!("{count} entries are too many");
            self.mistakes
                .push(Mistake::at(node.span, Code::OutOfRange, message).expected(format!("at most {max}")));
        }
    }

    /// A profile is checked as a part of the file it lies over; here only what that cannot see.
    fn overlay(&mut self, node: &Node) -> Kind {
        if let Some(entry) = node.entry("profiles") {
            let mistake =
                Mistake::at(entry.key.span, Code::UnknownKey, "unknown key `profiles` in a profile");
            self.mistakes.push(mistake.help("a profile cannot have profiles"));
        }
        self.entries(node, "a map");
        Kind::Unknown
    }

    /// An object of which only the first key is given, by its value.
    fn short(&mut self, node: &Node, place: Span, object: &'static Object) -> Fields {
        let first = &object.fields[0];
        let mut checked = Fields::empty(node.span);
        checked.values.insert(first.name, self.value(node, place, first.shape));
        checked.given.insert(first.name, node.span);
        self.fill(&mut checked, object.name, object.fields);
        checked
    }

    /// Without a node it is as an empty one.
    fn object(&mut self, node: Option<&Node>, place: Span, object: &'static Object) -> Fields {
        let entries = node.map_or(Some(&[] as &[Entry]), |node| self.entries(node, "a map"));
        let Some(entries) = entries else {
            return Fields::empty(place);
        };
        self.fields(entries, place, object.name, object.fields)
    }

    fn fields(&mut self, entries: &[Entry], place: Span, name: &str, known: &[Field]) -> Fields {
        let mut checked = Fields::empty(place);
        for entry in entries {
            let Some(field) = known.iter().find(|field| field.name == entry.key.text) else {
                let message = format!("unknown key `{}` in {}", entry.key.text, with_article(name));
                let mistake = Mistake::at(entry.key.span, Code::UnknownKey, message);
                self.mistakes.push(mistake.one_of(&entry.key.text, known.iter().map(|field| field.name)));
                continue;
            };
            let value = self.value(&entry.value, entry.key.span, field.shape);
            checked.values.insert(field.name, value);
            checked.given.insert(field.name, entry.key.span);
        }
        self.fill(&mut checked, name, known);
        checked
    }

    fn fill(&mut self, checked: &mut Fields, name: &str, known: &[Field]) {
        for field in known {
            if checked.values.contains_key(field.name) {
                continue;
            }
            match (field.need, field.shape) {
                (Need::Required, _) => {
                    let message = format!("{} needs the key `{}`", with_article(name), field.name);
                    self.mistakes.push(
                        Mistake::at(checked.span, Code::MissingKey, message)
                            .help(format!("`{}`: {}", field.name, field.doc)),
                    );
                }
                (Need::Default(text), shape) => {
                    checked.values.insert(field.name, default(text, shape, checked.span));
                }
                (Need::Empty, Shape::Object(object)) => {
                    let kind = Kind::Fields(self.object(None, checked.span, object));
                    checked.values.insert(field.name, Value { span: checked.span, kind });
                }
                (Need::Optional(_) | Need::Empty, _) => {}
            }
        }
    }

    fn engine(&mut self, node: &Node, place: Span, block: Block, object: &'static Object) -> Kind {
        let Some(entries) = self.entries(node, "a map") else { return Kind::Unknown };
        let mut known = object.fields.to_vec();
        let named = node.entry("engine").map(|entry| &entry.value);
        if let Some((named, scalar)) = named.and_then(|node| text_of(node).map(|scalar| (node, scalar))) {
            let catalogue = self.catalogue;
            let Some(engine) = serving(catalogue, block).find(|engine| engine.name == scalar.text) else {
                self.unknown_engine(named, scalar, block);
                return Kind::Unknown;
            };
            known.extend(options(engine, block));
        } else if named.is_some_and(|node| matches!(node.content, Content::Unknown)) {
            return Kind::Unknown;
        }
        Kind::Fields(self.fields(entries, place, object.name, &known))
    }

    fn unknown_engine(&mut self, node: &Node, scalar: &Scalar, block: Block) {
        let is_known = self.catalogue.iter().any(|engine| engine.name == scalar.text);
        let message = if is_known {
            format!("the engine `{}` does not serve {}", scalar.text, block_name(block))
        } else {
            format!("unknown engine `{}`", scalar.shortened())
        };
        let names = serving(self.catalogue, block).map(|engine| engine.name);
        self.mistakes.push(Mistake::at(node.span, Code::UnknownEngine, message).one_of(&scalar.text, names));
    }

    fn entries<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n [Entry]> {
        match &node.content {
            Content::Map(entries) => Some(entries),
            Content::Unknown => None,
            Content::Scalar(_) | Content::List(_) => {
                self.wrong_type(node, expected);
                None
            }
        }
    }

    fn wrong_type(&mut self, node: &Node, expected: &str) -> Kind {
        if !matches!(node.content, Content::Unknown) {
            let message = format!("wrong type: {}", node.describe());
            let mistake = Mistake::at(node.span, Code::WrongType, message);
            self.mistakes.push(mistake.expected(format!("expected {expected}")));
        }
        Kind::Unknown
    }
}

/// The value of a default; the shapes have none that does not fit, which a test sees to.
fn default(text: &str, shape: Shape, span: Span) -> Value {
    let kind = match shape {
        Shape::One(form) => form.parse(text).unwrap_or(Kind::Unknown),
        _ => Kind::Text(text.into()),
    };
    Value { span, kind }
}

fn text_of(node: &Node) -> Option<&Scalar> {
    match &node.content {
        Content::Scalar(scalar) if scalar.is_text() => Some(scalar),
        _ => None,
    }
}

/// The text, unless it may be a secret: what the environment gives to a command or a path is not shown.
fn shown(scalar: &Scalar, form: Form) -> String {
    if scalar.style == Style::Expanded && matches!(form, Form::Command | Form::RequestPath) {
        return "what comes from the environment".into();
    }
    format!("`{}`", scalar.shortened())
}

const fn fault(code: Code) -> &'static str {
    match code {
        Code::BadDuration => "not a duration:",
        Code::BadSize => "not a size:",
        Code::BadRate => "not a rate:",
        Code::BadAddress => "not an address:",
        Code::BadName => "not a name:",
        Code::BadPath => "not a path:",
        Code::BadCommand => "not a command:",
        Code::BadSchedule => "not a schedule:",
        Code::OutOfRange => "out of range:",
        _ => "not valid here:",
    }
}

pub(crate) const fn block_name(block: Block) -> &'static str {
    match block {
        Block::State => "stores",
        Block::Topics => "topics",
        Block::Locks => "locks",
        Block::Jobs => "jobs",
        Block::Secrets => "secrets",
        Block::Configuration => "configuration",
        Block::Bindings => "bindings",
    }
}

fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}
