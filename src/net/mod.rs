//! What every connection to a server begins with: an address that answers, and certificates that are trusted.
//!
//! Speaks no protocol; the adapters above do (`smtp` to mail servers, `oauth` to token servers, `download` to whoever has documents).

pub mod address;
pub(crate) mod connect;
pub(crate) mod trust;
