//! The system file as its users meet it.

#![forbid(unsafe_code)]

mod broken;
mod shop;
mod support;
