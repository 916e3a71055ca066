//! Mistakes in a system file, and how they are shown.

use std::error::Error;
use std::fmt;
use std::ops::Range;

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

/// One thing that is wrong with a file. Mistakes are ordered by their places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where it is; `None` where it concerns the file as a whole.
    pub span: Option<Span>,
    /// Its kind.
    pub code: Code,
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
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

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
        list.sort();
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
            let (line, mark) = self.line_of(span);
            let mark = AnnotationKind::Primary.span(mark).label(mistake.expected.as_deref());
            let snippet = Snippet::source(line).line_start(span.line).path(&*self.file);
            group = group.element(snippet.annotation(mark));
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

    /// The line where a piece begins, and what of the piece lies on it.
    fn line_of(&self, span: Span) -> (&str, Range<usize>) {
        let before = self.text.get(..span.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let piece = self.text.get(span.start..span.end).unwrap_or_default();
        let piece = piece.lines().next().unwrap_or_default().trim_end();
        let column = (span.start - start).min(line.len());
        (line, column..(column + piece.len()).min(line.len()))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown { mistakes: self, renderer: Renderer::plain() }.fmt(f)
    }
}

impl Error for Mistakes {}

/// So many tell enough.
const SHOWN_MAX: usize = 100;

struct Shown<'a> {
    mistakes: &'a Mistakes,
    renderer: Renderer,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in self.mistakes.list.iter().take(SHOWN_MAX) {
            writeln!(f, "{}\n", self.mistakes.render(mistake, &self.renderer))?;
        }
        let count = self.mistakes.count();
        if count > SHOWN_MAX {
            writeln!(f, "… and {} more\n", count - SHOWN_MAX)?;
        }
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{count} {mistakes} in {}", self.mistakes.file)
    }
}
