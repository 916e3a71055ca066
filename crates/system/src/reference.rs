//! The reference of the file for people, as Markdown, made from the same description as the checker.

use std::fmt::Write as _;

use floodway_blocks::{Block, EngineDescription};

use crate::shape::file::FILE_SHAPE;
use crate::shape::{Field, Need, Object, Shape, options, serving};

const INTRODUCTION: &str = include_str!("reference/introduction.md");

/// The page, with the options of the engines of the catalogue.
pub fn reference(catalogue: &[EngineDescription]) -> String {
    let mut page = Page { catalogue, text: INTRODUCTION.into(), sections: Vec::new() };
    page.section("The file", &FILE_SHAPE, None);
    while !page.sections.is_empty() {
        let (title, object, block) = page.sections.remove(0);
        page.section(&title, object, block);
    }
    page.text
}

struct Page<'a> {
    catalogue: &'a [EngineDescription],
    text: String,
    /// What is still to be written: title, keys, and the block whose engines have options.
    sections: Vec<(String, &'static Object, Option<Block>)>,
}

impl Page<'_> {
    fn section(&mut self, title: &str, object: &'static Object, block: Option<Block>) {
        self.line(&format!("\n## {title}\n\n{}\n", object.doc));
        self.table(object.fields);
        for field in object.fields {
            let path =
                if title == "The file" { field.name.into() } else { format!("{title}.{}", field.name) };
            let path = path.replace('`', "");
            self.plan(&path, field.shape);
        }
        for engine in block.into_iter().flat_map(|block| serving(self.catalogue, block)) {
            let fields: Vec<Field> = block.into_iter().flat_map(|block| options(engine, block)).collect();
            if !fields.is_empty() {
                self.line(&format!("\nWith `engine: {}`:\n", engine.name));
                self.table(&fields);
            }
        }
    }

    fn plan(&mut self, path: &str, shape: Shape) {
        match shape {
            Shape::Object(object) | Shape::Short(object) => {
                self.sections.push((format!("`{path}`"), object, None));
            }
            Shape::Engine(block, object) => self.sections.push((format!("`{path}`"), object, Some(block))),
            Shape::Map { value, .. } => self.plan(&format!("{path}.NAME"), *value),
            Shape::List { item, .. } => self.plan(&format!("{path}[]"), *item),
            Shape::OneOrMany { item, .. } => self.plan(path, *item),
            Shape::One(_) | Shape::Choice(_) | Shape::Overlay => {}
        }
    }

    fn table(&mut self, fields: &[Field]) {
        self.line("| key | type | default | meaning | since |\n| --- | --- | --- | --- | --- |");
        for field in fields {
            let need = match field.need {
                Need::Required => "**must be given**".into(),
                Need::Optional(text) => text.to_owned(),
                Need::Empty => "as if it were empty".into(),
                Need::Default(text) => format!("`{text}`"),
            };
            let row = format!(
                "| `{}` | {} | {need} | {} | {} |",
                field.name,
                kind(field.shape),
                field.doc,
                field.since
            );
            self.line(&row);
        }
    }

    fn line(&mut self, text: &str) {
        writeln!(self.text, "{text}").expect("a String takes all that is written to it");
    }
}

fn kind(shape: Shape) -> String {
    match shape {
        Shape::One(form) => form.short(),
        Shape::Choice(words) => format!("one of `{}`", words.join("`, `")),
        Shape::Object(_) | Shape::Engine(..) => "map".into(),
        Shape::Short(object) => format!("{} or map", kind(object.fields[0].shape)),
        Shape::Map { key, value: Shape::Object(_) | Shape::Engine(..) | Shape::Overlay, .. } => {
            format!("map (by {})", key.short())
        }
        Shape::Map { key, value, .. } => format!("map ({} to {})", key.short(), kind(*value)),
        Shape::List { item, .. } => format!("list ({})", kind(*item)),
        Shape::OneOrMany { item, .. } => format!("{}, or a list of them", kind(*item)),
        Shape::Overlay => "part of a file".into(),
    }
}
