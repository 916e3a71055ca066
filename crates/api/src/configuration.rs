//! Configuration: what the operations mean. [`http`] is their HTTP face.

pub(crate) mod grpc;
pub(crate) mod http;

use floodway_blocks::Failure;
use floodway_blocks::configuration::{Changes, Configuration, Items};

use crate::components::Components;

/// Why an operation on a configuration was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    #[error("configuration stores not configured")]
    NotConfigured,
    #[error("configuration store {0} not found")]
    NoStore(String),
    #[error("failed to {what} {keys:?} from Configuration store {store}")]
    Failed {
        /// "get" or "subscribe".
        what: &'static str,
        keys: Vec<String>,
        store: String,
        #[source]
        failure: Failure,
    },
}

/// The items of these keys, those there are; all where no key is named.
pub(crate) async fn get(
    components: &Components,
    store: &str,
    keys: Vec<String>,
) -> Result<Items, ConfigurationError> {
    let found = find(components, store)?.get(keys.clone()).await;
    let store = || store.to_owned();
    found.map_err(|failure| ConfigurationError::Failed { what: "get", keys, store: store(), failure })
}

/// Looks for changes of these keys from now on; of all where none is named.
pub(crate) async fn watch(
    components: &Components,
    store: &str,
    keys: Vec<String>,
) -> Result<Box<dyn Changes>, ConfigurationError> {
    let changes = find(components, store)?.watch(keys.clone()).await;
    let store = || store.to_owned();
    changes.map_err(|failure| ConfigurationError::Failed { what: "subscribe", keys, store: store(), failure })
}

fn find<'a>(components: &'a Components, store: &str) -> Result<&'a dyn Configuration, ConfigurationError> {
    if components.configuration.is_empty() {
        return Err(ConfigurationError::NotConfigured);
    }
    let found = components.configuration.get(store);
    found.map(|found| &**found).ok_or_else(|| ConfigurationError::NoStore(store.to_owned()))
}
