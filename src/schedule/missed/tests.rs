//! What becomes of firings that are past, under each policy.

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::*;

/// Returns firings on 1 March 2027, so many minutes before 12:00 UTC, which is now.
fn past(minutes: &[i64]) -> (Vec<Firing>, Timestamp) {
    let noon = date(2027, 3, 1).at(12, 0, 0, 0);
    let firing = |minutes: &i64| {
        let local = noon - jiff::SignedDuration::from_mins(*minutes);
        Firing { local, at: local.to_zoned(TimeZone::UTC).unwrap(), notes: vec![] }
    };
    (minutes.iter().map(firing).collect(), noon.to_zoned(TimeZone::UTC).unwrap().timestamp())
}

/// Returns the fates of firings so many minutes old, as words.
fn decided(minutes: &[i64], later: Later, policy: Missed, within_minutes: Option<u64>) -> Vec<&'static str> {
    let (firings, now) = past(minutes);
    let within = within_minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let found = fates(firings.clone(), later, policy, within, now);
    assert!(found.iter().map(|(firing, _)| firing).eq(&firings), "none is lost and the order stays");
    let word = |fate: &Fate| match fate {
        Fate::Run => "run",
        Fate::Missed(reason) => reason.as_str(),
    };
    found.iter().map(|(_, fate)| word(fate)).collect()
}

#[test]
fn every_past_firing_has_one_fate() {
    use Later::{More, None as Last};
    use Missed::{All, Latest, Skip};
    type Case = (&'static [i64], Later, Missed, Option<u64>, &'static [&'static str]);
    let cases: &[Case] = &[
        (&[], Last, All, None, &[]),
        // On time: five minutes late at most.
        (&[5], Last, Skip, None, &["run"]),
        (&[6], Last, Skip, None, &["skip"]),
        (&[120, 60, 3, 1], Last, Skip, None, &["skip", "skip", "run", "run"]),
        (&[120, 60], Last, Latest, None, &["superseded", "run"]),
        (&[120, 60], More, Latest, None, &["superseded", "superseded"]),
        (&[3, 1], Last, Latest, None, &["superseded", "run"]),
        (&[120, 60], Last, All, None, &["run", "run"]),
        (&[120, 60], More, All, None, &["run", "run"]),
        // The age limit, to the minute; it never touches what is on time.
        (&[121, 120, 60], Last, All, Some(120), &["too_old", "run", "run"]),
        (&[121, 120, 60], Last, Latest, Some(120), &["too_old", "superseded", "run"]),
        (&[300, 200], Last, Latest, Some(120), &["too_old", "too_old"]),
        (&[6, 4], Last, All, Some(1), &["too_old", "run"]),
    ];
    for (minutes, later, policy, within, expected) in cases {
        assert_eq!(decided(minutes, *later, *policy, *within), *expected, "{minutes:?} {later:?} {policy:?} {within:?}");
    }
}

#[test]
fn every_listed_word_is_read_and_no_other() {
    assert_eq!(Missed::WORDS.map(Missed::parse), [Some(Missed::Skip), Some(Missed::Latest), Some(Missed::All)]);
    assert_eq!(Missed::parse("Latest"), None);
}

#[test]
fn a_clock_that_went_back_makes_nothing_old() {
    let (firings, now) = past(&[-30]);
    assert_eq!(fates(firings, Later::None, Missed::Skip, None, now)[0].1, Fate::Run);
}
