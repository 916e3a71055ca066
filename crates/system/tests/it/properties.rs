//! Whatever stands in the file, it is read or refused with mistakes that lie within it.

use std::fs;
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::support::{crate_folder, read, root_folder};

/// Good and broken files to be spoiled further.
static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = crate_folder().join("tests/broken");
    let entries = fs::read_dir(folder).expect("the folder of broken files is there");
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.push(root_folder().join("cases/shop/floodway.yaml"));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("a file that can be read")).collect()
});

const PIECES: [&str; 24] = [
    "\n",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "${",
    "${row:x}",
    "${env:A:-",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    "---\n",
    "\t",
    "~",
    "0",
    "ü",
    "\u{feff}",
    "|\n  ",
    "!!int ",
    "\r",
];

/// Cuts, repeats and inserts in some places.
fn spoiled() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..3_u8, 0..12_usize, prop::sample::select(&PIECES[..]));
    (0..FILES.len(), prop::collection::vec(change, 1..6)).prop_map(|(file, changes)| {
        let mut chars: Vec<char> = FILES[file].chars().collect();
        for (place, kind, length, piece) in changes {
            let start = place.index(chars.len() + 1);
            let end = (start + length).min(chars.len());
            let new: Vec<char> = match kind {
                0 => Vec::new(),
                1 => chars[start..end].repeat(2),
                _ => piece.chars().collect(),
            };
            chars.splice(start..end, new);
        }
        chars.into_iter().collect()
    })
}

/// Reads and shows it; each mistake must lie where the text has a character.
fn survives(text: &str) {
    let Err(mistakes) = read(text) else { return };
    assert!(mistakes.count() > 0, "refused without a mistake: {text:?}");
    let text = text.trim_start_matches('\u{feff}');
    for span in mistakes.iter().filter_map(|mistake| mistake.span) {
        assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
    }
    assert!(mistakes.to_string().contains("FW-1"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn survives_spoiled_files(text in spoiled()) {
        survives(&text);
    }

    #[test]
    fn survives_any_text(text: String) {
        survives(&text);
    }
}

#[test]
fn survives_depth_and_growth() {
    survives(&"[".repeat(100_000));
    survives(&"a: {".repeat(1_000));
    let staircase: Vec<_> = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    survives(&staircase.concat());
    let layer = |n: u32| format!("k{}: &k{} [*k{n}, *k{n}, *k{n}, *k{n}]\n", n + 1, n + 1);
    let bomb: Vec<_> = (0..30).map(layer).collect();
    survives(&format!("k0: &k0 [x]\n{}", bomb.concat()));
}

/// The work is bounded by the size of the file, whatever is in it.
#[test]
fn survives_size() {
    let many = |piece: &dyn Fn(usize) -> String| (0..20_000).map(piece).collect::<Vec<_>>().concat();
    survives(&many(&|n| format!("k{n}: 1\n")));
    survives(&many(&|_| "k: 1\n".into()));
    survives(&format!("system: a\nprofiles:\n{}", many(&|n| format!("  p{n}: {{ node: 5 }}\n"))));
    survives(&format!(
        "system: a\ngateway:\n  listen: 127.0.0.1:80\n  routes:\n{}",
        many(&|_| "  - { match: { path: / }, to: a }\n".into())
    ));
    survives(&format!("system: a\nloads: {{ a: {{ body: \"{}\" }} }}\n", "${row}".repeat(100_000)));
}
