//! The history a plan needs, read from the outbox.

use compact_str::CompactString;
use rusqlite::Connection;

use crate::domain::date::{Date, ISO};
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RuleId};
use crate::domain::money::Currency;
use crate::outbox::state::State;
use crate::plan::history::{History, Occasion, Standing, Step};
use crate::store::StoreError;

/// Whether what is queued counts as history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// It does: it is about to be sent.
    Counts,
    /// It does not, nor do contacts of the days that what is queued was decided for, or of this one: what would be
    /// planned if it were not there. Its own run's other mails, to the same customer perhaps, were weighed with it then.
    LeftOut(Date),
}

/// Reads what runs of `mode` have done so far.
///
/// # Errors
/// Why the database could not be read.
pub fn history(connection: &Connection, mode: &str, queue: Queue) -> Result<History, StoreError> {
    let mut history = History::default();
    let mut statement = connection.prepare("select rule_id, started_on from rule_start where mode = ?1")?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        history.add_start(RuleId::new(row.get::<_, String>(0)?), date(&row.get::<_, String>(1)?)?);
    }

    let select = "select item.rule_id, item.document, item.level_id, item.level_repeat, message.state, message.as_of
        from message_item as item join message on message.id = item.message_id
        where item.mode = ?1 and item.claimed = 1 and message.kind = 'reminder'";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        let state = state(row.get(4)?)?;
        if state == State::Queued && queue != Queue::Counts {
            continue;
        }
        let Some(standing) = standing(state) else { continue };
        let step = Step {
            level: LevelId::new(row.get::<_, String>(2)?),
            repeat: row.get(3)?,
            standing,
            on: date(&row.get::<_, String>(5)?)?,
        };
        history.add_step(RuleId::new(row.get::<_, String>(0)?), DocumentNumber::new(row.get::<_, String>(1)?), step);
    }

    add_occasions(connection, mode, queue, &mut history)?;
    // Statements and notices ask for nothing: they count as no contact.
    let select = "select customer_id, max(as_of) from message
        where mode = ?1 and kind = 'reminder' and state in ('waiting', 'queued', 'sending', 'accepted', 'unknown')
            and (?2 is null or state <> 'queued' and as_of <> ?2
                and as_of not in (select as_of from message
                    where state = 'queued' and reason is not 'resent' and mode = ?1 and kind = 'reminder'))
        group by customer_id";
    let left_out = match queue {
        Queue::Counts => None,
        Queue::LeftOut(day) => Some(day.to_string()),
    };
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode, left_out))?;
    while let Some(row) = rows.next()? {
        history.add_contact(CustomerId::new(row.get::<_, String>(0)?), date(&row.get::<_, String>(1)?)?);
    }
    Ok(history)
}

/// Reads what statements and notices there are, and what was there before notices first ran.
fn add_occasions(connection: &Connection, mode: &str, queue: Queue, history: &mut History) -> Result<(), StoreError> {
    let select = "select rule_id, customer_id, currency, occasion, state from message where mode = ?1 and occasion <> ''";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        let state = state(row.get(4)?)?;
        if state == State::Queued && queue != Queue::Counts {
            continue;
        }
        let Some(standing) = standing(state) else { continue };
        let code: String = row.get(2)?;
        let currency = Currency::parse(&code).ok_or(StoreError::Corrupt { value: code, expected: "a currency" })?;
        let customer = CustomerId::new(row.get::<_, String>(1)?);
        let occasion = Occasion { customer, currency, name: CompactString::new(row.get::<_, String>(3)?) };
        history.add_occasion(RuleId::new(row.get::<_, String>(0)?), occasion, standing);
    }
    let mut statement = connection.prepare("select rule_id, subject from notice_baseline where mode = ?1")?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        history.add_baseline(RuleId::new(row.get::<_, String>(0)?), CompactString::new(row.get::<_, String>(1)?));
    }
    Ok(())
}

fn state(word: String) -> Result<State, StoreError> {
    State::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state" })
}

/// Returns what a message's state means for its items or occasion, `None` where it means nothing.
fn standing(state: State) -> Option<Standing> {
    match state {
        State::Accepted => Some(Standing::Accepted),
        State::Waiting | State::Queued | State::Sending => Some(Standing::UnderWay),
        State::Unknown => Some(Standing::Unknown),
        State::Refused => Some(Standing::Refused),
        State::Cancelled => Some(Standing::Cancelled),
        State::Blocked | State::Exhausted | State::Withdrawn => None,
    }
}

/// Reads a day as the store writes it.
pub(crate) fn date(text: &str) -> Result<Date, StoreError> {
    Date::strptime(ISO, text).map_err(|_| StoreError::Corrupt { value: text.to_owned(), expected: "a date" })
}
