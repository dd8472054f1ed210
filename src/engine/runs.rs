//! Runs and firings, for faces: lists, and one run with everything that is kept of it.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;

use crate::engine::guard::{USUAL_RUNS_MAX, usual};
use crate::engine::workspace::Workspace;
use crate::store::acts::acts_of_run;
use crate::store::open_reader;
use crate::store::run_list::{decision_counts, firings, runs};
use crate::store::waiting::waiting;

pub use crate::store::StoreError;
pub use crate::store::acts::ActView;
pub use crate::store::run_list::{DecisionCount, FiringName, FiringView, RunFilter, RunState, RunView};
pub use crate::store::waiting::{Waiting, WaitingGroup, WaitingRule, WaitingSample};

/// One run with everything that is kept of it, its mails apart.
#[derive(Clone, Debug)]
pub struct RunFile {
    /// What lists show of it.
    pub run: RunView,
    /// How its subjects were decided.
    pub decisions: Vec<DecisionCount>,
    /// What people did with it.
    pub acts: Vec<ActView>,
    /// What of it waits for a person; `None`: nothing.
    pub waiting: Option<WaitingFile>,
}

/// What of a run waits for a person, and how that compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingFile {
    /// What would go.
    #[serde(flatten)]
    pub mails: Waiting,
    /// How many mails each of its rules usually has; rules without a usual number are left out.
    pub usual: BTreeMap<String, u64>,
}

/// A view of a workspace's runs.
#[derive(Debug)]
pub struct Runs(Connection);

impl Runs {
    /// Opens the runs of a workspace; `None` where nothing has run yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open(workspace: &Workspace) -> Result<Option<Self>, StoreError> {
        Ok(open_reader(&workspace.database_path())?.map(Self))
    }

    /// Returns the runs that `filter` lets through, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn list(&self, filter: &RunFilter) -> Result<Vec<RunView>, StoreError> {
        runs(&self.0, filter)
    }

    /// Returns one run with everything that is kept of it, `None` where there is none with that id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find(&self, id: i64) -> Result<Option<RunFile>, StoreError> {
        let Some(run) = self.list(&RunFilter { id: Some(id), ..RunFilter::default() })?.pop() else { return Ok(None) };
        let (decisions, acts) = (decision_counts(&self.0, id)?, acts_of_run(&self.0, id)?);
        // What a dry run composed waits for nobody.
        let waits = run.mode != "dry" && run.counts.contains_key("waiting");
        let waiting = waits.then(|| waiting(&self.0, id, &run.mode, USUAL_RUNS_MAX)).transpose()?.map(|mails| {
            let usual = mails.rules.iter().filter_map(|rule| Some((rule.rule.clone(), usual(&rule.before)?))).collect();
            WaitingFile { mails, usual }
        });
        Ok(Some(RunFile { run, decisions, acts, waiting }))
    }

    /// Returns the firings of one rule or of all, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn firings(&self, rule_id: Option<&str>, limit: Option<u32>) -> Result<Vec<FiringView>, StoreError> {
        firings(&self.0, rule_id, limit)
    }
}
