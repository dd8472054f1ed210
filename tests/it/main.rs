//! The whole program from outside: real processes, real files, real SMTP over TCP. One binary, by capability.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

mod faults;
mod guarantees;
mod kill;
mod main_job;
mod outbox;
mod plugins;
mod problems;
mod recheck;
mod server;
mod workspace;
