//! Firings to runs: the rules whose time has come, one run each, on one reading of the ledger.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::date::Date;
use crate::domain::id::RuleId;
use crate::engine::agenda::{FiringRow, still_to_fire};
use crate::engine::generation::RunGenerations;
use crate::engine::reading::{Reading, Unread, read_beside};
use crate::engine::run::{Cause, Committed, Order, Parts, commit};
use crate::engine::status::FaultKind;
use crate::engine::workspace::Workspace;
use crate::store::StoreError;

/// Why a firing could not run; it stays undecided and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FireFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// In words that hold nothing of a customer.
    pub words: String,
}

/// Runs each firing's rule, in order. A firing decided before gives no run; after one that fails, the rest of its rule is
/// left for later.
///
/// A run decides for the day it is where the rule's clock stands, also where it is made up for: what was paid since must
/// count. The day it was scheduled for is what a statement's period is counted from. Rules whose firings come after it, in
/// this list or later on the day, are its rivals; rules in `paused` are not, since they do not run.
pub async fn fire(
    generations: &RunGenerations,
    workspace: &Arc<Workspace>,
    firings: Vec<(FiringRow, Date)>,
    paused: &BTreeSet<RuleId>,
    parts: &Parts,
) -> Vec<(FiringRow, Result<Option<Committed>, FireFault>)> {
    let mut results = Vec::with_capacity(firings.len());
    // Rules in zones of their own may live on two days at once.
    let mut ledgers: BTreeMap<Date, Result<Reading, Unread>> = BTreeMap::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut coming: Vec<String> = firings.iter().rev().map(|(firing, _)| firing.rule_id.clone()).collect();
    for (firing, scheduled_on) in firings {
        coming.pop();
        // Deciding a later one would move the rule's mark past the one that failed; it comes again after that one.
        if failed.contains(&firing.rule_id) {
            continue;
        }
        let Some(rule) = workspace.rules.rules.iter().find(|rule| rule.id.as_str() == firing.rule_id) else { continue };
        let as_of = workspace.day_of(Some(&firing.rule_id), parts.clock.now());
        let ledger = match ledgers.entry(as_of) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => place.insert(read_beside(workspace, as_of, parts.clock.now()).await),
        };
        let result = match ledger {
            Err(unread) => Err(FireFault { kind: unread.kind(), words: unread.shown() }),
            Ok(Reading { ledger, .. }) => {
                let mut rivals = still_to_fire(workspace, paused, parts.clock.now());
                let next = workspace.rules.rules.iter().filter(|rule| coming.iter().any(|id| rule.id.as_str() == id));
                let next = next.filter(|rule| !paused.contains(&rule.id) && !failed.contains(rule.id.as_str()));
                rivals.extend(next.cloned());
                let rules = workspace.rules.of(vec![rule.clone()]).against(rivals);
                let order = Order {
                    rules: Arc::new(rules),
                    only_rule: Some(firing.rule_id.clone()),
                    only: None,
                    ledger: ledger.clone(),
                    as_of,
                    scheduled_on,
                    cause: Cause::Schedule(firing.clone()),
                };
                match commit(generations, workspace.clone(), order, parts, Arc::new(|_, _| {})).await {
                    Ok(committed) => Ok(Some(committed)),
                    Err(StoreError::Decided { .. }) => Ok(None),
                    Err(error) => Err(FireFault { kind: FaultKind::StoreFailed, words: error.to_string() }),
                }
            }
        };
        if result.is_err() {
            failed.insert(firing.rule_id.clone());
        }
        results.push((firing, result));
    }
    results
}
