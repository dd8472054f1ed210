//! Dunlin reads a company's receivables, decides by rules who gets a reminder, statement or notice, composes the mail and sends it.
//!
//! The modules stand on floors; one imports only from floors below its own (`tests/architecture.rs` holds this up).
//! ARCHITECTURE.md tells what each is for.

// Faces: a command line, the daemon, a page.
pub mod cli;
pub mod daemon;
pub mod web;
// Service: where decisions meet effects.
pub mod config;
pub mod engine;
// Adapters: one outside thing each.
pub mod clock;
pub mod control;
pub mod dkim;
pub mod dns;
pub mod download;
pub mod eml;
pub mod oauth;
pub mod program;
pub mod rulebook;
pub mod smtp;
pub mod source;
pub mod store;
// What every connection begins with.
pub mod net;
// Ports.
pub mod port;
// What rules have to do (pure).
pub mod ruletest;
// Decisions (pure).
pub mod matching;
pub mod message;
pub mod outbox;
pub mod plan;
// What the operator wrote (pure).
pub mod paper;
pub mod plugin;
pub mod rule;
// What a customer's bank has to be told (pure).
pub mod payment;
// Four small languages (pure), and what tells editors of the files written in them.
pub mod schedule;
pub mod schema;
pub mod script;
pub mod template;
pub mod yaml;
// Words (pure).
pub mod domain;
