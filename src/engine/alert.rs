//! Alerts: telling a person, by a plugin's program, that something needs them.
//!
//! An alert is never worth a run: it goes in the background, within the plugin's time, and a failure is logged and
//! forgotten. So that a fault that repeats every second does not ring every second, each title is told a few times an
//! hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::domain::date::Timestamp;
use crate::engine::programs::{PROTOCOL, ProgramError, start, tell};
use crate::engine::workspace::Workspace;
use crate::port::Clock;

/// How often one title is told within an hour.
pub const ALERTS_PER_HOUR_MAX: usize = 3;
/// How many titles are kept count of; beyond that, new ones are told without.
const TITLES_MAX: usize = 1_000;
/// The longest title, in characters; the rest is cut.
const TITLE_CHARACTERS_MAX: usize = 200;
/// The longest detail, in characters; the rest is cut.
const DETAIL_CHARACTERS_MAX: usize = 4_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertSeverity {
    /// Something waits for a person.
    Warning,
    /// Something does not work.
    Error,
}

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// How bad it is.
    pub severity: AlertSeverity,
    /// What it is, in a few words that are the same each time: alerts are counted by it.
    pub title: String,
    /// What to know and do.
    pub detail: String,
}

#[derive(Serialize)]
struct Request<'a> {
    version: u32,
    alert: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    severity: AlertSeverity,
    title: String,
    detail: String,
    workspace: &'a str,
}

/// What came of an alert.
#[derive(Debug)]
pub enum Sending {
    /// It is on its way; the task ends when it is told or given up.
    Started(JoinHandle<()>),
    /// The title was told often enough within the hour.
    TooOften,
    /// config.yaml names no plugin, or one that is not there.
    NoPlugin,
}

/// Tells persons, and keeps count of it.
#[derive(Debug, Default)]
pub struct Alerts {
    told: Mutex<BTreeMap<String, Vec<Timestamp>>>,
}

impl Alerts {
    /// Tells a person in the background, by the plugin that config.yaml names. To be called within a runtime.
    pub fn send(&self, workspace: &Arc<Workspace>, clock: &dyn Clock, alert: Alert) -> Sending {
        if workspace.alert_plugin().is_none() {
            return Sending::NoPlugin;
        }
        if !self.may_tell(&alert.title, clock.now()) {
            tracing::info!(title = alert.title, "The alert was told often enough within the hour");
            return Sending::TooOften;
        }
        let workspace = Arc::clone(workspace);
        Sending::Started(tokio::spawn(async move {
            if let Err(error) = tell_now(&workspace, &alert).await {
                tracing::warn!(title = alert.title, %error, "An alert could not be told");
            }
        }))
    }

    /// Returns whether a title may be told at `now`, and counts it then.
    fn may_tell(&self, title: &str, now: Timestamp) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let hour_ago = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
        told.retain(|_, times| {
            times.retain(|time| *time > hour_ago);
            !times.is_empty()
        });
        if !told.contains_key(title) && told.len() >= TITLES_MAX {
            return true;
        }
        let times = told.entry(title.to_owned()).or_default();
        let may = times.len() < ALERTS_PER_HOUR_MAX;
        if may {
            times.push(now);
        }
        may
    }
}

/// Tells a person and waits until the program has ended; does nothing where config.yaml names no plugin.
///
/// # Errors
/// The program could not be run, or says that it failed.
pub async fn tell_now(workspace: &Workspace, alert: &Alert) -> Result<(), ProgramError> {
    let Some((plugin, program)) = workspace.alert_plugin() else { return Ok(()) };
    let cut = |text: &str, most| text.chars().take(most).collect::<String>();
    let request = Request {
        version: PROTOCOL,
        alert: Shown {
            severity: alert.severity,
            title: cut(&alert.title, TITLE_CHARACTERS_MAX),
            detail: cut(&alert.detail, DETAIL_CHARACTERS_MAX),
            workspace: &workspace.config.instance,
        },
    };
    let told = tell(start(&workspace.root, plugin, program), &request).await?;
    match told.ended.code {
        Some(0) => Ok(()),
        code => Err(ProgramError::Failed {
            program: program.command.first().cloned().unwrap_or_default(),
            code,
            errors: told.ended.errors,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_title_is_told_three_times_an_hour_and_another_all_the_same() {
        let alerts = Alerts::default();
        let at = |minute: i64| Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_mins(minute)).unwrap();
        let told: Vec<bool> = [0, 1, 2, 3, 59, 60, 61, 61].map(|minute| alerts.may_tell("a", at(minute))).into();
        assert_eq!(told, [true, true, true, false, false, true, true, false]);
        assert!(alerts.may_tell("b", at(61)));
    }
}
