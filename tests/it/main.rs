//! The whole program from outside: real processes, real files, real SMTP over TCP. One binary, by capability.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

mod alerts;
mod attachments;
mod care;
mod cdr2cloud;
mod control;
mod daemon;
mod dns;
mod doctor;
mod evidence;
mod explain;
mod faults;
mod forecast;
mod guarantees;
mod guards;
mod headers;
mod holds;
mod home;
mod init;
mod kill;
mod late_payment;
mod main_job;
#[path = "match.rs"]
mod matching;
mod migrations;
mod occasions;
mod outbox;
mod papers;
mod plugins;
mod problems;
mod recheck;
mod replay;
mod rule_tests;
mod schedule;
mod server;
mod sign_in;
mod smtp_test;
mod statements;
#[path = "../smtp/token_server.rs"]
mod token_server;
#[cfg(unix)]
mod typeset;
#[path = "../mail/verifier.rs"]
mod verifier;
mod workspace;
