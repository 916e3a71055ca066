//! Profiles: a part of the file that lies over the whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::tree::{Content, Entry, Node};

/// The names of the file's profiles.
pub(crate) fn names(root: &Node) -> Vec<String> {
    profiles(root).iter().map(|entry| entry.key.text.clone()).collect()
}

/// The file with a profile over it, and without its profiles. Every node keeps the place where it is written.
pub(crate) fn apply(root: &Node, profile: &str) -> Result<Node, Box<Mistake>> {
    let names = names(root);
    let Some(entry) = profiles(root).iter().find(|entry| entry.key.text == profile) else {
        let message = format!("the file has no profile `{profile}`");
        let mistake = match root.entry("profiles") {
            Some(entry) => Mistake::at(entry.key.span, Code::UnknownProfile, message),
            None => Mistake::of_file(Code::UnknownProfile, message),
        };
        return Err(Box::new(mistake.one_of(profile, names.iter().map(String::as_str))));
    };
    let mut merged = without_profiles(root);
    if let Content::Map(entries) = &entry.value.content {
        let over: Vec<Entry> = entries.iter().filter(|entry| entry.key.text != "profiles").cloned().collect();
        lay(&mut merged, &Node { span: entry.value.span, content: Content::Map(over) });
    }
    Ok(merged)
}

/// Where a profile is written.
pub(crate) fn place(root: &Node, profile: &str) -> Option<Span> {
    profiles(root).iter().find(|entry| entry.key.text == profile).map(|entry| entry.value.span)
}

fn without_profiles(root: &Node) -> Node {
    match &root.content {
        Content::Map(entries) => {
            let kept = entries.iter().filter(|entry| entry.key.text != "profiles").cloned().collect();
            Node { span: root.span, content: Content::Map(kept) }
        }
        Content::Scalar(_) | Content::List(_) | Content::Unknown => root.clone(),
    }
}

fn profiles(root: &Node) -> &[Entry] {
    match root.entry("profiles").map(|entry| &entry.value.content) {
        Some(Content::Map(entries)) => entries,
        _ => &[],
    }
}

fn lay(base: &mut Node, over: &Node) {
    let (Content::Map(base_entries), Content::Map(over_entries)) = (&mut base.content, &over.content) else {
        *base = over.clone();
        return;
    };
    let places: BTreeMap<String, usize> =
        base_entries.iter().enumerate().map(|(place, entry)| (entry.key.text.clone(), place)).collect();
    let mut removed = BTreeSet::new();
    for entry in over_entries {
        match places.get(&entry.key.text) {
            Some(place) if entry.value.is_null() => {
                removed.insert(*place);
            }
            Some(place) => lay(&mut base_entries[*place].value, &entry.value),
            None => base_entries.push(entry.clone()),
        }
    }
    let mut place = 0..;
    base_entries.retain(|_| !place.next().is_some_and(|place| removed.contains(&place)));
}
