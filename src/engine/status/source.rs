//! Where faces ask how the daemon stands: what it tells, a connection of its own to the database, and the clock.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::engine::status::{Live, Status};
use crate::port::Clock;
use crate::store::open_reader;

/// What a connection that only counts may keep in memory, in KiB (SQLite counts kibibytes as negative pages).
const CACHE_KIB: i64 = 512;

/// Answers how the daemon stands. Reading the database may take a moment: ask from a thread that may wait.
pub struct Source {
    live: Live,
    database: PathBuf,
    clock: Arc<dyn Clock>,
    /// Opened by the first who asks, opened anew after a fault; a lock, so that many who look cost no more than one.
    reader: Mutex<Option<Connection>>,
}

impl Source {
    /// Returns a source for the database at `database`, which need not be there yet.
    pub fn new(live: Live, database: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { live, database, clock, reader: Mutex::new(None) }
    }

    /// Returns everything as it stands now.
    pub fn status(&self) -> Status {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.is_none() {
            match open_reader(&self.database) {
                Ok(Some(connection)) => {
                    if let Err(error) = connection.pragma_update(None, "cache_size", -CACHE_KIB) {
                        tracing::debug!(%error, "The health page reads with SQLite's usual cache");
                    }
                    *reader = Some(connection);
                }
                Ok(None) => {}
                Err(error) => return self.live.status(Err(error), self.clock.now()),
            }
        }
        let status = self.live.snapshot(reader.as_ref(), self.clock.now());
        if status.messages.is_none() {
            *reader = None;
        }
        status
    }

    /// Returns whether the daemon's loop moves. Asks nothing but memory.
    pub fn is_alive(&self) -> bool {
        self.live.is_beating(self.clock.now())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("database", &self.database).finish_non_exhaustive()
    }
}
