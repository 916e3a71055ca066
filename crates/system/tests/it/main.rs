//! The system file as its users meet it.

#![forbid(unsafe_code)]

mod broken;
mod files;
mod pages;
mod profiles;
mod properties;
mod resources;
mod shop;
mod support;
