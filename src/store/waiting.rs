//! What would go if a person let a run's waiting mails go: counts by level, sums by currency, the largest as samples.

use std::collections::BTreeMap;
use std::str::FromStr;

use rusqlite::Connection;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::domain::money::{Currency, plain};
use crate::store::StoreError;
use crate::store::guards::counts_with_mails;
use crate::store::outbox::recipients;

/// How many mails are shown as samples of each currency.
const SAMPLES_MAX: usize = 3;

/// The mails of a run that wait for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// How many there are, by what holds them back.
    pub reasons: BTreeMap<String, u64>,
    /// By rule, level and currency.
    pub groups: Vec<WaitingGroup>,
    /// Per currency, what they are about together, as an exact decimal.
    pub sums: BTreeMap<String, String>,
    /// By rule, against what it usually has.
    pub rules: Vec<WaitingRule>,
    /// The largest of each currency.
    pub samples: Vec<WaitingSample>,
}

/// The waiting mails of one level of one rule, in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingGroup {
    /// The rule.
    pub rule: String,
    /// The level that leads; empty where the mails are about occasions.
    pub level: String,
    /// The currency.
    pub currency: String,
    /// How many mails.
    pub count: u64,
    /// What they are about together, as an exact decimal.
    pub sum: String,
}

/// The waiting mails of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingRule {
    /// The rule.
    pub rule: String,
    /// How many mails wait.
    pub count: u64,
    /// The numbers of mails of its runs before that had any, newest first.
    pub before: Vec<u64>,
}

/// One waiting mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingSample {
    /// Its id in the outbox.
    pub id: i64,
    /// The rule.
    pub rule: String,
    /// The level that leads.
    pub level: String,
    /// The customer.
    pub customer: String,
    /// The customer's name.
    pub customer_name: String,
    /// The currency.
    pub currency: String,
    /// What it is about, as an exact decimal.
    pub total: String,
    /// Whom it goes to.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
}

/// Returns what of a run waits for a person; `before_max` runs before it are looked at for what is usual.
///
/// # Errors
/// Why the database could not be read.
pub fn waiting(connection: &Connection, run_id: i64, mode: &str, before_max: usize) -> Result<Waiting, StoreError> {
    let select = "select id, rule_id, level_id, currency, total, coalesce(reason, ''), customer_id, customer_name,
            coalesce(subject, '') from message where run_id = ?1 and state = 'waiting' order by id";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((run_id,))?;
    let mut found = Waiting::default();
    let mut groups: BTreeMap<(String, String, String), (u64, Decimal)> = BTreeMap::new();
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    let mut largest: BTreeMap<String, Vec<(Decimal, WaitingSample)>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (rule, level, currency): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let written: String = row.get(4)?;
        let total = Decimal::from_str(&written).map_err(|_| StoreError::Corrupt { value: written, expected: "an amount" })?;
        *found.reasons.entry(row.get(5)?).or_default() += 1;
        *rules.entry(rule.clone()).or_default() += 1;
        let sum = sums.entry(currency.clone()).or_default();
        *sum = sum.saturating_add(total);
        let group = groups.entry((rule.clone(), level.clone(), currency.clone())).or_default();
        *group = (group.0 + 1, group.1.saturating_add(total));
        let samples = largest.entry(currency.clone()).or_default();
        // In order of size; of equal ones the first by id.
        let place = samples.partition_point(|(other, _)| *other >= total);
        if place < SAMPLES_MAX {
            let (customer, customer_name, subject) = (row.get(6)?, row.get(7)?, row.get(8)?);
            let (id, total_words, to) = (row.get(0)?, written_as(total, &currency), Vec::new());
            let sample = WaitingSample { id, rule, level, customer, customer_name, currency, total: total_words, to, subject };
            samples.insert(place, (total, sample));
            samples.truncate(SAMPLES_MAX);
        }
    }
    found.groups = groups
        .into_iter()
        .map(|((rule, level, currency), (count, sum))| {
            let sum = written_as(sum, &currency);
            WaitingGroup { rule, level, currency, count, sum }
        })
        .collect();
    found.sums = sums.into_iter().map(|(currency, sum)| (currency.clone(), written_as(sum, &currency))).collect();
    for (rule, count) in rules {
        let before = counts_with_mails(connection, mode, &[&rule], Some(run_id), before_max)?;
        found.rules.push(WaitingRule { rule, count, before });
    }
    for (_, mut sample) in largest.into_values().flatten() {
        sample.to = recipients(connection, sample.id)?.iter().map(|recipient| recipient.address.to_string()).collect();
        found.samples.push(sample);
    }
    Ok(found)
}

fn written_as(amount: Decimal, currency: &str) -> String {
    Currency::parse(currency).map_or_else(|| amount.to_string(), |currency| plain(amount, currency))
}
