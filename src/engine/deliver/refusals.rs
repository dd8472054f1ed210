//! The guard against a run whose mails are refused: more than a set share of those that were answered, and it stops.

use std::collections::BTreeMap;

use crate::outbox::state::State;
use crate::store::StoreError;
use crate::store::guards::Answers;

/// How many mails of a run must have been answered before their share says anything.
pub const ANSWERED_MIN: u64 = 20;

/// How servers answered to the runs that had a refusal.
#[derive(Debug)]
pub(crate) struct Refusals {
    percent_max: u64,
    runs: BTreeMap<i64, Answers>,
}

impl Refusals {
    pub(crate) fn new(percent_max: u64) -> Self {
        Self { percent_max, runs: BTreeMap::new() }
    }

    /// Takes in where an attempt led a message of a run, and returns how the run stands if it is to stop. `read` tells
    /// what is on record of a run, this attempt included; it is asked at a run's first refusal, and once more before it stops:
    /// attempts that ended side by side are on record before they are taken in, and were counted twice.
    pub(crate) fn take(
        &mut self,
        run_id: i64,
        state: State,
        read: impl Fn() -> Result<Answers, StoreError>,
    ) -> Result<Option<Answers>, StoreError> {
        match (state, self.runs.get_mut(&run_id)) {
            (State::Accepted, Some(answers)) => answers.accepted += 1,
            (State::Refused, Some(answers)) => answers.refused += 1,
            (State::Refused, None) => {
                self.runs.insert(run_id, read()?);
            }
            _ => return Ok(None),
        }
        if state != State::Refused || !self.is_over(self.runs[&run_id]) {
            return Ok(None);
        }
        let answers = read()?;
        if !self.is_over(answers) {
            self.runs.insert(run_id, answers);
            return Ok(None);
        }
        // A person who lets it go on knows of these: it counts anew then.
        self.runs.remove(&run_id);
        Ok(Some(answers))
    }

    fn is_over(&self, answers: Answers) -> bool {
        let answered = answers.accepted + answers.refused;
        answered >= ANSWERED_MIN && answers.refused * 100 > self.percent_max * answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns after which of these answers (`a`ccepted, `r`efused) the run stops.
    fn stops(percent_max: u64, answers: &str) -> Vec<usize> {
        let mut refusals = Refusals::new(percent_max);
        let mut on_record = Answers::default();
        let mut stopped = vec![];
        for (place, answer) in answers.chars().enumerate() {
            let state = if answer == 'a' { State::Accepted } else { State::Refused };
            match state {
                State::Accepted => on_record.accepted += 1,
                _ => on_record.refused += 1,
            }
            if refusals.take(7, state, || Ok(on_record)).unwrap().is_some() {
                stopped.push(place + 1);
                on_record = Answers::default();
            }
        }
        stopped
    }

    #[test]
    fn answers_that_came_side_by_side_count_once() {
        let mut refusals = Refusals::new(25);
        // Three are on record when the first is taken in.
        for taken in 1..=19u64 {
            let on_record = Answers { accepted: 0, refused: taken.max(3) };
            assert_eq!(refusals.take(7, State::Refused, || Ok(on_record)).unwrap(), None, "{taken}");
        }
        let all = Answers { accepted: 0, refused: 20 };
        assert_eq!(refusals.take(7, State::Refused, || Ok(all)).unwrap(), Some(all));
    }

    #[test]
    fn a_run_stops_at_the_refusal_that_goes_beyond_the_share_and_not_before_twenty_answers() {
        assert_eq!(stops(25, &"r".repeat(19)), [0usize; 0]);
        assert_eq!(stops(25, &"r".repeat(20)), [20]);
        let (fifteen, five) = ("a".repeat(15), "r".repeat(5));
        assert_eq!(stops(25, &format!("{fifteen}{five}")), [0usize; 0], "a quarter is not more than a quarter");
        assert_eq!(stops(25, &format!("{fifteen}{five}r")), [21]);
        assert_eq!(stops(25, &format!("{five}{fifteen}aaar")), [0usize; 0]);
        assert_eq!(stops(25, &format!("{five}{fifteen}ar")), [22]);
        assert_eq!(stops(100, &"r".repeat(500)), [0usize; 0]);
        assert_eq!(stops(25, &"r".repeat(41)), [20, 40], "let go by a person, it counts anew");
    }
}
