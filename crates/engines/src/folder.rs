//! Secrets from a folder, as Kubernetes and Docker mount them: a file is a secret of one text; a folder in
//! it is a secret with a text for each of its files. A line end at the end of a file is not part of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use floodway_blocks::engine::OptionKind;
use floodway_blocks::secrets::{Secret, Secrets};
use floodway_blocks::{Block, EngineDescription, Failure, OptionDescription, PortFuture};

use crate::failure::{blocking, unreadable};

/// The engine's name in the system file and in failures.
pub const NAME: &str = "folder";

/// How the engine describes itself to the system file.
pub const DESCRIPTION: EngineDescription = EngineDescription {
    name: NAME,
    serves: &[Block::Secrets],
    options: &[OptionDescription {
        name: "path",
        blocks: &[Block::Secrets],
        kind: OptionKind::File,
        default: None,
        doc: "The folder, relative to the system file. Each file in it is a secret; it is read each time.",
    }],
    outbox: false,
};

/// Longer is no secret.
const BYTES_MAX: u64 = 1 << 20;
/// More are not read.
const ENTRIES_MAX: usize = 10_000;

/// The secrets of a folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder, which must be there now.
    pub fn open(path: PathBuf) -> Result<Self, Failure> {
        fs::read_dir(&path).map_err(|error| unreadable(NAME, &path, error))?;
        Ok(Self { path })
    }

    fn read(&self, name: &str) -> Result<Option<Secret>, Failure> {
        // Nothing outside of the folder is a secret, and what begins with a dot is not meant to be seen.
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Ok(None);
        }
        let path = self.path.join(name);
        let secret = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
            Ok(metadata) if metadata.is_dir() => texts(&path).map(Secret),
            Ok(_) => text(&path).map(|text| Secret::single(name, text)),
        };
        secret.map(Some).map_err(|error| unreadable(NAME, &path, error))
    }
}

/// The texts of the files in a folder.
fn texts(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        if path.is_file() {
            found.insert(name, text(&path)?);
        }
    }
    Ok(found)
}

/// What is in a folder and is meant to be seen.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
            names.push(name.to_owned());
        }
        if names.len() > ENTRIES_MAX {
            return Err(io::Error::other(format!("it has more than {ENTRIES_MAX} entries")));
        }
    }
    Ok(names)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    let end = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(end.unwrap_or(text.len()));
    Ok(text)
}

impl Secrets for Folder {
    fn get<'a>(&'a self, name: &'a str) -> PortFuture<'a, Result<Option<Secret>, Failure>> {
        let (folder, name) = (self.clone(), name.to_owned());
        Box::pin(blocking(NAME, move || folder.read(&name)))
    }

    fn all(&self) -> PortFuture<'_, Result<BTreeMap<String, Secret>, Failure>> {
        let folder = self.clone();
        Box::pin(blocking(NAME, move || {
            let mut all = BTreeMap::new();
            let names = names(&folder.path).map_err(|error| unreadable(NAME, &folder.path, error))?;
            for name in names {
                if let Some(secret) = folder.read(&name)? {
                    all.insert(name, secret);
                }
            }
            Ok(all)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_secrets_and_folders_are_secrets_of_several_texts() {
        let outside = tempfile::tempdir().unwrap();
        let path = outside.path().join("secrets");
        fs::create_dir_all(path.join("db")).unwrap();
        fs::write(outside.path().join("other"), "o").unwrap();
        fs::write(path.join("key"), "k\n").unwrap();
        fs::write(path.join(".hidden"), "h").unwrap();
        fs::write(path.join("db/user"), "u").unwrap();
        let folder = Folder::open(path.clone()).unwrap();
        assert_eq!(folder.get("key").await.unwrap(), Some(Secret::single("key", "k".to_owned())));
        assert_eq!(folder.get("db").await.unwrap().unwrap().0["user"], "u");
        for name in ["", ".", "..", "../other", ".hidden", "db/user", "unknown", "a\0b"] {
            assert_eq!(folder.get(name).await.unwrap(), None, "{name:?}");
        }
        assert_eq!(folder.all().await.unwrap().into_keys().collect::<Vec<_>>(), ["db", "key"]);
        fs::write(path.join("key"), "new").unwrap();
        assert_eq!(folder.get("key").await.unwrap().unwrap().0["key"], "new");
        assert!(Folder::open(path.join("unknown")).is_err());
    }
}
