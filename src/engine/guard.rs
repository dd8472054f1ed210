//! What is usual for a rule: the measure for a run that is far too large, and for a rule that has gone silent.
//!
//! Both look at the rule's own past alone. A rule that is young, or that has mails on some days only, has no usual.

use crate::store::guards::RuleDay;

/// How many past runs, or days with runs, are looked at.
pub const USUAL_RUNS_MAX: usize = 20;
/// How many there must be before anything is usual.
pub const USUAL_RUNS_MIN: usize = 5;

/// Returns how many mails a run usually has: the median of those `counts` (of two in the middle the smaller), which are of runs
/// that had any; `None` below [`USUAL_RUNS_MIN`].
///
/// The median, since one flood in the past must not make the next one usual.
pub fn usual(counts: &[u64]) -> Option<u64> {
    if counts.len() < USUAL_RUNS_MIN {
        return None;
    }
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    Some(sorted[(sorted.len() - 1) / 2])
}

/// Of how many days in a hundred a rule has mails that usually has some.
const USUAL_PERCENT: usize = 80;

/// Returns whether a rule has gone silent, by its last `days` with runs, newest first: it has no mail any more, and on most of the
/// days before it had. After [`USUAL_RUNS_MAX`] days without a mail that is what is usual.
///
/// Days and not runs, since a second run of a day finds everything done. A day that may have more runs to come is not judged.
pub fn is_silent(days: &[RuleDay]) -> bool {
    let silent = days.iter().take_while(|day| day.message_count == 0).count();
    let before = &days[silent..(silent + USUAL_RUNS_MAX).min(days.len())];
    if silent == 0 || before.len() < USUAL_RUNS_MIN {
        return false;
    }
    let mut run_counts: Vec<u64> = before.iter().map(|day| day.run_count).collect();
    run_counts.sort_unstable();
    let is_going_on = days[0].run_count < run_counts[(run_counts.len() - 1) / 2];
    let silent = silent - usize::from(is_going_on);
    let with_mails = before.iter().filter(|day| day.message_count > 0).count();
    (1..=USUAL_RUNS_MAX).contains(&silent) && with_mails * 100 >= before.len() * USUAL_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::date::Timestamp;

    #[test]
    fn the_usual_number_is_the_median_and_no_flood_moves_it() {
        for (counts, expected) in [
            (&[7, 7, 7, 7][..], None),
            (&[3, 900, 5, 4, 1][..], Some(4)),
            (&[3, 900, 5, 4, 1, 6][..], Some(4)),
            (&[800, 900, 3, 3, 3][..], Some(3)),
        ] {
            assert_eq!(usual(counts), expected, "{counts:?}");
        }
    }

    #[test]
    fn silent_is_who_usually_has_mails_and_has_none() {
        let days = |counts: &[u64]| -> Vec<RuleDay> {
            counts
                .iter()
                .map(|count| RuleDay { run_count: 1, message_count: *count, last_run_at: Timestamp::UNIX_EPOCH })
                .collect()
        };
        let runs = |silent: usize, before: usize| days(&[vec![0; silent], vec![4; before]].concat());
        for (found, expected) in [
            (runs(1, 5), true),
            (runs(1, 4), false),
            (runs(0, 30), false),
            (runs(20, 20), true),
            (runs(21, 20), false),
            // One day without in five is usual enough, two are not.
            (days(&[0, 4, 4, 4, 0, 4]), true),
            (days(&[0, 4, 0, 4, 0, 4]), false),
            (days(&[0; 30]), false),
        ] {
            assert_eq!(is_silent(&found), expected, "{found:?}");
        }
    }

    #[test]
    fn a_day_is_judged_once_it_has_had_as_many_runs_as_usual() {
        let day = |run_count, message_count| RuleDay { run_count, message_count, last_run_at: Timestamp::UNIX_EPOCH };
        let before = vec![day(3, 2); 5];
        let with = |today: Vec<RuleDay>| [today, before.clone()].concat();
        assert!(!is_silent(&with(vec![day(2, 0)])), "its mails may come with the third");
        assert!(is_silent(&with(vec![day(3, 0)])));
        assert!(is_silent(&with(vec![day(1, 0), day(3, 0)])), "yesterday had none");
        assert!(!is_silent(&with(vec![day(4, 1)])), "of several runs of a day one had a mail");
    }
}
