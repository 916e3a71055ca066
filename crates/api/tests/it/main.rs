//! The API over real sockets, on the real embedded engine, with apps that answer as told.

#![cfg(test)]
#![forbid(unsafe_code)]

mod calls;
mod deliveries;
mod locks;
mod publishing;
mod server;
mod state;
mod support;
