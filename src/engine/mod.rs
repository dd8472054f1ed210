//! The service: the only place where decisions meet effects, and the only writer of the store.
//!
//! `workspace` loads what people wrote, `run` decides and stores, `deliver` sends, `view` spells a plan out.
//! Faces (`cli`) reach the world only through here.

pub mod act;
pub mod alert;
pub mod attach;
pub mod compose;
pub mod deliver;
pub mod demo;
pub mod left_out;
pub mod outbox;
pub mod plugins;
pub mod preview;
pub mod programs;
pub mod recheck;
pub mod run;
pub mod trial;
pub mod view;
pub mod workspace;
