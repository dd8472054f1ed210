//! The socket beside the database over which a command asks the daemon to act: one line of JSON there, one back.
//!
//! It carries values and says who asks; it knows no act and decides nothing. Only on Unix, where the system says which
//! user stands at the other end; elsewhere a daemon cannot be asked while it runs. `engine::door` is built on it.

mod person;
#[cfg(unix)]
mod unix;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

pub use crate::control::person::{own_name, recorded_name};
#[cfg(unix)]
pub use crate::control::unix::{Listener, Responder, ask, is_alive};
#[cfg(not(unix))]
pub use absent::{Listener, Responder, ask, is_alive};

/// The most bytes of a request: room for a hundred thousand ids.
pub const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// The most bytes of an answer, which may name every mail that was changed.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// How long the daemon waits for a caller to send its request, and to take its answer.
pub const CALLER_TIME_MAX: Duration = Duration::from_secs(5);

/// The most callers at once; more wait in the system's own queue.
pub const CALLERS_MAX: usize = 16;

/// What somebody asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Who, as it is to be recorded: the name they gave, with the system's user number where the two do not agree.
    pub person: String,
    /// The number of the system's user at the other end.
    pub uid: u32,
    /// What.
    pub body: Value,
}

/// Why asking or listening failed.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens: there is no socket, or its process is dead.
    #[error("No daemon listens at {path}")]
    Nobody {
        /// The socket.
        path: PathBuf,
    },
    /// A living process listens there already.
    #[error("Another daemon listens at {path}")]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The other side took too long.
    #[error("No answer at {path} within {} s", waited.as_secs())]
    Late {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A line is longer than may be.
    #[error("A line at {path} is longer than {bytes_max} bytes")]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// How long it may be.
        bytes_max: u64,
    },
    /// What came is not what was agreed.
    #[error("What came at {path} is no message of dunlin's: `{text}`")]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// Its beginning.
        text: String,
    },
    /// The system refused.
    #[error("The socket {path} cannot be used: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// This system has no such sockets.
    #[error("A running daemon cannot be asked on this system, which has no sockets of Unix")]
    NotOffered,
}

impl ControlError {
    /// Returns whether it is certain that nobody heard the request.
    pub fn is_unheard(&self) -> bool {
        matches!(self, Self::Nobody { .. } | Self::NotOffered)
    }
}

/// Returns where the socket of a database is: `dunlin.db.sock` beside `dunlin.db`.
pub fn socket_path(database: &Path) -> PathBuf {
    let mut name = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(".sock");
    PathBuf::from(name)
}

/// What stands in for the socket where the system has none.
#[cfg(not(unix))]
mod absent {
    use std::convert::Infallible;
    use std::path::Path;
    use std::time::Duration;

    use serde_json::Value;

    use crate::control::{ControlError, Request};

    /// Returns that nobody listens.
    pub fn is_alive(_: &Path) -> bool {
        false
    }

    /// A listener that cannot be made.
    #[derive(Debug)]
    pub struct Listener(Infallible);

    /// An answer that cannot be given.
    #[derive(Debug)]
    pub struct Responder(Infallible);

    impl Listener {
        /// Fails, since this system has no such sockets.
        ///
        /// # Errors
        /// `NotOffered`.
        pub fn bind(_: &Path) -> Result<Self, ControlError> {
            Err(ControlError::NotOffered)
        }

        /// Is never called.
        pub async fn accept(&mut self) -> (Request, Responder) {
            match self.0 {}
        }
    }

    impl Responder {
        /// Is never called.
        ///
        /// # Errors
        /// None.
        pub async fn answer(self, _: &Value) -> Result<(), ControlError> {
            match self.0 {}
        }
    }

    /// Fails, since this system has no such sockets.
    ///
    /// # Errors
    /// `NotOffered`.
    pub async fn ask(_: &Path, _: &str, _: &Value, _: Duration) -> Result<Value, ControlError> {
        Err(ControlError::NotOffered)
    }
}

#[cfg(all(test, unix))]
mod tests;
