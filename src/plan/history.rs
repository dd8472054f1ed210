//! What was sent before, as far as a decision depends on it.
//!
//! The store fills it; the forecast fills it with mails that were only imagined. Days are the `as_of` days of the
//! runs, so that a replay of the past and a run of today count alike.

use std::collections::HashMap;

use crate::domain::date::Date;
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RuleId};
use crate::rule::Rule;

/// Where the mail of one step of an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A server took it: the level is reached.
    Accepted,
    /// It is in the outbox and may still go.
    UnderWay,
    /// The connection broke after the final dot.
    Unknown,
    /// Refused for good.
    Refused,
    /// Closed by a person.
    Cancelled,
}

/// One step of an item: a level, or a repeat of it, that has a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The level's id at that time.
    pub level: LevelId,
    /// 0 for the first mail at the level, 1 for its first repeat.
    pub repeat: u32,
    /// Where its mail stands.
    pub standing: Standing,
    /// The `as_of` day it was decided for.
    pub on: Date,
}

/// What one rule did before.
#[derive(Clone, Debug, Default)]
struct RulePast {
    started_on: Option<Date>,
    steps: HashMap<DocumentNumber, Vec<Step>>,
}

/// What all rules did before.
#[derive(Clone, Debug, Default)]
pub struct History {
    rules: HashMap<RuleId, RulePast>,
    last_contacts: HashMap<CustomerId, Date>,
}

/// What one rule did before, found once for all its items.
#[derive(Clone, Debug, Default)]
pub struct RuleHistory<'h> {
    /// One for each id with a past; none for a rule that never ran.
    pasts: Vec<&'h RulePast>,
}

impl<'h> RuleHistory<'h> {
    /// Returns the day the rule first ran.
    pub fn started_on(&self) -> Option<Date> {
        self.pasts.iter().filter_map(|past| past.started_on).min()
    }

    /// Returns the steps of `document`.
    pub fn steps<'d>(&self, document: &'d DocumentNumber) -> impl Iterator<Item = &'h Step> + use<'_, 'h, 'd> {
        self.pasts.iter().filter_map(|past| past.steps.get(document)).flatten()
    }
}

impl History {
    /// Notes the `as_of` day of a rule's first run.
    pub fn add_start(&mut self, rule: RuleId, on: Date) {
        self.rules.entry(rule).or_default().started_on = Some(on);
    }

    /// Notes a step of an item.
    pub fn add_step(&mut self, rule: RuleId, document: DocumentNumber, step: Step) {
        self.rules.entry(rule).or_default().steps.entry(document).or_default().push(step);
    }

    /// Notes a mail to a customer; the latest day counts.
    pub fn add_contact(&mut self, customer: CustomerId, on: Date) {
        let last = self.last_contacts.entry(customer).or_insert(on);
        *last = on.max(*last);
    }

    /// Returns the day of the last mail to a customer.
    pub fn last_contact(&self, customer: &CustomerId) -> Option<Date> {
        self.last_contacts.get(customer).copied()
    }

    /// Returns what `rule` did, its former ids included.
    pub fn of_rule(&self, rule: &Rule) -> RuleHistory<'_> {
        RuleHistory { pasts: self.pasts(rule).collect() }
    }

    /// Returns the ids of rules with a history.
    pub fn rule_ids(&self) -> impl Iterator<Item = &RuleId> {
        self.rules.keys()
    }

    /// Returns the level ids with a history under `rule`, once each, sorted.
    pub fn level_ids<'h>(&'h self, rule: &'h Rule) -> Vec<&'h LevelId> {
        let steps = self.pasts(rule).flat_map(|past| past.steps.values()).flatten();
        let mut ids: Vec<&LevelId> = steps.map(|step| &step.level).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn pasts<'h>(&'h self, rule: &Rule) -> impl Iterator<Item = &'h RulePast> {
        std::iter::once(&rule.id).chain(&rule.formerly).filter_map(|id| self.rules.get(id))
    }
}
