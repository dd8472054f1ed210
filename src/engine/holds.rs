//! Holds and suppressions, for faces: what stands, and what became of it. Setting and ending them are acts (`engine::act`).

use rusqlite::Connection;

use crate::domain::date::Date;
use crate::engine::workspace::Workspace;
use crate::store::suppressions::{suppressed, unknown_addresses};
use crate::store::{StoreError, holds, open_reader};

pub use crate::store::holds::{HoldSubject, HoldView, Outcome};
pub use crate::store::suppressions::{SuppressionView, UnknownAddress};

/// A view of a workspace's holds and suppressions.
#[derive(Debug)]
pub struct Holds(Connection);

impl Holds {
    /// Opens those of a workspace; `None` where there is no database yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open(workspace: &Workspace) -> Result<Option<Self>, StoreError> {
        Ok(open_reader(&workspace.database_path())?.map(Self))
    }

    /// Returns the holds that stand, the promises that were broken, and what has ended by itself since the day `since`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn recent(&self, since: Date) -> Result<Vec<HoldView>, StoreError> {
        holds::recent_holds(&self.0, since)
    }

    /// Returns all holds there ever were.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn all(&self) -> Result<Vec<HoldView>, StoreError> {
        holds::holds(&self.0, true)
    }

    /// Returns the suppressed addresses.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn suppressed(&self) -> Result<Vec<SuppressionView>, StoreError> {
        suppressed(&self.0)
    }

    /// Returns the addresses that a server refused for good as unknown.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn unknown_addresses(&self) -> Result<Vec<UnknownAddress>, StoreError> {
        unknown_addresses(&self.0)
    }
}
