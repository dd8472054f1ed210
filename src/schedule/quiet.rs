//! Hours in which no mail leaves: `18:00-08:00`, by the clock of a place.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::domain::date::Timestamp;
use crate::schedule::TimeZoneName;

/// From a time of day until another, over midnight where the first is the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    until: Time,
}

/// Quiet hours by the clock of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    hours: QuietHours,
    zone: TimeZoneName,
}

impl QuietHours {
    /// Reads `18:00-08:00`; `None` where it is something else, or no time at all.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let hours = Self { from: time(from.trim())?, until: time(until.trim())? };
        (hours.from != hours.until).then_some(hours)
    }

    /// Returns these hours by the clock of `zone`.
    pub fn at(self, zone: TimeZoneName) -> Quiet {
        Quiet { hours: self, zone }
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.until.strftime("%H:%M"))
    }
}

impl Quiet {
    /// Returns when the hours end that `now` lies in, if it does.
    ///
    /// Over a change of the clocks the local times count: an end that the clocks leave out is the first moment after the
    /// gap, one that they bring twice is the first of the two.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned(self.zone.zone().clone());
        let (time, today) = (local.time(), local.date());
        let QuietHours { from, until } = self.hours;
        let ends_on = match (from < until, time >= from, time < until) {
            (true, true, true) | (false, _, true) => today,
            (false, true, false) => today.tomorrow().ok()?,
            _ => return None,
        };
        // Within the hour that comes twice the end may lie before.
        self.instant(ends_on, until).filter(|end| *end > now)
    }

    /// Returns when the last quiet hours before `now` ended.
    pub fn last_end(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.zone().clone()).date();
        let days = [Some(today), today.yesterday().ok()];
        days.into_iter().flatten().filter_map(|day| self.instant(day, self.hours.until)).find(|end| *end <= now)
    }

    fn instant(&self, day: Date, time: Time) -> Option<Timestamp> {
        let zone: &TimeZone = self.zone.zone();
        zone.to_ambiguous_timestamp(day.to_datetime(time)).compatible().ok()
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
    };
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(hours: &str, zone: &str) -> Quiet {
        QuietHours::parse(hours).unwrap().at(TimeZoneName::parse(zone).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_have_one_spelling() {
        assert_eq!(QuietHours::parse("18:00 - 08:30").unwrap().to_string(), "18:00-08:30");
        for text in ["", "18-08", "18:00", "8:00-9:00", "24:00-08:00", "08:00-08:00", "18:00-08:00-09:00", "+1:00-08:00"] {
            assert_eq!(QuietHours::parse(text), None, "{text}");
        }
    }

    #[test]
    fn quiet_hours_end_at_their_local_time() {
        for (hours, now, end) in [
            ("18:00-08:00", "2026-11-20T16:59:59Z", None),
            ("18:00-08:00", "2026-11-20T17:00:00Z", Some("2026-11-21T07:00:00Z")),
            ("18:00-08:00", "2026-11-21T06:59:59Z", Some("2026-11-21T07:00:00Z")),
            ("18:00-08:00", "2026-11-21T07:00:00Z", None),
            ("12:00-13:00", "2026-11-21T11:30:00Z", Some("2026-11-21T12:00:00Z")),
            ("12:00-13:00", "2026-11-21T12:30:00Z", None),
            // The night in which the clocks go on, and the one in which they go back.
            ("18:00-08:00", "2027-03-27T20:00:00Z", Some("2027-03-28T06:00:00Z")),
            ("18:00-08:00", "2027-10-30T20:00:00Z", Some("2027-10-31T07:00:00Z")),
            // 02:30 does not exist that night, and exists twice in the other.
            ("22:00-02:30", "2027-03-28T00:30:00Z", Some("2027-03-28T01:30:00Z")),
            ("22:00-02:30", "2027-10-31T00:15:00Z", Some("2027-10-31T00:30:00Z")),
            ("22:00-02:30", "2027-10-31T01:15:00Z", None),
        ] {
            assert_eq!(quiet(hours, "Europe/Berlin").until(at(now)), end.map(at), "{hours} {now}");
        }
    }

    #[test]
    fn the_last_end_is_today_or_yesterday() {
        let quiet = quiet("18:00-08:00", "Europe/Berlin");
        assert_eq!(quiet.last_end(at("2026-11-21T09:00:00Z")), Some(at("2026-11-21T07:00:00Z")));
        assert_eq!(quiet.last_end(at("2026-11-21T05:00:00Z")), Some(at("2026-11-20T07:00:00Z")));
    }
}
