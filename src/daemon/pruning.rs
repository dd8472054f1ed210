//! Moving what is over into the archive, as a task beside the loop: now and then, where config.yaml says how long things stay.

use std::time::Duration;

use crate::daemon::Daemon;
use crate::domain::date::Timestamp;
use crate::engine::retention::{Pruned, prune};
use crate::engine::status::FaultKind;

/// How often it is looked for what is over and may leave the database.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

impl Daemon {
    /// Begins to move what is over into the archive, where it is time for it; beside everything else.
    pub(crate) fn keep_pruned(&mut self, now: Timestamp) {
        let is_due = self.pruned_at.is_none_or(|at| now.duration_since(at).unsigned_abs() >= PRUNE_EVERY);
        let current = self.workspace.current();
        let Some(retention) = current.config.retention.clone().filter(|_| is_due && self.pruning.is_none()) else { return };
        self.pruned_at = Some(now);
        let parts = self.parts.clone();
        self.pruning =
            Some(tokio::spawn(async move { prune(&current, &retention, &parts).await.map_err(|error| error.to_string()) }));
    }

    /// Takes in what has left the database.
    pub(crate) fn take_pruned(&mut self, result: Result<Pruned, String>, now: Timestamp) {
        self.pruning = None;
        match result {
            Ok(pruned) => {
                if pruned != Pruned::default() {
                    let Pruned { decisions, firings, runs, mails } = pruned;
                    tracing::info!(decisions, firings, runs, mails, "What is over was moved into the archive");
                }
                self.live.mended(FaultKind::ArchiveFailed, "");
            }
            Err(fault) => {
                tracing::error!(fault, "What is over could not be archived; it stays in the database");
                self.live.fault(FaultKind::ArchiveFailed, "", &fault, now);
            }
        }
    }
}
