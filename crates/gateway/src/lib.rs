//! The data plane: sockets, HTTP, pools; performs what policy decides.

#![forbid(unsafe_code)]
