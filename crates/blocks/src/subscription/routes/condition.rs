//! A condition on a message, in the Common Expression Language (CEL), of which the variable is `event`: the
//! whole envelope.
//!
//! An expression comes from an app or a document and is bounded in length and depth: what reads it and what
//! evaluates it recurse, and must do so within their stacks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::thread;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr};
use cel::objects::{Key, Map, Value};
use cel::{Context, Env, ExecutionError, ParseErrors, Program};

/// An expression that was read once and can be held against many messages.
#[derive(Clone)]
pub struct Condition {
    text: Arc<str>,
    program: Arc<Program>,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It is no expression.
    #[error("it is no CEL expression: {why} (at character {column})")]
    Syntax {
        /// What is wrong.
        why: String,
        /// Where, from 1.
        column: usize,
    },
    /// It uses a variable that is not there.
    #[error("`{0}` is unknown: conditions are on `event`, as in `event.type == \"x\"`")]
    UnknownName(String),
    /// It calls a function that is not there.
    #[error("the function `{0}` is unknown")]
    UnknownFunction(String),
    /// It is longer than [`Condition::BYTES_MAX`].
    #[error("it is longer than {} B", Condition::BYTES_MAX)]
    TooLong,
    /// It is nested deeper than [`Condition::DEPTH_MAX`].
    #[error("it is nested more than {} deep", Condition::DEPTH_MAX)]
    TooDeep,
}

/// An envelope as conditions see it.
pub(super) struct Event(Value);

/// Of the thread that reads an expression: the parser's frames are large, and it goes up to 96 levels deep
/// before it refuses.
const PARSER_STACK: usize = 64 << 20;

/// The functions and types of the language.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

// === impl Condition ===

impl Condition {
    /// The longest text of a condition.
    pub const BYTES_MAX: usize = 1024;
    /// The most levels of a condition: an operand, an argument and an element are one below what holds them.
    pub const DEPTH_MAX: usize = 24;

    /// Reads an expression. Takes about a millisecond, on a thread of its own: once per subscription, not per
    /// message.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        if text.len() > Self::BYTES_MAX {
            return Err(ConditionError::TooLong);
        }
        let read = || {
            let program = Program::compile(text).map_err(|errors| syntax(&errors))?;
            check(program.expression())?;
            Ok(Self { text: text.into(), program: Arc::new(program) })
        };
        thread::scope(|scope| {
            let reader = thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, read);
            let unread = |why: String| ConditionError::Syntax { why, column: 1 };
            let reader = reader.map_err(|error| unread(format!("no thread could read it: {error}")))?;
            reader.join().unwrap_or_else(|_panic| Err(unread("its parser failed on it".to_owned())))
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is true of a message. What is no truth value, and what cannot be told, is not.
    pub(super) fn holds(&self, event: &Event) -> bool {
        self.evaluate(event) == Ok(Value::Bool(true))
    }

    fn evaluate(&self, event: &Event) -> Result<Value, ExecutionError> {
        self.program.execute(&context(event.0.clone()))
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

fn context(event: Value) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&LANGUAGE));
    context.add_variable_from_value("event", event);
    context
}

/// The first thing that is wrong, without the list of all that could stand there.
fn syntax(errors: &ParseErrors) -> ConditionError {
    let first = errors.errors.iter().min_by_key(|error| error.pos);
    let Some(error) = first else {
        return ConditionError::Syntax { why: "it cannot be read".to_owned(), column: 1 };
    };
    if error.msg.contains("Recursion limit") {
        return ConditionError::TooDeep;
    }
    let why = error.msg.trim_start_matches("Syntax error: ");
    let why = why.split(" expecting ").next().unwrap_or(why).replace("'<EOF>'", "its end");
    ConditionError::Syntax { why, column: usize::try_from(error.pos.1).unwrap_or(1).max(1) }
}

/// Holds an expression against what there is, so that a slip shows when it is written and not when a message
/// comes.
fn check(expression: &IdedExpr) -> Result<(), ConditionError> {
    let mut names = Names::default();
    names.collect(expression, 1)?;
    let context = context(Value::Null);
    let is_unknown = |expr: Expr| {
        let outcome = Value::resolve(&IdedExpr { id: 0, expr }, &context);
        matches!(outcome, Err(ExecutionError::UndeclaredReference(_)))
    };
    let Names { used, bound, functions } = names;
    if let Some(name) = used.difference(&bound).find(|name| is_unknown(Expr::Ident((**name).to_owned()))) {
        return Err(ConditionError::UnknownName((*name).to_owned()));
    }
    let call = |function: &str, is_member: bool| {
        let nothing = || IdedExpr { id: 0, expr: Expr::Ident("event".to_owned()) };
        let target = is_member.then(|| Box::new(nothing()));
        Expr::Call(CallExpr { func_name: function.to_owned(), target, args: Vec::new() })
    };
    let unknown = functions.into_iter().find(|(name, is_member)| is_unknown(call(name, *is_member)));
    unknown.map_or(Ok(()), |(name, _)| Err(ConditionError::UnknownFunction(name.to_owned())))
}

/// The names in an expression.
#[derive(Default)]
struct Names<'a> {
    used: BTreeSet<&'a str>,
    /// By macros such as `exists`.
    bound: BTreeSet<&'a str>,
    /// With whether it is called on something.
    functions: BTreeSet<(&'a str, bool)>,
}

impl<'a> Names<'a> {
    fn collect(&mut self, expression: &'a IdedExpr, depth: usize) -> Result<(), ConditionError> {
        if depth > Condition::DEPTH_MAX {
            return Err(ConditionError::TooDeep);
        }
        let mut below = Vec::new();
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                self.used.insert(name);
            }
            Expr::Call(call) => {
                // Operators have names like `_==_`.
                if call.func_name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                    self.functions.insert((&call.func_name, call.target.is_some()));
                }
                below.extend(call.target.as_deref());
                below.extend(&call.args);
            }
            Expr::Comprehension(it) => {
                self.bound.extend([&*it.iter_var, &*it.accu_var]);
                self.bound.extend(it.iter_var2.as_deref());
                below.extend([&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result]);
            }
            Expr::List(list) => below.extend(&list.elements),
            Expr::Select(select) => below.push(&select.operand),
            Expr::Map(map) => below.extend(map.entries.iter().flat_map(parts)),
            Expr::Struct(it) => {
                self.used.insert(&it.type_name);
                below.extend(it.entries.iter().flat_map(parts));
            }
        }
        below.into_iter().try_for_each(|expression| self.collect(expression, depth + 1))
    }
}

fn parts(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
    match &entry.expr {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

// === impl Event ===

impl Event {
    /// `None` where the envelope is no JSON object.
    pub(super) fn read(envelope: &[u8]) -> Option<Self> {
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(envelope).ok()?;
        Some(Self(value(serde_json::Value::Object(fields))))
    }
}

/// JSON as the language has it: a number is an integer where it is whole and fits 64 bits, else a double.
fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => {
            let signed = number.as_i64().map(Value::Int);
            let whole = signed.or_else(|| number.as_u64().map(Value::UInt));
            whole.or_else(|| number.as_f64().map(Value::Float)).unwrap_or(Value::Null)
        }
        serde_json::Value::String(text) => Value::String(Arc::new(text)),
        serde_json::Value::Array(values) => Value::List(Arc::new(values.into_iter().map(value).collect())),
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, field)| (Key::String(Arc::new(name)), value(field)));
            Value::Map(Map { map: Arc::new(fields.collect()) })
        }
    }
}

#[cfg(test)]
mod tests;
