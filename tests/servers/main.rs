//! The client and the program against real servers, as Debian ships them: Postfix, Exim and Dovecot's submission service.
//!
//! They run below `target/mail-servers`, each in a folder that it believes to be the whole machine; `fetch.sh` beside this
//! file fills it, and `test.sh` calls both. That takes root and Debian's archive, so all tests here are left out of a
//! plain `cargo test`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what a server said is shown where a test fails")]

mod authority;
mod dialogue;
#[allow(dead_code, reason = "shared with the tests of the client, which use more of it")]
#[path = "../smtp/house.rs"]
mod house;
mod premises;
mod program;
mod server;
#[allow(dead_code, reason = "shared with the tests of the program, which use more of it")]
#[path = "../it/workspace.rs"]
mod workspace;
