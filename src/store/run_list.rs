//! Looking at runs and firings: lists and single runs for people.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use serde::Serialize;

use crate::domain::date::{Date, Timestamp};
use crate::store::status::run_counts;
use crate::store::{StoreError, timestamp};

/// Where a run stands, by what became of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Something of it is queued or on its way.
    Sending,
    /// Something of it waits for a person.
    Waiting,
    /// A person stopped it, or the program did, since too much was refused; what is not sent waits.
    Stopped,
    /// Nothing of it will go any more by itself.
    Finished,
    /// A person closed it.
    Closed,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Sending, Self::Waiting, Self::Stopped, Self::Finished, Self::Closed];

    /// Returns the word the commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Closed => "closed",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Returns a sentence for a person, without a final stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Sending => "something of it is queued or on its way",
            Self::Waiting => "something of it waits for a person: `dunlin runs start`",
            Self::Stopped => "it was stopped, and what is not sent waits: `dunlin runs start`",
            Self::Finished => "nothing of it goes any more by itself",
            Self::Closed => "a person closed it",
        }
    }
}

/// Which runs to list; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// One run.
    pub id: Option<i64>,
    /// Runs of this rule, alone or among others.
    pub rule_id: Option<String>,
    /// In one state.
    pub state: Option<RunState>,
    /// Decided for this day or a later one.
    pub from: Option<Date>,
    /// Decided for this day or an earlier one.
    pub until: Option<Date>,
    /// The most to list.
    pub limit: Option<u32>,
}

/// A run as people see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    /// Its id.
    pub id: i64,
    /// The one rule it ran; null: all.
    pub rule: Option<String>,
    /// The one subject it was asked for: `{"customer": id}` or `{"invoice": number}`; null: everybody.
    pub only: Option<serde_json::Value>,
    /// The day it decided for.
    pub as_of: String,
    /// `live`, `redirect` or `dry`.
    pub mode: String,
    /// The hash of everything it ran with.
    pub generation: String,
    /// Who asked for it; null: its schedule, or a release that did not keep it.
    pub person: Option<String>,
    /// Its scheduled time; null: a person asked.
    pub firing: Option<FiringName>,
    /// When it started.
    pub started_at: Timestamp,
    /// When its queue had drained.
    pub finished_at: Option<Timestamp>,
    /// When it was stopped.
    pub stopped_at: Option<Timestamp>,
    /// When a person closed it.
    pub closed_at: Option<Timestamp>,
    /// Where it stands.
    pub state: RunState,
    /// How many of its messages stand in each state, states without any left out.
    pub counts: BTreeMap<&'static str, u64>,
}

/// What a firing is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FiringName {
    /// The scheduled local time.
    pub local_time: String,
    /// By whose clock.
    pub time_zone: String,
}

/// A firing as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FiringView {
    /// The rule.
    pub rule: String,
    /// The scheduled local time.
    pub local_time: String,
    /// By whose clock.
    pub time_zone: String,
    /// The instant it fell on.
    pub scheduled_at: Timestamp,
    /// `ran` or `missed`.
    pub outcome: String,
    /// Why it did not run.
    pub reason: Option<String>,
    /// Its run.
    pub run: Option<i64>,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// `live`, `redirect` or `dry`.
    pub mode: String,
}

/// How many subjects of a rule were decided in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionCount {
    /// The rule.
    pub rule: String,
    /// `due`, `blocked` or `declined`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// The rule that these stand back for, where they stand back for one.
    pub yields_to: Option<String>,
    /// How many.
    pub count: u64,
}

/// Returns the runs that `filter` lets through, newest first.
///
/// # Errors
/// Why the database could not be read.
pub fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunView>, StoreError> {
    // What a dry run composed waits for nobody.
    let select = "select id, rule_id, only_subject, as_of, mode, generation, person, started_at_ms, finished_at_ms,
            stopped_at_ms, closed_at_ms, local_time, time_zone, state from (
            select run.*, firing.local_time, firing.time_zone, case
                when closed_at_ms is not null then 'closed'
                when exists (select 1 from message where run_id = run.id and state in ('queued', 'sending')) then 'sending'
                when run.mode <> 'dry' and exists (select 1 from message where run_id = run.id and state = 'waiting')
                    then case when stopped_at_ms is null then 'waiting' else 'stopped' end
                else 'finished' end as state
            from run left join firing on firing.run_id = run.id
            where (?1 is null or run.id = ?1)
                and (?2 is null or run.rule_id = ?2
                    or exists (select 1 from decision where run_id = run.id and decision.rule_id = ?2))
                and (?3 is null or as_of >= ?3) and (?4 is null or as_of <= ?4))
        where ?5 is null or state = ?5
        order by id desc limit ?6";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((
        filter.id,
        &filter.rule_id,
        filter.from.map(|day| day.to_string()),
        filter.until.map(|day| day.to_string()),
        filter.state.map(RunState::as_str),
        filter.limit.map_or(-1, i64::from),
    ))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(view(connection, row)?);
    }
    Ok(found)
}

fn view(connection: &Connection, row: &Row<'_>) -> Result<RunView, StoreError> {
    let time = |place| Ok::<_, StoreError>(row.get::<_, Option<i64>>(place)?.map(timestamp));
    let (id, word): (i64, String) = (row.get(0)?, row.get(13)?);
    let firing = match (row.get(11)?, row.get(12)?) {
        (Some(local_time), Some(time_zone)) => Some(FiringName { local_time, time_zone }),
        _ => None,
    };
    Ok(RunView {
        id,
        rule: row.get(1)?,
        only: row.get::<_, Option<String>>(2)?.and_then(|text| serde_json::from_str(&text).ok()),
        as_of: row.get(3)?,
        mode: row.get(4)?,
        generation: row.get(5)?,
        person: row.get(6)?,
        firing,
        started_at: timestamp(row.get(7)?),
        finished_at: time(8)?,
        stopped_at: time(9)?,
        closed_at: time(10)?,
        state: RunState::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state of a run" })?,
        counts: run_counts(connection, id)?.into_iter().map(|(state, count)| (state.as_str(), count)).collect(),
    })
}

/// Returns how the subjects of a run were decided, the most frequent of each rule first.
///
/// # Errors
/// Why the database could not be read.
pub fn decision_counts(connection: &Connection, run_id: i64) -> Result<Vec<DecisionCount>, StoreError> {
    let select = "select rule_id, verdict, reason, yields_to, count(*) from decision where run_id = ?1
        group by rule_id, verdict, reason, yields_to order by rule_id, count(*) desc, verdict, reason, yields_to";
    let mut statement = connection.prepare(select)?;
    let rows = statement.query_map((run_id,), |row| {
        let count: i64 = row.get(4)?;
        Ok(DecisionCount {
            rule: row.get(0)?,
            verdict: row.get(1)?,
            reason: row.get(2)?,
            yields_to: row.get(3)?,
            count: count as u64,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the firings of one rule or of all, the newest scheduled first.
///
/// # Errors
/// Why the database could not be read.
pub fn firings(connection: &Connection, rule_id: Option<&str>, limit: Option<u32>) -> Result<Vec<FiringView>, StoreError> {
    let select =
        "select rule_id, local_time, time_zone, scheduled_at_ms, outcome, reason, run_id, decided_at_ms, mode from firing
        where ?1 is null or rule_id = ?1 order by scheduled_at_ms desc, rule_id, mode limit ?2";
    let mut statement = connection.prepare(select)?;
    let rows = statement.query_map((rule_id, limit.map_or(-1, i64::from)), |row| {
        Ok(FiringView {
            rule: row.get(0)?,
            local_time: row.get(1)?,
            time_zone: row.get(2)?,
            scheduled_at: timestamp(row.get(3)?),
            outcome: row.get(4)?,
            reason: row.get(5)?,
            run: row.get(6)?,
            decided_at: timestamp(row.get(7)?),
            mode: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
