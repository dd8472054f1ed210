//! Who watches a connection being opened, and what there is to see. There is one dialogue, whoever watches it:
//! deliveries are watched by [`Unwatched`], `dunlin smtp test` by [`crate::smtp::probe`].
//!
//! Nothing that is seen holds a secret: what we say when signing in is not among it.

use std::net::{IpAddr, SocketAddr};

/// What has just been done or learned, in the order of the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The host has these addresses.
    Addresses(Vec<IpAddr>),
    /// The connection is open.
    Connected(SocketAddr),
    /// The certificate that the server showed, in DER, whether it was found good or not.
    Certificate(Vec<u8>),
    /// TLS protects the connection from here on.
    Protected {
        /// Its version: `TLS 1.3`.
        version: &'static str,
        /// Its suite of ciphers, as rustls names it.
        cipher: String,
    },
    /// The text of the server's greeting.
    Greeted(String),
    /// The lines of the reply to EHLO behind the first, one extension each; none after HELO.
    Offered(Vec<String>),
    /// The server took our sign-in by this mechanism.
    SignedIn(&'static str),
}

/// Watches a connection being opened.
pub trait Witness: Send {
    /// Is told what has just happened.
    fn sees(&mut self, seen: Seen);
}

/// Watches nothing.
pub struct Unwatched;

impl Witness for Unwatched {
    fn sees(&mut self, _: Seen) {}
}
