//! Sending by SMTP: a client session of our own, since the promise "never twice by accident" needs to know at which
//! stage a connection broke (docs/rfc.md tells what of the standards is done and where it is tested).
//!
//! Pure parts, by name: `reply`, `extension`, `command`, [`auth`], `stuffing`, `verdict`, [`settings`], [`certificate`].
//! With sockets: `wire` (bytes and deadlines), [`tls`], `session` (up to the point where MAIL can be sent, watched by a
//! [`witness`]), `deliver` (one message), `line` (who comes next), [`pool`] (the transport), [`probe`] (one connection,
//! looked at step by step), and [`loopback`] (a small server for demos and tests). How many messages go in what time is not
//! known here: see `outbox::rate`.
//!
//! Nothing here decides what is sent or tried again: an [`crate::outbox::attempt::Attempt`] tells how far one
//! attempt came, and the outbox draws the conclusion. Nothing here logs an address, a message or a secret.

pub mod auth;
pub mod certificate;
mod command;
mod deliver;
mod extension;
mod line;
pub mod loopback;
pub mod pool;
pub mod probe;
mod reply;
mod session;
pub mod settings;
mod stuffing;
pub mod tls;
pub(crate) mod verdict;
mod wire;
pub mod witness;
