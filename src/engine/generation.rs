//! Generations: the workspace as it is now, and as it was when runs that are still being sent were decided.
//!
//! A change of the files never reaches into a run: its mails are composed already, and the re-check before sending plans
//! them with the generation they were decided with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::engine::workspace::Workspace;

/// The current generation, and those of runs with mails left to send.
#[derive(Debug)]
pub struct RunGenerations {
    current: RwLock<Arc<Workspace>>,
    of_runs: Mutex<BTreeMap<i64, Arc<Workspace>>>,
}

impl RunGenerations {
    /// Starts with one generation.
    pub fn new(current: Arc<Workspace>) -> Arc<Self> {
        Arc::new(Self { current: RwLock::new(current), of_runs: Mutex::default() })
    }

    /// Returns the current generation.
    pub fn current(&self) -> Arc<Workspace> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another generation in its place.
    pub fn swap(&self, workspace: Arc<Workspace>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = workspace;
    }

    /// Notes which generation decided a run.
    pub fn keep(&self, run_id: i64, workspace: Arc<Workspace>) {
        self.of_runs.lock().unwrap_or_else(PoisonError::into_inner).insert(run_id, workspace);
    }

    /// Returns the runs whose generations are kept.
    pub fn runs(&self) -> Vec<i64> {
        self.of_runs.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Lets go of the generations of runs that have nothing left to send.
    pub fn let_go(&self, run_ids: impl IntoIterator<Item = i64>) {
        let mut of_runs = self.of_runs.lock().unwrap_or_else(PoisonError::into_inner);
        for run_id in run_ids {
            of_runs.remove(&run_id);
        }
    }

    /// Returns the generation a run was decided with; the current one for a run of an earlier process.
    pub fn of_run(&self, run_id: i64) -> Arc<Workspace> {
        let of_runs = self.of_runs.lock().unwrap_or_else(PoisonError::into_inner);
        of_runs.get(&run_id).cloned().unwrap_or_else(|| self.current())
    }
}
