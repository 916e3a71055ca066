//! Tags: names that a response carries so that all that carry one can be purged at once.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Headers;
use super::list;

/// The fields that bring tags. They are for caches and not passed on to clients.
pub const TAG_HEADERS: [&str; 2] = ["cache-tag", "surrogate-key"];
/// Tags of one response; more are not kept, so that they cannot be purged by.
const TAGS_MAX: usize = 128;

/// The tags of a response: separated by commas or space.
pub fn tags(headers: &impl Headers) -> Box<[Box<str>]> {
    let mut all = Vec::new();
    for value in TAG_HEADERS.iter().flat_map(|name| headers.values(name)) {
        for tag in value.split(|byte| matches!(byte, b',' | b' ' | b'\t')) {
            let tag = list::trim(tag);
            if !tag.is_empty() && all.len() < TAGS_MAX {
                all.push(String::from_utf8_lossy(tag).into_owned().into_boxed_str());
            }
        }
    }
    all.into()
}
