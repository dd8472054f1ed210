//! On which day a mail counts.

use std::time::Duration;

use super::*;
use crate::domain::id::ServerId;
use crate::outbox::attempt::{Attempt, Outcome, Stage};
use crate::outbox::intervention::Intervention;
use crate::outbox::retry::Next;
use crate::store::rows::{at, message, run_row};
use crate::store::{MessageRow, Store, search};

const DAY: i64 = 86_400;

/// Adds a mail to a customer about one document, has it leave so many seconds after its run, and returns its id.
async fn leave(store: &Store, number: i64, seconds: i64, outcome: Outcome, state: State) -> i64 {
    let row = MessageRow {
        customer_id: format!("C{number}"),
        ..message(&format!("k{number}"), &format!("INV-{number}"), State::Queued)
    };
    let id = store.write_run(run_row(), move |run| run.add_message(&row)).await.unwrap().1.unwrap();
    store.record_sending(id, at(seconds)).await.unwrap();
    let attempt = Attempt {
        server: ServerId::new("primary"),
        started_at: at(seconds),
        duration: Duration::from_millis(20),
        stage: Stage::FinalDot,
        outcome,
        reply: None,
        fault: None,
        recipients_refused: vec![],
    };
    assert!(store.record_attempt(id, attempt, Next { state, next_attempt_at: None }, at(seconds)).await.unwrap());
    id
}

#[tokio::test]
async fn a_mail_counts_for_the_day_it_left_on_by_the_clocks_of_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    // Eight in the morning in London is nine at night in Auckland: three hours later it is the next day there.
    leave(&store, 1, 10, Outcome::Accepted, State::Accepted).await;
    leave(&store, 2, 3 * 3_600, Outcome::Accepted, State::Accepted).await;
    leave(&store, 3, 4 * DAY, Outcome::Accepted, State::Accepted).await;
    let unknown = leave(&store, 4, 2 * DAY, Outcome::Unknown, State::Unknown).await;
    let row = MessageRow { customer_id: "C5".into(), ..message("k5", "INV-5", State::Queued) };
    store.write_run(run_row(), move |run| run.add_message(&row)).await.unwrap();
    // A person says a week later that it was taken.
    let chosen = search::MessageFilter { ids: vec![unknown], ..Default::default() };
    store.intervene(Intervention::Accept, chosen, "ann".into(), at(9 * DAY)).await.unwrap();

    let reader = store.reader().unwrap();
    let days = |zone: &TimeZone| {
        let history = history(&reader, "live", Queue::Counts, zone).unwrap();
        let mut days = vec![];
        for number in 1..=5 {
            let [mail] = history.mails(&CustomerId::new(format!("C{number}"))) else { panic!("{history:?}") };
            assert_eq!(mail.is_queued, number == 5);
            days.push(days_between(run_row().as_of, mail.on));
        }
        days
    };
    assert_eq!(days(&TimeZone::UTC), [0, 0, 4, 2, 0]);
    assert_eq!(days(&TimeZone::get("Pacific/Auckland").unwrap()), [0, 1, 4, 2, 0]);
}
