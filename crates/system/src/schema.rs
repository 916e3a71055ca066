//! The shape of the file as a JSON Schema (draft 2020-12), for editors.
//!
//! It says what each single value may be; what needs more than one value, only the checker knows.

use std::collections::BTreeMap;

use floodway_blocks::{Block, EngineDescription};
use serde_json::{Value, json};

use crate::form::Form;
use crate::shape::file::FILE_SHAPE;
use crate::shape::{Field, Need, Object, Shape, options, serving};

/// The schema of a system file, with the engines of the catalogue.
pub fn schema(catalogue: &[EngineDescription]) -> Value {
    let mut writer = Writer { catalogue, definitions: BTreeMap::new() };
    let root = writer.object(&FILE_SHAPE, Part::Whole);
    writer.define("reference", &reference());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A system of Floodway",
        "$ref": root["$ref"],
        "$defs": writer.definitions,
    })
}

/// Which part of an object stands at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// What lies over the rest: nothing is required, and null removes.
    Overlay,
}

struct Writer<'a> {
    catalogue: &'a [EngineDescription],
    definitions: BTreeMap<String, Value>,
}

impl Writer<'_> {
    fn shape(&mut self, shape: Shape, part: Part) -> Value {
        let schema = match shape {
            Shape::One(form) => single(form),
            Shape::Choice(words) => json!({ "anyOf": [{ "enum": words }, reference_to("reference")] }),
            Shape::Object(object) => self.object(object, part),
            Shape::Short(object) => {
                let first = object.fields[0].shape;
                json!({ "anyOf": [self.shape(first, Part::Whole), self.object(object, part)] })
            }
            Shape::Engine(block, object) => self.engine(block, object, part),
            Shape::Map { key, value, max } => json!({
                "type": "object",
                "propertyNames": { "pattern": key.pattern().unwrap_or("") },
                "additionalProperties": self.shape(*value, part),
                "maxProperties": max,
            }),
            Shape::List { item, max } => self.list(*item, max),
            Shape::OneOrMany { item, max } => {
                json!({ "anyOf": [self.shape(*item, Part::Whole), self.list(*item, max)] })
            }
            Shape::Overlay => self.object(&FILE_SHAPE, Part::Overlay),
        };
        match part {
            Part::Whole => schema,
            Part::Overlay => json!({ "anyOf": [schema, { "type": "null" }] }),
        }
    }

    /// A list is replaced as a whole, so its items are whole.
    fn list(&mut self, item: Shape, max: usize) -> Value {
        json!({ "type": "array", "items": self.shape(item, Part::Whole), "maxItems": max })
    }

    fn object(&mut self, object: &'static Object, part: Part) -> Value {
        let name = definition_name(object.name, part);
        if !self.definitions.contains_key(&name) {
            // The name is taken first, as a profile is a part of the file that has it.
            self.define(&name, &Value::Null);
            let schema = self.fields(object, object.fields, part);
            self.define(&name, &schema);
        }
        reference_to(&name)
    }

    fn engine(&mut self, block: Block, object: &'static Object, part: Part) -> Value {
        let name = definition_name(object.name, part);
        if !self.definitions.contains_key(&name) {
            let engines: Vec<EngineDescription> = serving(self.catalogue, block).copied().collect();
            let names: Vec<&str> = engines.iter().map(|engine| engine.name).collect();
            let mut schema = self.fields(object, object.fields, part);
            let variants: Vec<Value> =
                engines.iter().map(|engine| self.variant(engine, block, object, part)).collect();
            // Which options there are depends on the engine: each variant closes itself.
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("additionalProperties");
                schema.insert("allOf".into(), Value::Array(variants));
            }
            schema["properties"]["engine"]["enum"] = json!(names);
            self.define(&name, &schema);
        }
        reference_to(&name)
    }

    fn variant(&mut self, engine: &EngineDescription, block: Block, object: &Object, part: Part) -> Value {
        let fields: Vec<Field> = object.fields.iter().copied().chain(options(engine, block)).collect();
        let is_this = match part {
            Part::Whole => {
                json!({ "properties": { "engine": { "const": engine.name } }, "required": ["engine"] })
            }
            Part::Overlay => json!({ "properties": { "engine": { "const": engine.name } } }),
        };
        json!({ "if": is_this, "then": self.fields(object, &fields, part) })
    }

    fn fields(&mut self, object: &Object, fields: &[Field], part: Part) -> Value {
        let fields = fields.iter().filter(|field| part == Part::Whole || field.name != "profiles");
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        for field in fields {
            properties.insert(field.name.into(), self.field(field, part));
            if part == Part::Whole && matches!(field.need, Need::Required) {
                required.push(field.name);
            }
        }
        json!({
            "type": "object",
            "description": object.doc,
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    fn field(&mut self, field: &Field, part: Part) -> Value {
        let mut schema = self.shape(field.shape, part);
        schema["description"] = json!(field.doc);
        if let Need::Default(text) = field.need {
            schema["default"] = match field.shape {
                Shape::One(Form::Integer { .. }) => json!(text.parse::<i64>().unwrap_or_default()),
                Shape::One(Form::Flag) => json!(text == "true"),
                _ => json!(text),
            };
        }
        schema
    }

    fn define(&mut self, name: &str, schema: &Value) {
        self.definitions.insert(name.into(), schema.clone());
    }
}

fn definition_name(name: &str, part: Part) -> String {
    let name = name.replace(' ', "-");
    match part {
        Part::Whole => name,
        Part::Overlay => format!("{name}-overlay"),
    }
}

fn reference_to(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A value that comes from the environment may have any form.
fn reference() -> Value {
    json!({ "type": "string", "pattern": r"\$\{env:[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}" })
}

fn single(form: Form) -> Value {
    let own = match form {
        Form::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Literal => return json!({ "type": ["string", "number", "boolean"] }),
        Form::Text
        | Form::Name
        | Form::Duration { .. }
        | Form::Size { .. }
        | Form::Rate
        | Form::Late
        | Form::Share
        | Form::Address
        | Form::Ip
        | Form::Network
        | Form::File
        | Form::Command
        | Form::PathPattern
        | Form::RequestPath
        | Form::Host
        | Form::Header
        | Form::Schedule
        | Form::Status => match form.pattern() {
            Some(pattern) => json!({ "type": "string", "pattern": pattern }),
            None => json!({ "type": "string" }),
        },
    };
    json!({ "anyOf": [own, reference_to("reference")] })
}

#[cfg(test)]
mod tests;
