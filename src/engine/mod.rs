//! The service: the only place where decisions meet effects, and the only writer of the store.
//!
//! `workspace` loads what people wrote, `run` decides and stores, `deliver` sends, `view` spells a plan out.
//! Faces (`cli`) reach the world only through here.

pub mod act;
pub mod agenda;
pub mod alert;
pub mod attach;
pub mod care;
pub mod checks;
pub mod compose;
pub mod deliver;
pub mod demo;
pub mod difference;
pub mod doctor;
pub mod door;
mod doubt;
pub mod evidence;
pub mod explain;
pub mod fire;
pub mod forecast;
pub mod generation;
pub mod guard;
pub mod holds;
pub mod home;
pub mod init;
mod input;
pub mod left_out;
pub mod lines;
pub mod matches;
pub mod next;
pub mod only;
pub mod outbox;
pub mod plugins;
pub mod preview;
pub mod programs;
pub mod readiness;
pub mod reading;
pub mod recheck;
pub mod reload;
pub mod retention;
pub mod rule_record;
pub mod rule_tests;
pub mod run;
pub mod runs;
pub mod schema;
pub mod server_test;
mod side_by_side;
pub mod signing;
pub mod status;
mod texts;
pub mod trial;
pub mod view;
pub mod workspace;
