//! What follows an attempt, and how long to wait before the next one.

use std::time::Duration;

use crate::domain::date::Timestamp;
use crate::outbox::attempt::Outcome;
use crate::outbox::state::State;

/// How long attempts go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The waits between attempts; the last one repeats. Never empty.
    pub waits: Vec<Duration>,
    /// How long after it was queued a message is given up.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    /// 5 min, 15 min, 1 h, then every 4 h, for 24 h: a reminder that arrives days late is worse than one that
    /// the next run composes anew.
    ///
    /// Source: RFC 5321 §4.5.4.1 asks for at least 30 min in general and 4 to 5 days; ours is a submission
    /// client with a deadline (docs/decisions/0007).
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Self { waits: vec![minutes(5), minutes(15), minutes(60), minutes(240)], give_up_after: minutes(24 * 60) }
    }
}

/// A message as far as its next state depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was queued.
    pub queued_at: Timestamp,
    /// Attempts made before the one that just ended.
    pub attempt_count: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The state it goes into.
    pub state: State,
    /// When to try again, where the state is `queued`.
    pub next_attempt_at: Option<Timestamp>,
}

/// Returns what follows an attempt that ended in `outcome` at `now`.
///
/// Only what provably did not leave is tried again; `unknown` never is without a person's word.
pub fn after(entry: Entry, outcome: Outcome, now: Timestamp, policy: &RetryPolicy) -> Next {
    let state = |state| Next { state, next_attempt_at: None };
    match outcome {
        Outcome::Accepted => state(State::Accepted),
        Outcome::Refused => state(State::Refused),
        Outcome::Unknown => state(State::Unknown),
        Outcome::NotRecorded => Next { state: State::Queued, next_attempt_at: Some(now) },
        Outcome::Deferred | Outcome::ServerFault => {
            let next_at = now.saturating_add(wait(entry.attempt_count, policy)).unwrap_or(Timestamp::MAX);
            if next_at > deadline(entry.queued_at, policy) {
                return state(State::Exhausted);
            }
            Next { state: State::Queued, next_attempt_at: Some(next_at) }
        }
    }
}

/// Returns how long to wait after the attempt number `attempt_count + 1` failed.
pub fn wait(attempt_count: u32, policy: &RetryPolicy) -> Duration {
    let last = policy.waits.len().saturating_sub(1);
    policy.waits.get((attempt_count as usize).min(last)).copied().unwrap_or(Duration::from_secs(300))
}

/// Returns the instant after which a message queued at `queued_at` is given up.
pub fn deadline(queued_at: Timestamp, policy: &RetryPolicy) -> Timestamp {
    queued_at.saturating_add(policy.give_up_after).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    #[test]
    fn waits_grow_until_the_deadline() {
        let policy = RetryPolicy::default();
        let mut now = 0;
        let mut attempts = vec![];
        for attempt_count in 0.. {
            let next = after(Entry { queued_at: at(0), attempt_count }, Outcome::Deferred, at(now), &policy);
            let Some(next_at) = next.next_attempt_at else {
                assert_eq!(next.state, State::Exhausted);
                break;
            };
            assert_eq!(next.state, State::Queued);
            now = next_at.as_second() / 60;
            attempts.push(now);
        }
        assert_eq!(attempts, [5, 20, 80, 320, 560, 800, 1040, 1280]);
    }

    #[test]
    fn only_what_did_not_leave_is_tried_again() {
        let entry = Entry { queued_at: at(0), attempt_count: 0 };
        for (outcome, state) in [
            (Outcome::Accepted, State::Accepted),
            (Outcome::Refused, State::Refused),
            (Outcome::Unknown, State::Unknown),
            (Outcome::Deferred, State::Queued),
            (Outcome::ServerFault, State::Queued),
            (Outcome::NotRecorded, State::Queued),
        ] {
            assert_eq!(after(entry, outcome, at(1), &RetryPolicy::default()).state, state, "{outcome:?}");
        }
    }
}
