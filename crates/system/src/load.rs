//! From a path, or a text, to a system.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::iter;
use std::path::{Path, PathBuf};

use floodway_blocks::EngineDescription;

use crate::code::Code;
use crate::expand::Expander;
use crate::mistake::{Mistake, Mistakes, Span};
use crate::model::System;
use crate::read::Reader;
use crate::shape::file::PROFILES_MAX;
use crate::{check, overlay, tree};

/// The name of a system file in its folder.
pub const FILE_NAME: &str = "floodway.yaml";
/// Longer is not a system file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Longer is not the first line of a CSV file.
const HEADER_BYTES_MAX: u64 = 64 << 10;

/// Reads the columns of a CSV file, or says why it cannot; `None` where there is no such file. A system can
/// run where the rows of its loads are not.
pub type ColumnsOf<'a> = &'a dyn Fn(&Path) -> Result<Option<Vec<String>>, String>;

/// What a text is read with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The file's path: its folder is where relative paths begin, its name stands in mistakes.
    pub file: &'a Path,
    /// The profile to lie over it.
    pub profile: Option<&'a str>,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The engines there are.
    pub catalogue: &'a [EngineDescription],
    /// Reads the columns of a CSV file.
    pub columns: ColumnsOf<'a>,
}

/// Reads a system from its file, or from the file named [`FILE_NAME`] in a folder.
pub fn load(
    path: &Path,
    profile: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
    catalogue: &[EngineDescription],
) -> Result<System, Mistakes> {
    let file = file_of(path);
    let text =
        read_text(&file).map_err(|mistake| Mistakes::new(&file.to_string_lossy(), "", vec![*mistake]))?;
    parse(&text, Context { file: &file, profile, env, catalogue, columns: &columns })
}

/// Reads a system from a text. All mistakes are gathered, those of profiles that are not selected too;
/// only there a variable without a value is none.
pub fn parse(text: &str, context: Context<'_>) -> Result<System, Mistakes> {
    // An editor may put a byte-order mark before the text.
    let text = text.trim_start_matches('\u{feff}');
    let mut mistakes = Vec::new();
    let system = read_all(text, context, &mut mistakes);
    match system {
        Some(system) if mistakes.is_empty() => Ok(system),
        _ => Err(Mistakes::new(&context.file.to_string_lossy(), text, mistakes)),
    }
}

fn read_all(text: &str, context: Context<'_>, mistakes: &mut Vec<Mistake>) -> Option<System> {
    let root = tree::read(text, mistakes)?;
    if mistakes.iter().any(|mistake| mistake.code == Code::YamlFeature) {
        // What it was to mean is not known, so nothing can be said about the rest.
        return None;
    }
    let profiles = overlay::names(&root);
    let mut known: BTreeSet<Mistake> = mistakes.drain(..).collect();
    let mut selected = None;
    // Too many profiles are a mistake; not to look at them all bounds the work.
    let views = profiles.iter().map(|name| Some(name.as_str())).take(PROFILES_MAX);
    for profile in iter::once(None).chain(views) {
        let is_selected = profile == context.profile;
        let mut found = Vec::new();
        let system = read_view(text, &root, profile, is_selected, context, &mut found);
        add_new(&mut known, found, &root, profile);
        if is_selected {
            selected = system.map(|system| System { profiles: profiles.clone(), ..system });
        }
    }
    mistakes.extend(known);
    if let Some(profile) = context.profile {
        mistakes.extend(overlay::apply(&root, profile).err().map(|mistake| *mistake));
    }
    selected
}

/// The file as one profile makes it.
fn read_view(
    text: &str,
    root: &tree::Node,
    profile: Option<&str>,
    is_selected: bool,
    context: Context<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<System> {
    let mut root = match profile {
        None => root.clone(),
        Some(profile) => overlay::apply(root, profile).ok()?,
    };
    Expander { env: context.env, is_lenient: !is_selected, text }.expand(&mut root, mistakes);
    let fields = check::file(&root, context.catalogue, mistakes);
    let Context { file, catalogue, columns, .. } = context;
    Some(Reader { file, text, catalogue, columns, zones: Vec::new(), mistakes }.system(&fields))
}

/// The same mistake shows in every view of the file that contains it. One that only a profile brings about,
/// but that lies elsewhere, names the profile.
fn add_new(known: &mut BTreeSet<Mistake>, found: Vec<Mistake>, root: &tree::Node, profile: Option<&str>) {
    let new: Vec<Mistake> = found.into_iter().filter(|mistake| !known.contains(mistake)).collect();
    let place = profile.and_then(|profile| overlay::place(root, profile));
    for mut mistake in new {
        let is_elsewhere = |place: Span| mistake.span.is_none_or(|span| !place.contains(span));
        if let Some(profile) = profile.filter(|_| place.is_some_and(is_elsewhere)) {
            let help = mistake.help.map_or_else(String::new, |help| format!("{help}; "));
            mistake.help = Some(format!("{help}this comes about with the profile `{profile}`"));
        }
        known.insert(mistake);
    }
}

// === files ===

fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(FILE_NAME) } else { path.to_path_buf() }
}

pub(crate) fn read_text(file: &Path) -> Result<String, Box<Mistake>> {
    let unreadable = |error: std::io::Error| {
        let message = format!("cannot read `{}`: {error}", file.display());
        let help = format!("name a system file, or a folder with a `{FILE_NAME}` in it");
        Box::new(Mistake::of_file(Code::Unreadable, message).help(help))
    };
    let mut text = String::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("`{}` is longer than 1 MiB, which no system file is", file.display());
        return Err(Box::new(Mistake::of_file(Code::Unreadable, message)));
    }
    Ok(text)
}

fn columns(path: &Path) -> Result<Option<Vec<String>>, String> {
    let opened = match File::open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the rows cannot be read: {error}")),
    };
    let mut rows = csv::Reader::from_reader(opened.take(HEADER_BYTES_MAX));
    let header = rows.headers().map_err(|error| format!("the rows cannot be read: {error}"))?;
    if header.is_empty() {
        return Err("the first line, which names the columns, is empty".into());
    }
    Ok(Some(header.iter().map(Into::into).collect()))
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("file", &self.file)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
