//! The Rust client of the block API: state, topics, locks and calls to other services.
//!
//! It speaks plain HTTP/1.1 to the port that Floodway (or a Dapr sidecar) gives each replica, and keeps
//! its connections open. Every call ends within the client's timeout. Nothing is retried here: a caller
//! knows best what may be repeated.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use floodway_client::{Client, Operation, Write};
//!
//! let client = Client::from_env()?;
//! let carts = client.state("carts");
//! if let Some(cart) = carts.get::<Vec<String>>("cart-7").await? {
//!     let emptied = Write::new("cart-7", &Vec::<String>::new())?.if_matches(&cart.etag);
//!     carts.transact(&[Operation::Upsert(emptied)]).await?;
//! }
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod client;
mod error;
mod invoke;
mod lock;
mod publish;
mod state;

pub use client::Client;
pub use error::{Error, SetupError};
pub use http::{Method, StatusCode};
pub use invoke::Reply;
pub use lock::{Grant, Unlocked};
pub use state::{Etag, Item, Operation, Removal, State, Write};
