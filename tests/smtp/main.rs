//! The SMTP client against a peer that follows a script, and against the loopback server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ahead;
mod house;
mod keeping;
mod pooling;
mod scripted;
mod sign_in;
mod stages;
mod storm;
mod tls;
mod token_server;
