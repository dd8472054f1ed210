//! What needed a person, and what persons were told of it: kept, so that a restart neither repeats nor forgets.

use rusqlite::Connection;

use crate::domain::date::Timestamp;
use crate::store::{Store, StoreError, timestamp};

/// One thing that needed a person. Mode, kind, `about` and beginning are its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// The kind's word.
    pub kind: String,
    /// The rule, run, server or plugin; empty where there is only one such thing.
    pub about: String,
    /// When it began.
    pub began_at: Timestamp,
    /// What it was when it began.
    pub words: String,
    /// When it was over; `None`: it stands.
    pub ended_at: Option<Timestamp>,
    /// When its beginning was told by mail.
    pub begin_mailed_at: Option<Timestamp>,
    /// When its beginning was told by the plugin.
    pub begin_plugged_at: Option<Timestamp>,
    /// When its end was told by mail.
    pub end_mailed_at: Option<Timestamp>,
    /// When its end was told by the plugin.
    pub end_plugged_at: Option<Timestamp>,
}

impl Store {
    /// Writes alerts down as they are now, all of them or none.
    ///
    /// # Errors
    /// Why they could not be stored.
    pub async fn keep_alerts(&self, mode: &'static str, alerts: Vec<AlertRow>) -> Result<(), StoreError> {
        self.write(move |connection| {
            let insert = "insert into alert (mode, kind, about, began_at_ms, words, ended_at_ms, begin_mailed_at_ms,
                    begin_plugged_at_ms, end_mailed_at_ms, end_plugged_at_ms)
                values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                on conflict (mode, kind, about, began_at_ms) do update set ended_at_ms = excluded.ended_at_ms,
                    begin_mailed_at_ms = excluded.begin_mailed_at_ms, begin_plugged_at_ms = excluded.begin_plugged_at_ms,
                    end_mailed_at_ms = excluded.end_mailed_at_ms, end_plugged_at_ms = excluded.end_plugged_at_ms";
            let ms = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
            for alert in &alerts {
                connection.prepare_cached(insert)?.execute((
                    mode,
                    &alert.kind,
                    &alert.about,
                    alert.began_at.as_millisecond(),
                    &alert.words,
                    ms(alert.ended_at),
                    ms(alert.begin_mailed_at),
                    ms(alert.begin_plugged_at),
                    ms(alert.end_mailed_at),
                    ms(alert.end_plugged_at),
                ))?;
            }
            Ok(())
        })
        .await
    }
}

/// Returns the alerts of a mode that stand, or have ended since an instant, oldest first.
///
/// # Errors
/// Why the database could not be read.
pub fn alerts_since(connection: &Connection, mode: &str, since: Timestamp) -> Result<Vec<AlertRow>, StoreError> {
    let select = "select kind, about, began_at_ms, words, ended_at_ms, begin_mailed_at_ms, begin_plugged_at_ms, end_mailed_at_ms,
            end_plugged_at_ms from alert where mode = ?1 and ended_at_ms is null
        union all
        select kind, about, began_at_ms, words, ended_at_ms, begin_mailed_at_ms, begin_plugged_at_ms, end_mailed_at_ms,
            end_plugged_at_ms from alert where mode = ?1 and ended_at_ms is not null and ended_at_ms >= ?2
        order by 3, 1, 2";
    let mut statement = connection.prepare(select)?;
    let rows = statement.query_map((mode, since.as_millisecond()), |row| {
        let time = |place| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(place)?.map(timestamp));
        Ok(AlertRow {
            kind: row.get(0)?,
            about: row.get(1)?,
            began_at: timestamp(row.get(2)?),
            words: row.get(3)?,
            ended_at: time(4)?,
            begin_mailed_at: time(5)?,
            begin_plugged_at: time(6)?,
            end_mailed_at: time(7)?,
            end_plugged_at: time(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
