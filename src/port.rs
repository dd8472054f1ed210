//! The doors to the outside that have more than one implementation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use compact_str::CompactString;

use crate::domain::date::Timestamp;
use crate::domain::id::ServerId;
use crate::domain::ledger::Ledger;
use crate::domain::mailbox::Recipient;
use crate::domain::problem::Problem;
use crate::domain::secret::Secret;
use crate::outbox::attempt::Attempt;

/// A boxed future, since the transports are chosen at run time.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tells the time. Only `clock.rs` and tests implement it.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Timestamp;
}

/// A message ready for the wire.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The sender's address in the envelope.
    pub envelope_from: CompactString,
    /// Everybody it goes to; at least one with the role `To`.
    pub recipients: Vec<Recipient>,
    /// The fields that sign it, which go in front of it; empty where nobody does. Each line ends in CRLF, and none begins with a dot.
    pub signatures: Vec<u8>,
    /// The whole message: header, blank line, body; lines end in CRLF, dots not yet stuffed.
    pub bytes: Arc<[u8]>,
}

impl Outgoing {
    /// Returns how many bytes it has, its signatures included.
    pub fn byte_count(&self) -> usize {
        self.signatures.len() + self.bytes.len()
    }
}

/// The permission to let the final dot leave.
///
/// A transport asks once, after the server's 354 and before the first byte of the message, and sends nothing of
/// it when told no. Behind the gate the store writes `sending` and waits until the disk has it (invariant 5).
pub trait Gate: Send + Sync {
    /// Returns once it is on disk that the message may be about to leave, or the reason why it must not.
    fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>>;
}

/// The store could not record that a message is about to leave.
#[derive(Clone, Debug, thiserror::Error)]
#[error("Nothing was sent, since it could not be recorded: {0}")]
pub struct GateClosed(pub String);

/// Hands messages to one server. SMTP is one, a folder of .eml files another.
pub trait Transport: Send + Sync {
    /// Returns the server's key in config.yaml.
    fn server(&self) -> &ServerId;

    /// Returns how many messages may be under way at once, those whose result is being stored included.
    fn concurrency(&self) -> usize;

    /// Returns how many may be under way before the server has taken any: what is wrong with it is found out few times.
    fn concurrency_at_first(&self) -> usize {
        self.concurrency()
    }

    /// Makes one attempt; never fails otherwise than in the [`Attempt`].
    ///
    /// Dropping the future closes its connection; where the gate had been passed, the caller must then take the
    /// outcome for unknown.
    fn attempt<'a>(&'a self, outgoing: &'a Outgoing, gate: &'a dyn Gate) -> Pending<'a, Attempt>;

    /// Returns what a person must see to although messages go, in words without a secret.
    fn concern(&self) -> Option<String> {
        None
    }

    /// Says goodbye on all idle connections.
    fn close(&self) -> Pending<'_, ()>;
}

/// Gives the access tokens of one account (OAuth 2), for whoever signs in with it.
pub trait TokenSource: Send + Sync {
    /// Returns a token that should be valid, fetching one where there is none; whoever asks meanwhile waits for the same one.
    ///
    /// `refused` is a token that a server has just refused: another one is fetched in its place, unless that has just been
    /// done. The token that comes back is `refused` itself where a new one would help no more than it did.
    ///
    /// # Errors
    /// [`TokenFault`], with no secret in it.
    fn token(&self, refused: Option<Secret>) -> Pending<'_, Result<Secret, TokenFault>>;

    /// Returns what a person must see to although tokens come, in words without a secret.
    fn concern(&self) -> Option<String> {
        None
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It may be there later: the token server cannot be reached, or says so itself.
    #[error("{0}")]
    NotNow(String),
    /// A person must act: the token server takes us for nobody, or for somebody who may not.
    #[error("{0}")]
    Standing(String),
}

/// Where receivables come from.
pub trait LedgerSource {
    /// Reads everything. `progress` is told the bytes read so far and the bytes there are in all.
    ///
    /// # Errors
    /// Every bad row and file, with its place; a ledger with a bad row is no ledger.
    fn read(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Ledger, Vec<Problem>>;
}

impl fmt::Debug for dyn Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({})", self.server())
    }
}
