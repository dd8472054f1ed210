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
    /// How long after it was queued it is given up, where its rule says so instead of the policy.
    pub give_up_after: Option<Duration>,
    /// Any number that is the message's own, so that those that were put off together do not come back together.
    pub spread: u64,
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
        // Of the sender's other servers whoever delivers knows.
        Outcome::Refused | Outcome::Unsuited => state(State::Refused),
        Outcome::Unknown => state(State::Unknown),
        Outcome::NotRecorded => Next { state: State::Queued, next_attempt_at: Some(now) },
        Outcome::Deferred | Outcome::ServerFault => {
            let next_at = now.saturating_add(spread(wait(entry.attempt_count, policy), entry)).unwrap_or(Timestamp::MAX);
            if next_at > deadline(entry, policy) {
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

/// Returns the instant after which a message is given up.
pub fn deadline(entry: Entry, policy: &RetryPolicy) -> Timestamp {
    entry.queued_at.saturating_add(entry.give_up_after.unwrap_or(policy.give_up_after)).unwrap_or(Timestamp::MAX)
}

/// Returns `wait` made longer by up to a fifth, by the message's own number: the same each time, and another for each
/// message and attempt.
fn spread(wait: Duration, entry: Entry) -> Duration {
    // One round of SplitMix64, so that neighbouring numbers lie far apart.
    let mut mixed = entry.spread.wrapping_add(u64::from(entry.attempt_count) << 40).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let parts = u32::try_from(mixed % 1_000).unwrap_or_default();
    wait.saturating_add(wait / 5_000 * parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    /// A message whose number spreads nothing at its first attempt is not to be had: cases say what they allow for.
    fn entry(spread: u64) -> Entry {
        Entry { queued_at: at(0), attempt_count: 0, give_up_after: None, spread }
    }

    #[test]
    fn what_was_put_off_together_comes_back_apart() {
        let policy = RetryPolicy::default();
        let mut times: Vec<i64> = (0..1_000)
            .map(|number| after(entry(number), Outcome::Deferred, at(0), &policy).next_attempt_at.unwrap().as_millisecond())
            .collect();
        assert!(times.iter().all(|time| (300_000..360_000).contains(time)), "{times:?}");
        assert_eq!(after(entry(7), Outcome::Deferred, at(0), &policy), after(entry(7), Outcome::Deferred, at(0), &policy));
        times.sort_unstable();
        // No second of the minute takes more than a few of the thousand.
        for second in 300..360 {
            let count = times.iter().filter(|time| **time / 1_000 == second).count();
            assert!((4..40).contains(&count), "{count} in second {second}");
        }
    }

    #[test]
    fn a_rule_may_give_up_sooner_or_later() {
        for (hours, state) in [(1, State::Exhausted), (48, State::Queued)] {
            let entry = Entry { give_up_after: Some(Duration::from_secs(hours * 3_600)), attempt_count: 4, ..entry(1) };
            assert_eq!(after(entry, Outcome::Deferred, at(60), &RetryPolicy::default()).state, state);
        }
    }

    #[test]
    fn waits_grow_until_the_deadline() {
        let policy = RetryPolicy::default();
        let mut now = 0;
        let mut attempts = vec![];
        for attempt_count in 0.. {
            let entry = Entry { attempt_count, ..entry(0) };
            let next = after(entry, Outcome::Deferred, at(now), &policy);
            let Some(next_at) = next.next_attempt_at else {
                assert_eq!(next.state, State::Exhausted);
                break;
            };
            assert_eq!(next.state, State::Queued);
            let wait = policy.waits[(attempt_count as usize).min(3)].as_secs() as i64 / 60;
            let waited = next_at.as_second() / 60 - now;
            assert!((wait..=wait + wait / 5).contains(&waited), "{waited} min instead of {wait}");
            now += waited;
            attempts.push(now);
        }
        assert!((6..=8).contains(&attempts.len()) && attempts.iter().all(|minutes| *minutes <= 24 * 60), "{attempts:?}");
    }

    #[test]
    fn only_what_did_not_leave_is_tried_again() {
        let entry = entry(0);
        for (outcome, state) in [
            (Outcome::Accepted, State::Accepted),
            (Outcome::Refused, State::Refused),
            (Outcome::Unsuited, State::Refused),
            (Outcome::Unknown, State::Unknown),
            (Outcome::Deferred, State::Queued),
            (Outcome::ServerFault, State::Queued),
            (Outcome::NotRecorded, State::Queued),
        ] {
            assert_eq!(after(entry, outcome, at(1), &RetryPolicy::default()).state, state, "{outcome:?}");
        }
    }
}
