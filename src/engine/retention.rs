//! Retention: what is over moves into the archive, a small step at a time, so that nothing else waits for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Retention;
use crate::domain::date::Timestamp;
use crate::engine::run::Parts;
use crate::engine::workspace::Workspace;
use crate::store::StoreError;
use crate::store::prune::{Kept, Moved};

/// The rest between two steps: sending and people come first.
const STEP_REST: Duration = Duration::from_millis(20);

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Decisions.
    pub decisions: u64,
    /// Firings.
    pub firings: u64,
    /// Runs that had made no mail.
    pub runs: u64,
    /// Texts of mails, with their attempts.
    pub mails: u64,
}

/// Moves everything that is older than it is to be kept. Does nothing while the database is away from home.
///
/// # Errors
/// The archive or the database cannot be written; what is archived by then is, the rest is still in the database.
pub async fn prune(workspace: &Workspace, retention: &Retention, parts: &Parts) -> Result<Pruned, StoreError> {
    let mut moved = Moved::default();
    if parts.store.differences().is_empty() {
        let folder = workspace.root.join(&retention.archive);
        let now = parts.clock.now();
        // Mails first: a run's decisions tell which of them it made.
        for (what, kept) in [(Kept::Mails, &retention.mails), (Kept::Decisions, &retention.decisions)] {
            let Some(kept) = kept else { continue };
            let age = jiff::SignedDuration::from_hours(24 * i64::from(kept.count()));
            let before = now.saturating_sub(age).unwrap_or(Timestamp::MIN);
            loop {
                let (step, is_last) = parts.store.prune(what, &folder, before).await?;
                moved.add(step);
                if is_last {
                    break;
                }
                tokio::time::sleep(STEP_REST).await;
            }
        }
    }
    let Moved { decisions, firings, runs, mails } = moved;
    Ok(Pruned { decisions, firings, runs, mails })
}
