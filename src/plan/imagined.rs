//! What a forecast has sent one customer so far, and what it need not ask again.
//!
//! A plan of one day has none of this. It is kept for one customer at a time, in places instead of names, so that a million
//! invoices cost no more memory than those of the largest customer.

use std::ops::Range;

use compact_str::CompactString;

use crate::domain::date::Date;
use crate::domain::ledger::DocumentIndex;
use crate::domain::money::Currency;
use crate::plan::history::{Occasion, PastMail, Standing};
use crate::plan::ladder::{Past, Rung};
use crate::plan::reason::DeclineReason;
use crate::plan::{Matter, PlannedItem, PlannedMessage};

/// What is known of one item under one rule.
#[derive(Clone, Copy)]
struct Memory {
    /// Its past, real and imagined, once it was asked for.
    past: Option<Past>,
    /// The first day on which something but the ladder may object.
    unopposed_until: Date,
    rung: Rung,
    /// The first day on which `rung` may be another one.
    until: Date,
}

const UNKNOWN: Memory =
    Memory { past: None, unopposed_until: Date::MIN, rung: Rung::No(DeclineReason::NothingOpen), until: Date::MIN };

/// What has been imagined of one customer.
#[derive(Default)]
pub(crate) struct Imagined {
    /// Rule by rule, one for each document.
    items: Vec<Memory>,
    documents: Range<usize>,
    /// The days on which the ledger or a hold makes anything of the customer other than it was, in order.
    changes: Vec<Date>,
    /// By rule the first day on which it may have something to say.
    wakes: Vec<Date>,
    /// The mails that keep others away; [`Imagined::accept`] adds them.
    pub(crate) mails: Vec<PastMail>,
    occasions: Vec<(u16, Currency, CompactString)>,
    blocked: Vec<(u16, Currency, CompactString, Vec<PlannedItem>)>,
}

impl Imagined {
    /// Goes over to a customer with these documents, of whom anything changes on these days, under so many rules.
    pub(crate) fn begin(&mut self, documents: Range<usize>, changes: impl Iterator<Item = Date>, rule_count: usize) {
        self.items.clear();
        self.items.resize(rule_count * documents.len(), UNKNOWN);
        self.documents = documents;
        self.changes.clear();
        self.changes.extend(changes);
        self.changes.sort_unstable();
        self.wakes.clear();
        self.wakes.resize(rule_count, Date::MIN);
        self.mails.clear();
        self.occasions.clear();
        self.blocked.clear();
    }

    /// Returns whether a rule may have something to say on `day`.
    pub(crate) fn is_awake(&self, place: u16, day: Date) -> bool {
        self.wakes[usize::from(place)] <= day
    }

    /// Returns whether a rule may have something to say on `as_of`, and notes that it is asked then: as long as nothing else is
    /// said of it, it need not be before the ledger changes.
    pub(crate) fn wake(&mut self, place: u16, as_of: Date) -> bool {
        let is_awake = self.is_awake(place, as_of);
        if is_awake {
            self.wakes[usize::from(place)] = self.next_change(as_of);
        }
        is_awake
    }

    /// Notes that a rule may have something to say on `day`, if not earlier.
    pub(crate) fn wake_on(&mut self, place: u16, day: Date) {
        let wake = &mut self.wakes[usize::from(place)];
        *wake = day.min(*wake);
    }

    /// Returns what was said of an item, where it still holds.
    pub(crate) fn remembered(&mut self, place: u16, document: DocumentIndex, as_of: Date) -> Option<Rung> {
        let Memory { rung, until, .. } = *self.memory(place, document);
        (as_of < until).then(|| {
            self.note_wake(place, rung, until, as_of);
            rung
        })
    }

    /// Returns the past of an item, which `look_up` finds on record.
    pub(crate) fn past(&mut self, place: u16, document: DocumentIndex, look_up: impl FnOnce() -> Past) -> Past {
        *self.memory(place, document).past.get_or_insert_with(look_up)
    }

    /// Returns whether nothing but the ladder stands between an item and a mail on `as_of`, as far as is remembered.
    pub(crate) fn is_unopposed(&mut self, place: u16, document: DocumentIndex, as_of: Date) -> bool {
        as_of < self.memory(place, document).unopposed_until
    }

    /// Notes that nothing but the ladder does until the day `until`, unless the ledger changes before.
    pub(crate) fn remember_unopposed(&mut self, place: u16, document: DocumentIndex, until: Date, as_of: Date) {
        let until = until.min(self.next_change(as_of));
        self.memory(place, document).unopposed_until = until;
    }

    /// Notes what is said of an item; it holds until the day `until`, unless the ledger changes before.
    pub(crate) fn remember(&mut self, place: u16, document: DocumentIndex, rung: Rung, until: Date, as_of: Date) {
        let until = until.min(self.next_change(as_of));
        let memory = self.memory(place, document);
        let until = if matches!(rung, Rung::Due(_)) { until.min(memory.unopposed_until) } else { until };
        (memory.rung, memory.until) = (rung, until);
        self.note_wake(place, rung, until, as_of);
    }

    fn note_wake(&mut self, place: u16, rung: Rung, until: Date, as_of: Date) {
        // What is due and stands back for something is asked again each day.
        self.wake_on(place, if matches!(rung, Rung::Due(_)) { as_of } else { until });
    }

    /// Notes a mail as taken by a server.
    pub(crate) fn accept(
        &mut self,
        place: u16,
        message: &PlannedMessage,
        items: &[PlannedItem],
        as_of: Date,
        mail: Option<PastMail>,
    ) {
        match &message.matter {
            Matter::Reminder { .. } => {
                for item in items {
                    let memory = self.memory(place, item.document);
                    memory.past.get_or_insert_default().reach(item.step, as_of);
                    memory.until = Date::MIN;
                }
                self.wake_on(place, as_of);
            }
            Matter::Statement { .. } | Matter::Notice { .. } => {
                self.occasions.push((place, message.currency, message.occasion()));
            }
        }
        self.mails.extend(mail);
    }

    /// Notes a mail as blocked, and returns whether it is a new one: what cannot go today cannot tomorrow either.
    pub(crate) fn block(&mut self, place: u16, message: &PlannedMessage, items: &[PlannedItem]) -> bool {
        let (currency, occasion) = (message.currency, message.occasion());
        let is_new = !self
            .blocked
            .iter()
            .any(|(own, of, name, known)| (*own, *of, name, &known[..]) == (place, currency, &occasion, items));
        if is_new {
            self.blocked.push((place, currency, occasion, items.to_vec()));
        }
        is_new
    }

    /// Returns whether a mail of a rule in a currency is blocked.
    pub(crate) fn is_blocked(&self, place: u16, currency: Currency) -> bool {
        self.blocked.iter().any(|(own, of, ..)| (*own, *of) == (place, currency))
    }

    /// Returns where the mail of a period or event stands.
    pub(crate) fn standing(&self, place: u16, occasion: &Occasion) -> Option<Standing> {
        let is_it = |(own, currency, name): &(u16, Currency, CompactString)| {
            (*own, *currency, name) == (place, occasion.currency, &occasion.name)
        };
        self.occasions.iter().any(is_it).then_some(Standing::Accepted)
    }

    pub(crate) fn next_change(&self, as_of: Date) -> Date {
        let place = self.changes.partition_point(|day| *day <= as_of);
        self.changes.get(place).copied().unwrap_or(Date::MAX)
    }

    fn memory(&mut self, place: u16, document: DocumentIndex) -> &mut Memory {
        let within = document.0 as usize - self.documents.start;
        &mut self.items[usize::from(place) * self.documents.len() + within]
    }
}
