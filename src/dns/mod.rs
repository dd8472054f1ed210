//! Asking DNS what it says about a sender's domain: SPF, DKIM and DMARC records and the addresses they lead to.
//!
//! Pure parts, by name: `message` (questions and answers as bytes), [`spf`], [`dmarc`], [`dkim`] (records as people wrote
//! them). With sockets: [`resolver`]. It asks the system's resolver or one that it is given, keeps nothing, and judges
//! nothing: `engine::doctor` does. That a name has no record, that it does not exist and that nobody answered are three
//! answers. Mail servers' names are looked up by the system for the SMTP session, not here. Source: docs/decisions/0032.

pub mod dkim;
pub mod dmarc;
mod message;
pub mod resolver;
pub mod spf;
