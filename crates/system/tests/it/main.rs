//! The system file as its users meet it.

#![forbid(unsafe_code)]

mod broken;
mod pages;
mod properties;
mod shop;
mod support;
