//! Links from one document to another file of the checkout.

use super::Mistake;
use crate::workspace::TextFile;

/// Every relative link must lead to something. `exists` is asked with a path from the root.
pub(crate) fn check(files: &[TextFile], exists: impl Fn(&str) -> bool) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown()) {
        let mut is_code = false;
        for line in file.lines() {
            is_code ^= line.text.trim_start().starts_with("```");
            let targets = if is_code { Vec::new() } else { targets(line.text) };
            for target in targets.into_iter().filter(|target| !resolves(file, target, &exists)) {
                mistakes.push(Mistake::at(
                    file,
                    line.number,
                    format!("the link to `{target}` leads nowhere"),
                ));
            }
        }
    }
    mistakes
}

/// What stands in `](…)`.
fn targets(line: &str) -> Vec<&str> {
    let ends = line.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

fn resolves(file: &TextFile, target: &str, exists: impl Fn(&str) -> bool) -> bool {
    if target.contains("://") || target.starts_with("mailto:") || target.starts_with('#') {
        return true;
    }
    let path = target.split('#').next().unwrap_or(target);
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    joined(folder, path).is_some_and(|path| exists(&path))
}

/// A path from the root; `None` if it leads out of it.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::file;

    fn broken(path: &str, text: &str) -> usize {
        let there = ["README.md", "docs/api.md", "docs/errors/FW-1001.md"];
        check(&[file(path, text)], |path| there.contains(&path)).len()
    }

    #[test]
    fn follows_links_from_the_file_they_stand_in() {
        assert_eq!(broken("README.md", "[a](docs/api.md), [b](docs/api.md#top), [c](#here)\n"), 0);
        assert_eq!(broken("docs/api.md", "[a](../README.md) [b](errors/FW-1001.md)\n"), 0);
        assert_eq!(broken("docs/api.md", "[a](https://example.com/x)\n"), 0);
    }

    #[test]
    fn refuses_links_that_lead_nowhere() {
        assert_eq!(broken("README.md", "[a](docs/none.md) and [b](none.md)\n"), 2);
        assert_eq!(broken("docs/api.md", "[a](docs/api.md)\n"), 1);
        assert_eq!(broken("README.md", "[a](../../etc)\n"), 1);
    }

    #[test]
    fn leaves_code_alone() {
        assert_eq!(broken("README.md", "```\n[a](none.md)\n```\n[b](none.md)\n"), 1);
    }
}
