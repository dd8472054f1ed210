//! Which reasons have begun and ended, and what was told of each: memory, kept in step with the store by `watch`.
//!
//! Pure: reasons and an instant go in. A reason has begun once it has stood for a moment, and is over once it has been gone
//! for a while: what comes and goes is not told each time.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::domain::date::Timestamp;
use crate::engine::status::{Reason, ReasonKind};
use crate::store::alerts::AlertRow;

/// How long a reason stands before it has begun: what happens together is told together.
pub(crate) const SETTLE: SignedDuration = SignedDuration::from_secs(5);
/// The same where the next try a minute later may find it mended: an export that is being written.
pub(crate) const SETTLE_LONG: SignedDuration = SignedDuration::from_secs(90);
/// The longest that what has begun waits for others to be told with.
pub(crate) const TOGETHER_MAX: SignedDuration = SignedDuration::from_secs(15);
/// How long a reason is gone before it is over; a daemon that has just started must first find its faults again.
pub(crate) const GONE_AFTER: SignedDuration = SignedDuration::from_secs(120);
/// How long after its end something that could not be told is still worth telling.
pub(crate) const TOLD_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// By what persons are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// By mail.
    Mail,
    /// By a plugin's program.
    Plugin,
}

/// One thing that needs a person, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: ReasonKind,
    pub(crate) row: AlertRow,
    /// Whether the store has it as it is.
    is_kept: bool,
}

impl Entry {
    fn told(&mut self, way: Way) -> (&mut Option<Timestamp>, &mut Option<Timestamp>) {
        match way {
            Way::Mail => (&mut self.row.begin_mailed_at, &mut self.row.end_mailed_at),
            Way::Plugin => (&mut self.row.begin_plugged_at, &mut self.row.end_plugged_at),
        }
    }

    fn is_told(&self, way: Way) -> (bool, bool) {
        match way {
            Way::Mail => (self.row.begin_mailed_at.is_some(), self.row.end_mailed_at.is_some()),
            Way::Plugin => (self.row.begin_plugged_at.is_some(), self.row.end_plugged_at.is_some()),
        }
    }

    fn is_worth_telling(&self, now: Timestamp) -> bool {
        self.row.ended_at.is_none_or(|ended_at| now.duration_since(ended_at) < TOLD_WITHIN)
    }
}

/// What is to be told one way at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    /// What has begun and stands.
    pub(crate) begun: Vec<Entry>,
    /// What is over, told of before or not.
    pub(crate) ended: Vec<Entry>,
    /// What stands besides, and was told of before.
    pub(crate) standing: Vec<Entry>,
}

/// What a look at the reasons changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turned {
    pub(crate) begun: Vec<Entry>,
    pub(crate) ended: Vec<Entry>,
}

/// All that is known of one mode.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) mode: &'static str,
    entries: Vec<Entry>,
    /// Reasons that stand and have not begun, and since when.
    coming: BTreeMap<(ReasonKind, String), Timestamp>,
    /// Reasons that have begun and are gone, and since when.
    going: BTreeMap<(ReasonKind, String), Timestamp>,
}

impl Book {
    /// Takes up what the store has; kinds that this release does not know are left alone.
    pub(crate) fn new(mode: &'static str, rows: Vec<AlertRow>) -> Self {
        let entry = |row: AlertRow| Some(Entry { kind: ReasonKind::parse(&row.kind)?, row, is_kept: true });
        let entries = rows.into_iter().filter_map(entry).collect();
        Self { mode, entries, coming: BTreeMap::new(), going: BTreeMap::new() }
    }

    /// Takes in the reasons there are at `now`, and returns what has begun and ended by them.
    pub(crate) fn take(&mut self, reasons: &[Reason], now: Timestamp) -> Turned {
        let mut turned = Turned::default();
        let mut there: BTreeMap<(ReasonKind, String), &str> = BTreeMap::new();
        for reason in reasons.iter().filter(|reason| reason.kind.is_told()) {
            there.entry((reason.kind, reason.about.clone())).or_insert(&reason.words);
        }
        // Where the database cannot be read, nobody knows what its messages are.
        let is_blind = reasons.iter().any(|reason| reason.kind == ReasonKind::StoreUnreadable);
        for entry in self.entries.iter_mut().filter(|entry| entry.row.ended_at.is_none()) {
            let key = (entry.kind, entry.row.about.clone());
            if there.remove(&key).is_some() || (is_blind && entry.kind.is_of_outbox()) {
                self.going.remove(&key);
                continue;
            }
            let gone_since = *self.going.entry(key.clone()).and_modify(|since| *since = (*since).min(now)).or_insert(now);
            if now.duration_since(gone_since) >= GONE_AFTER {
                self.going.remove(&key);
                (entry.row.ended_at, entry.is_kept) = (Some(gone_since), false);
                turned.ended.push(entry.clone());
            }
        }
        self.coming.retain(|key, _| there.contains_key(key));
        for (key, words) in there {
            // A clock that was set back begins the wait anew.
            let since = *self.coming.entry(key.clone()).and_modify(|since| *since = (*since).min(now)).or_insert(now);
            if now.duration_since(since) < settle(key.0) {
                continue;
            }
            self.coming.remove(&key);
            let (kind, about) = key;
            let row = AlertRow {
                kind: kind.as_str().to_owned(),
                about,
                began_at: since,
                words: words.to_owned(),
                ended_at: None,
                begin_mailed_at: None,
                begin_plugged_at: None,
                end_mailed_at: None,
                end_plugged_at: None,
            };
            self.entries.push(Entry { kind, row, is_kept: false });
            turned.begun.extend(self.entries.last().cloned());
        }
        turned
    }

    /// Returns whether something is on its way in or out, so that a look is due soon.
    pub(crate) fn is_settling(&self) -> bool {
        !self.coming.is_empty() || !self.going.is_empty()
    }

    /// Returns what is to be told one way at `now`; `None`: nothing, or what has begun waits for others a moment.
    pub(crate) fn untold(&self, way: Way, now: Timestamp) -> Option<Untold> {
        let mut untold = Untold::default();
        for entry in self.entries.iter().filter(|entry| entry.is_worth_telling(now)) {
            match (entry.row.ended_at, entry.is_told(way)) {
                (None, (false, _)) => untold.begun.push(entry.clone()),
                (None, (true, _)) => untold.standing.push(entry.clone()),
                (Some(_), (_, false)) => untold.ended.push(entry.clone()),
                (Some(_), (_, true)) => {}
            }
        }
        let first = untold.begun.iter().map(|entry| entry.row.began_at).min();
        let waits_for_others = first.is_some_and(|first| {
            let soon = |kind: ReasonKind| settle(kind) == SETTLE;
            self.coming.keys().any(|(kind, _)| soon(*kind)) && now.duration_since(first) < TOGETHER_MAX
        });
        let is_nothing = untold.begun.is_empty() && untold.ended.is_empty();
        (!waits_for_others && !is_nothing).then_some(untold)
    }

    /// Notes that this was told.
    pub(crate) fn mark(&mut self, way: Way, told: &Untold, now: Timestamp) {
        for entry in &mut self.entries {
            let is = |other: &Entry| {
                (other.kind, &other.row.about, other.row.began_at) == (entry.kind, &entry.row.about, entry.row.began_at)
            };
            let (is_begun, is_ended) = (told.begun.iter().any(is), told.ended.iter().any(is));
            if is_begun || is_ended {
                let (begin, end) = entry.told(way);
                begin.get_or_insert(now);
                if is_ended {
                    end.get_or_insert(now);
                }
                entry.is_kept = false;
            }
        }
    }

    /// Returns the rows that the store does not have as they are.
    pub(crate) fn unkept(&self) -> Vec<AlertRow> {
        self.entries.iter().filter(|entry| !entry.is_kept).map(|entry| entry.row.clone()).collect()
    }

    /// Notes that the store has all rows as they are, and lets go of what is over and told by all these ways, or too old to be.
    pub(crate) fn kept(&mut self, ways: &[Way], now: Timestamp) {
        self.entries.iter_mut().for_each(|entry| entry.is_kept = true);
        let is_open = |entry: &Entry| ways.iter().any(|way| !entry.is_told(*way).1);
        self.entries.retain(|entry| entry.row.ended_at.is_none() || (entry.is_worth_telling(now) && is_open(entry)));
    }
}

fn settle(kind: ReasonKind) -> SignedDuration {
    if kind == ReasonKind::LedgerUnreadable { SETTLE_LONG } else { SETTLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn reason(kind: ReasonKind, about: &str) -> Reason {
        Reason { kind, about: about.to_owned(), words: format!("{about} is wrong") }
    }

    const PAUSED: ReasonKind = ReasonKind::RulePaused;

    /// Returns what was told by mail: at each of these seconds the book sees the reasons about these, and tells at once.
    fn told(looks: &[(i64, &[&str])]) -> Vec<String> {
        let mut book = Book::new("live", vec![]);
        let mut lines = vec![];
        for (second, about) in looks {
            let reasons: Vec<Reason> = about.iter().map(|about| reason(PAUSED, about)).collect();
            book.take(&reasons, at(*second));
            if let Some(untold) = book.untold(Way::Mail, at(*second)) {
                let names =
                    |entries: &[Entry]| entries.iter().map(|entry| entry.row.about.as_str()).collect::<Vec<_>>().join(" ");
                lines.push(format!("{second}: +{} -{}", names(&untold.begun), names(&untold.ended)));
                book.mark(Way::Mail, &untold, at(*second));
                // As after a restart: only what the store has is known.
                book = Book::new("live", book.entries.into_iter().map(|entry| entry.row).collect());
            }
        }
        lines
    }

    #[test]
    fn each_reason_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let looks: &[(i64, &[&str])] =
            &[(0, &["a"]), (4, &["a"]), (5, &["a"]), (6, &["a"]), (600, &["a"]), (601, &[]), (720, &[]), (721, &[]), (900, &[])];
        assert_eq!(told(looks), ["5: +a -", "721: + -a"]);
    }

    #[test]
    fn what_comes_and_goes_is_not_told_each_time() {
        assert_eq!(told(&[(0, &["a"]), (4, &[]), (6, &["a"]), (10, &[]), (300, &[])]), [""; 0], "never stood for long");
        let flapping: &[(i64, &[&str])] = &[(0, &["a"]), (5, &["a"]), (60, &[]), (179, &["a"]), (240, &[]), (359, &["a"])];
        assert_eq!(told(flapping), ["5: +a -"], "never gone for long");
    }

    #[test]
    fn what_begins_together_is_told_together_but_nothing_waits_for_long() {
        let together: &[(i64, &[&str])] = &[(0, &["a"]), (3, &["a", "b"]), (5, &["a", "b"]), (8, &["a", "b"])];
        assert_eq!(told(together), ["8: +a b -"]);
        let endless: &[(i64, &[&str])] = &[(0, &["a"]), (4, &["a", "b"]), (8, &["a", "c"]), (12, &["a", "d"]), (15, &["a", "d"])];
        assert_eq!(told(endless), ["15: +a -"]);
    }

    #[test]
    fn what_could_not_be_told_before_it_was_over_is_told_then_and_a_day_later_no_more() {
        let mut book = Book::new("live", vec![]);
        for (second, is_there) in [(0, true), (5, true), (10, false), (130, false)] {
            let reasons = if is_there { vec![reason(PAUSED, "a")] } else { vec![] };
            book.take(&reasons, at(second));
        }
        let untold = book.untold(Way::Plugin, at(140)).unwrap();
        assert_eq!((untold.begun.len(), untold.ended.len()), (0, 1));
        assert_eq!(book.untold(Way::Plugin, at(10 + 86_400)), None);
        book.mark(Way::Plugin, &untold, at(140));
        assert_eq!(book.untold(Way::Plugin, at(141)), None);
        book.kept(&[Way::Plugin], at(141));
        assert!(book.entries.is_empty());
    }

    #[test]
    fn a_way_that_is_new_is_told_what_stands() {
        let mut book = Book::new("live", vec![]);
        for second in [0, 5] {
            book.take(&[reason(PAUSED, "a")], at(second));
        }
        let by_mail = book.untold(Way::Mail, at(5)).unwrap();
        book.mark(Way::Mail, &by_mail, at(5));
        book.kept(&[Way::Mail], at(5));
        assert_eq!(book.untold(Way::Mail, at(900)), None);
        assert_eq!(book.untold(Way::Plugin, at(900)).unwrap().begun.len(), 1);
    }

    #[test]
    fn a_database_that_cannot_be_read_ends_nothing_of_what_it_holds() {
        let mut book = Book::new("live", vec![]);
        let waits = reason(ReasonKind::UnknownWaits, "3");
        for second in [0, 5] {
            book.take(&[waits.clone(), reason(PAUSED, "a")], at(second));
        }
        let blind = [reason(ReasonKind::StoreUnreadable, "")];
        assert_eq!(book.take(&blind, at(10)).ended, []);
        let ended: Vec<ReasonKind> = book.take(&blind, at(130)).ended.iter().map(|entry| entry.kind).collect();
        assert_eq!(ended, [PAUSED]);
    }

    #[test]
    fn an_export_that_is_being_written_is_no_alert() {
        let mut book = Book::new("live", vec![]);
        let unreadable = reason(ReasonKind::LedgerUnreadable, "");
        for (second, begun) in [(0, 0), (60, 0), (89, 0), (90, 1)] {
            assert_eq!(book.take(std::slice::from_ref(&unreadable), at(second)).begun.len(), begun, "{second}");
        }
    }
}
