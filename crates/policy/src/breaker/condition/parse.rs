//! Reads a condition: tokens, then terms by the precedence of CEL's operators, each held against its types.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Count, Operator, Term, Value};

/// Terms within terms; more is nobody's condition.
const DEPTH_MAX: usize = 32;
/// Bytes of a condition.
const LENGTH_MAX: usize = 1_024;

#[derive(Debug, Clone, PartialEq)]
enum Token<'a> {
    Number(Value),
    Word(&'a str),
    Sign(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Double,
    Bool,
}

/// Longer ones first: each is the beginning of a shorter one.
const SIGNS: [&str; 17] =
    ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "(", ")", ","];

/// Operators from those that bind least to those that bind most.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Over), ("%", Operator::Modulo)],
];

const COUNTS: [(&str, Count); 5] = [
    ("requests", Count::Requests),
    ("totalSuccesses", Count::TotalSuccesses),
    ("totalFailures", Count::TotalFailures),
    ("consecutiveSuccesses", Count::ConsecutiveSuccesses),
    ("consecutiveFailures", Count::ConsecutiveFailures),
];

pub(super) fn condition(text: &str) -> Result<Term, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("it is longer than {LENGTH_MAX} B"));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let (term, kind) = parser.level(0)?;
    match parser.tokens.first() {
        Some(token) => Err(format!("{} does not belong there", token.shown())),
        None if kind == Kind::Bool => Ok(term),
        None => Err("it is a number, not a condition: compare it with another".to_owned()),
    }
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first.is_ascii_digit() || first == '.' {
            number(rest)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Token::Word(rest.get(..end).unwrap_or_default()), end)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("`{first}` has no meaning here"))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

fn number(rest: &str) -> Result<(Token<'_>, usize), String> {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
    let text = rest.get(..end).unwrap_or_default();
    let value = match text.parse::<i64>() {
        Ok(whole) => Some(Value::Int(whole)),
        Err(_no_whole) if text.contains('.') => text.parse::<f64>().ok().map(Value::Double),
        Err(_no_whole) => None,
    };
    let value = value.ok_or_else(|| format!("`{text}` is no number"))?;
    Ok((Token::Number(value), end))
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    depth: usize,
}

impl<'a> Parser<'_, 'a> {
    fn level(&mut self, level: usize) -> Result<(Term, Kind), String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.take_operator(operators) {
            let right = self.level(level + 1)?;
            let kind = kind_of(operator, left.1, right.1)?;
            left = (Term::Both(Box::new([left.0, right.0]), operator), kind);
        }
        Ok(left)
    }

    fn take_operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        let Some(Token::Sign(sign)) = self.tokens.first() else { return None };
        let (_, operator) = operators.iter().find(|(known, _)| known == sign)?;
        self.next();
        Some(*operator)
    }

    fn unary(&mut self) -> Result<(Term, Kind), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        let term = self.primary();
        self.depth -= 1;
        term
    }

    fn primary(&mut self) -> Result<(Term, Kind), String> {
        match self.next() {
            Some(Token::Sign("!")) => match self.unary()? {
                (term, Kind::Bool) => Ok((Term::Not(Box::new(term)), Kind::Bool)),
                (_, Kind::Int | Kind::Double) => {
                    Err("`!` stands before a condition, not a number".to_owned())
                }
            },
            Some(Token::Sign("-")) => match self.unary()? {
                (_, Kind::Bool) => Err("`-` stands before a number, not a condition".to_owned()),
                (term, kind) => Ok((Term::Minus(Box::new(term)), kind)),
            },
            Some(Token::Sign("(")) => self.closed(),
            Some(Token::Number(value)) => Ok((Term::Value(value), value.kind())),
            Some(Token::Word(word)) => self.word(word),
            Some(token) => Err(format!("{} does not belong there", token.shown())),
            None => Err("it ends where a number or a count should be".to_owned()),
        }
    }

    fn word(&mut self, word: &str) -> Result<(Term, Kind), String> {
        if let Some((_, count)) = COUNTS.iter().find(|(name, _)| *name == word) {
            return Ok((Term::Count(*count), Kind::Int));
        }
        match word {
            "true" | "false" => Ok((Term::Value(Value::Bool(word == "true")), Kind::Bool)),
            "int" | "double" => {
                if self.next() != Some(Token::Sign("(")) {
                    return Err(format!("`{word}` needs a number in parentheses"));
                }
                match self.closed()? {
                    (_, Kind::Bool) => Err(format!("`{word}` of a condition is no number")),
                    (term, _) if word == "int" => Ok((Term::ToInt(Box::new(term)), Kind::Int)),
                    (term, _) => Ok((Term::ToDouble(Box::new(term)), Kind::Double)),
                }
            }
            _ => {
                let known: Vec<&str> = COUNTS.iter().map(|(name, _)| *name).collect();
                Err(format!("`{word}` is none of `{}`, `int` and `double`", known.join("`, `")))
            }
        }
    }

    /// What stands before a closing parenthesis.
    fn closed(&mut self) -> Result<(Term, Kind), String> {
        let inner = self.level(0)?;
        match self.next() {
            Some(Token::Sign(")")) => Ok(inner),
            _ => Err("a parenthesis is not closed".to_owned()),
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }
}

fn kind_of(operator: Operator, left: Kind, right: Kind) -> Result<Kind, String> {
    let are_numbers = left != Kind::Bool && right != Kind::Bool;
    match operator {
        Operator::Or | Operator::And if left == Kind::Bool && right == Kind::Bool => Ok(Kind::Bool),
        Operator::Or | Operator::And => Err("`||` and `&&` stand between conditions, not numbers".to_owned()),
        Operator::Equal | Operator::Unequal if left == right => Ok(Kind::Bool),
        Operator::Equal
        | Operator::Unequal
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual => {
            if are_numbers {
                Ok(Kind::Bool)
            } else {
                Err("a condition cannot be compared with a number".to_owned())
            }
        }
        Operator::Modulo if left == Kind::Double => Err("`%` is for whole numbers".to_owned()),
        Operator::Plus | Operator::Minus | Operator::Times | Operator::Over | Operator::Modulo => {
            if are_numbers && left == right {
                Ok(left)
            } else if are_numbers {
                Err("a whole number and a double do not mix: write `double(…)`".to_owned())
            } else {
                Err("a condition is no number".to_owned())
            }
        }
    }
}

impl Value {
    const fn kind(self) -> Kind {
        match self {
            Self::Int(_) => Kind::Int,
            Self::Double(_) => Kind::Double,
            Self::Bool(_) => Kind::Bool,
        }
    }
}

impl Token<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Number(Value::Int(whole)) => format!("`{whole}`"),
            Self::Number(Value::Double(double)) => format!("`{double}`"),
            Self::Number(Value::Bool(it)) => it.to_string(),
            Self::Word(word) => format!("`{word}`"),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}
