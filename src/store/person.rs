//! What a person decides about messages, stored: all of them, or none.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::date::Timestamp;
use crate::outbox::intervention::Intervention;
use crate::outbox::state::State;
use crate::store::search::{MessageFilter, messages};
use crate::store::{Store, StoreError};

/// Which messages a person means.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// Those with these ids.
    Ids(Vec<i64>),
    /// All that the filter lets through.
    Matching(MessageFilter),
}

/// A message that a person means, and where it stands; `None` where there is no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meant {
    /// Its id.
    pub id: i64,
    /// Its state before.
    pub state: Option<State>,
}

/// What became of an intervention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intervened {
    /// It was done with all of these, by id; none where the filter let nothing through.
    Done(Vec<Meant>),
    /// Nothing was changed, since these are in states that do not allow it, or are not there.
    Refused(Vec<Meant>),
}

impl Store {
    /// Does what a person decided with every chosen message, or changes nothing if one of them does not allow it.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn intervene(&self, intervention: Intervention, chosen: Chosen, now: Timestamp) -> Result<Intervened, StoreError> {
        self.write(move |connection| {
            let meant = meant(connection, &chosen)?;
            let is_misfit = |meant: &&Meant| meant.state.is_none_or(|state| !intervention.states().contains(&state));
            let misfits: Vec<Meant> = meant.iter().filter(is_misfit).copied().collect();
            if !misfits.is_empty() {
                return Ok(Intervened::Refused(misfits));
            }
            let next = intervention.next();
            let update = "update message set state = ?2, reason = ?3, next_attempt_at_ms = null, state_at_ms = ?4 where id = ?1";
            for Meant { id, .. } in &meant {
                let values = (id, next.as_str(), intervention.reason(), now.as_millisecond());
                connection.prepare_cached(update)?.execute(values)?;
                if next.is_replaceable() {
                    // Its steps are free: another message, or this one composed anew, may take them.
                    connection.prepare_cached("update message_item set claimed = 0 where message_id = ?1")?.execute((id,))?;
                }
            }
            Ok(Intervened::Done(meant))
        })
        .await
    }
}

/// Returns the chosen messages as they stand, sorted by id, each once.
fn meant(connection: &Connection, chosen: &Chosen) -> Result<Vec<Meant>, StoreError> {
    let mut ids = Vec::new();
    match chosen {
        Chosen::Ids(chosen) => ids.clone_from(chosen),
        Chosen::Matching(filter) => messages(connection, filter, |message| ids.push(message.id))?,
    }
    ids.sort_unstable();
    ids.dedup();
    let mut statement = connection.prepare_cached("select state from message where id = ?1")?;
    ids.into_iter()
        .map(|id| {
            let word: Option<String> = statement.query_row((id,), |row| row.get(0)).optional()?;
            let state = word
                .map(|word| State::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state" }))
                .transpose()?;
            Ok(Meant { id, state })
        })
        .collect()
}
