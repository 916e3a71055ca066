//! Secrets from the node's own environment.

use std::collections::BTreeMap;
use std::fmt;

use floodway_blocks::engine::OptionKind;
use floodway_blocks::secrets::{Secret, Secrets};
use floodway_blocks::{Block, EngineDescription, Failure, OptionDescription, PortFuture};

/// The engine's name in the system file and in failures.
pub const NAME: &str = "env";

/// How the engine describes itself to the system file.
pub const DESCRIPTION: EngineDescription = EngineDescription {
    name: NAME,
    serves: &[Block::Secrets],
    options: &[OptionDescription {
        name: "prefix",
        blocks: &[Block::Secrets],
        kind: OptionKind::Literal,
        default: None,
        doc: "Only variables whose names begin so are secrets, named by what follows; `\"\"` for all.",
    }],
    outbox: false,
};

/// The variables of an environment that begin with a prefix, as they were when it was made: a process's
/// own environment does not change.
pub struct Env {
    secrets: BTreeMap<String, String>,
}

impl Env {
    /// The variables among `variables` that begin with `prefix`. Those that tell processes of each other
    /// (`DAPR_…`, `APP_API_TOKEN`) are never secrets of services, as in Dapr.
    pub fn new(prefix: &str, variables: impl Iterator<Item = (String, String)>) -> Self {
        let named = variables.filter(|(name, _)| is_allowed(name));
        let secrets = named.filter_map(|(name, text)| {
            let name = name.strip_prefix(prefix).filter(|name| !name.is_empty())?;
            Some((name.to_owned(), text))
        });
        Self { secrets: secrets.collect() }
    }
}

fn is_allowed(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name != "APP_API_TOKEN" && !name.starts_with("DAPR_")
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("secrets", &self.secrets.len()).finish()
    }
}

impl Secrets for Env {
    /// A variable that is not set is an empty secret, as in Dapr.
    fn get<'a>(&'a self, name: &'a str) -> PortFuture<'a, Result<Option<Secret>, Failure>> {
        let text = self.secrets.get(name).cloned().unwrap_or_default();
        Box::pin(async move { Ok(Some(Secret::single(name, text))) })
    }

    fn all(&self) -> PortFuture<'_, Result<BTreeMap<String, Secret>, Failure>> {
        let single = |(name, text): (&String, &String)| (name.clone(), Secret::single(name, text.clone()));
        let all = self.secrets.iter().map(single).collect();
        Box::pin(async move { Ok(all) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> impl Iterator<Item = (String, String)> {
        [
            ("SHOP_KEY", "hush"),
            ("SHOP_", "x"),
            ("OTHER", "o"),
            ("DAPR_API_TOKEN", "t"),
            ("app_api_token", "t"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into_iter()
    }

    #[tokio::test]
    async fn only_variables_with_the_prefix_are_secrets() {
        let env = Env::new("SHOP_", variables());
        assert_eq!(env.get("KEY").await.unwrap(), Some(Secret::single("KEY", "hush".to_owned())));
        assert_eq!(env.get("OTHER").await.unwrap(), Some(Secret::single("OTHER", String::new())));
        assert_eq!(env.all().await.unwrap().into_keys().collect::<Vec<_>>(), ["KEY"]);
        assert!(!format!("{env:?} {:?}", env.get("KEY").await).contains("hush"));
    }

    #[tokio::test]
    async fn tokens_between_processes_are_no_secrets() {
        let env = Env::new("", variables());
        let names: Vec<_> = env.all().await.unwrap().into_keys().collect();
        assert_eq!(names, ["OTHER", "SHOP_", "SHOP_KEY"]);
        assert_eq!(env.get("DAPR_API_TOKEN").await.unwrap().unwrap().0["DAPR_API_TOKEN"], "");
    }
}
