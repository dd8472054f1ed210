//! A person gives a database the place where it is as its home.

use serde::{Deserialize, Serialize};

use crate::domain::date::{Date, Timestamp};
use crate::store::acts::{ActRow, add_act};
use crate::store::home::{Difference, differences, move_in};
use crate::store::{Store, StoreError};

/// What a person knows of the time since this state was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// Nothing was sent: the old one was stopped before, and this is all of it.
    Nothing,
    /// Mails may have gone that it knows nothing of.
    Unknown,
}

/// What became of an adoption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The database is at home here.
    Done {
        /// In what it had not been.
        differences: Vec<Difference>,
        /// How many mails became `unknown`.
        unknown: usize,
    },
    /// It was already.
    AtHome,
    /// Something was recorded after this state, so nobody can say that nothing was sent.
    Lost,
}

impl Store {
    /// Gives the database this place as its home, for a person who is recorded.
    ///
    /// Where mails may have gone since, what was to go becomes `unknown`, and what came due up to `doubt_until` waits for a
    /// person when a run finds it.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn adopt(
        &self,
        instance: String,
        since: Since,
        doubt_until: Date,
        person: String,
        now: Timestamp,
    ) -> Result<Adopted, StoreError> {
        // Asked anew: the machine may have got another name since the database was opened.
        let differences = match self.differences() {
            found if found.is_empty() => differences(self.path(), &instance)?,
            found => found,
        };
        if differences.is_empty() {
            return Ok(Adopted::AtHome);
        }
        if since == Since::Nothing && differences.iter().any(Difference::is_loss) {
            return Ok(Adopted::Lost);
        }
        let words: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let path = self.path().to_owned();
        let unknown = self.write(move |connection| {
            move_in(connection, &path, &instance)?;
            let unknown = match since {
                Since::Nothing => 0,
                Since::Unknown => {
                    let update = "update message set state = 'unknown', reason = 'restored', next_attempt_at_ms = null,
                        state_at_ms = ?1 where state in ('queued', 'waiting') and mode = 'live'";
                    let unknown = connection.execute(update, (now.as_millisecond(),))?;
                    let update = "update home set doubt_until = max(coalesce(doubt_until, ''), ?1)";
                    connection.execute(update, (doubt_until.to_string(),))?;
                    unknown
                }
            };
            let since = match since {
                Since::Nothing => "nothing was sent since",
                Since::Unknown => "mails may have gone since",
            };
            let detail = Some(format!("{since}; {}", words.join("; ")));
            add_act(connection, now, &ActRow { person: &person, act: "adopt", run_id: None, message_id: None, detail })?;
            Ok(unknown)
        });
        let unknown = unknown.await?;
        self.settle_in().await?;
        Ok(Adopted::Done { differences, unknown })
    }

    /// Withdraws what a rehearsal of an earlier process left queued, while the database is away from home: whom it goes to
    /// was decided elsewhere.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn withdraw_rehearsed(&self, now: Timestamp) -> Result<usize, StoreError> {
        if self.differences().is_empty() {
            return Ok(0);
        }
        self.write(move |connection| {
            let update = "update message_item set claimed = 0
                where message_id in (select id from message where state = 'queued' and mode = 'redirect')";
            connection.execute(update, ())?;
            let update = "update message set state = 'withdrawn', reason = 'not_adopted', next_attempt_at_ms = null,
                state_at_ms = ?1 where state = 'queued' and mode = 'redirect'";
            Ok(connection.execute(update, (now.as_millisecond(),))?)
        })
        .await
    }
}
