//! The system file: parse, profiles, check, schema, compile.

#![forbid(unsafe_code)]
