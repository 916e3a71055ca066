//! Mistakes in a system file, and how they are shown.

use std::error::Error;
use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::code::Code;

/// A piece of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its kind.
    pub code: Code,
    /// Where it is; `None` where it concerns the file as a whole.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What would be right at this place.
    pub expected: Option<String>,
    /// The valid name most like what stands there.
    pub nearest: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// All that is wrong with a file, in its order; never empty.
#[derive(Debug, Clone)]
pub struct Mistakes {
    file: String,
    text: String,
    list: Vec<Mistake>,
}

// === impl Span ===

impl Span {
    /// The place of a piece of text within this one, where the file has it literally; else this place.
    pub(crate) fn find(self, file: &str, piece: &str) -> Self {
        let text = file.get(self.start..self.end).unwrap_or_default();
        let Some(offset) = text.find(piece) else { return self };
        let before = text.get(..offset).unwrap_or_default();
        let start = self.start + offset;
        let line = self.line + before.matches('\n').count();
        let column = match before.rsplit_once('\n') {
            Some((_, last)) => last.chars().count() + 1,
            None => self.column + before.chars().count(),
        };
        Self { start, end: start + piece.len(), line, column }
    }
}

// === impl Mistake ===

impl Mistake {
    pub(crate) fn at(span: Span, code: Code, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::of_file(code, message) }
    }

    pub(crate) fn of_file(code: Code, message: impl Into<String>) -> Self {
        Self { code, span: None, message: message.into(), expected: None, nearest: None, help: None }
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says which names are possible, and which of them may have been meant.
    pub(crate) fn one_of<'a>(mut self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        self.nearest = nearest(name, &names).map(Into::into);
        self.expected = Some(listed(&names));
        self
    }
}

/// The name with the fewest edits away, if it is not a wholly different one. Case and the difference
/// between `_` and `-` do not count.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('_', "-");
    let name = plain(name);
    let edits_max = (name.chars().count() / 3).max(1);
    names
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &plain(candidate)), *candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "there are none".into(),
        [name] => format!("expected `{name}`"),
        names => format!("expected one of `{}`", names.join("`, `")),
    }
}

// === impl Mistakes ===

impl Mistakes {
    pub(crate) fn new(file: &str, text: &str, mut list: Vec<Mistake>) -> Self {
        list.sort_by_key(|mistake| mistake.span);
        Self { file: file.into(), text: text.into(), list }
    }

    /// Each mistake, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.list.iter()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.list.len()
    }

    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// As shown on a terminal, with colours.
    pub fn coloured(&self) -> impl fmt::Display + '_ {
        Shown { mistakes: self, renderer: Renderer::styled() }
    }

    fn render(&self, mistake: &Mistake, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(&*mistake.message).id(mistake.code.as_str());
        let mut group = Group::with_title(title);
        if let Some(span) = mistake.span {
            let mark = AnnotationKind::Primary.span(self.first_line(span));
            let mark = mark.label(mistake.expected.as_deref());
            group = group.element(Snippet::source(&*self.text).path(&*self.file).annotation(mark));
        } else if let Some(expected) = &mistake.expected {
            group = group.element(Level::NOTE.message(&**expected));
        }
        if let Some(nearest) = &mistake.nearest {
            group = group.element(Level::HELP.message(format!("did you mean `{nearest}`?")));
        }
        if let Some(help) = &mistake.help {
            group = group.element(Level::HELP.message(&**help));
        }
        renderer.render(&[group])
    }

    /// A mark is drawn on one line, and is never empty.
    fn first_line(&self, span: Span) -> std::ops::Range<usize> {
        let rest = self.text.get(span.start..span.end).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default().trim_end();
        span.start..span.start + line.len()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown { mistakes: self, renderer: Renderer::plain() }.fmt(f)
    }
}

impl Error for Mistakes {}

struct Shown<'a> {
    mistakes: &'a Mistakes,
    renderer: Renderer,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.mistakes.list {
            writeln!(f, "{}\n", self.mistakes.render(mistake, &self.renderer))?;
        }
        let count = self.mistakes.count();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{count} {mistakes} in {}", self.mistakes.file)
    }
}
