//! DKIM signatures: a mail that leaves says by a key in its domain's DNS that the domain answers for it.
//!
//! `key` reads a private key and tells the DNS record of its public half, `canonical` brings a message into the form that
//! survives the way, `signature` writes the header. Signing is the same bytes for the same message and key: there is no
//! time and no chance in it, so a mail that is tried again is the same mail. Source: docs/decisions/0024.
//!
//! It does not look anything up: whether the record is published is nobody's business here. `config` says which keys a
//! sender has, `engine::signing` signs with them.
//!
//! Source: RFC 6376, RFC 8301 (key sizes), RFC 8463 (Ed25519).

mod canonical;
mod key;
mod signature;

pub use key::{Algorithm, KeyFault, RECORD_STRING_OCTETS_MAX, RSA_BITS_MIN, SigningKey, record_name};
pub use signature::{REPLACEABLE, Signer, signatures};
