//! What is usual for a rule: the measure for a run that is far too large, and for a rule that has gone silent.
//!
//! Both look at the rule's own past alone. A rule that is young, or that has mails on some days only, has no usual.

/// How many past runs are looked at.
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

/// Returns whether a rule whose last runs had so many mails, newest first, has gone silent: it has none any more, and every one of
/// the runs before did. After [`USUAL_RUNS_MAX`] runs without a mail that is what is usual.
pub fn is_silent(counts: &[u64]) -> bool {
    let silent = counts.iter().take_while(|count| **count == 0).count();
    let before = counts.iter().skip(silent).take(USUAL_RUNS_MAX);
    (1..=USUAL_RUNS_MAX).contains(&silent) && before.len() >= USUAL_RUNS_MIN && before.clone().all(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn silent_is_who_always_had_mails_and_has_none() {
        let runs = |silent: usize, before: usize| [vec![0; silent], vec![4; before]].concat();
        for (counts, expected) in [
            (runs(1, 5), true),
            (runs(1, 4), false),
            (runs(0, 30), false),
            (runs(20, 20), true),
            (runs(21, 20), false),
            (vec![0, 4, 4, 4, 0, 4, 4, 4], false),
            (vec![0; 30], false),
        ] {
            assert_eq!(is_silent(&counts), expected, "{counts:?}");
        }
    }
}
