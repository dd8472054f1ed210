//! Rules against each other: of all reminders that would go to a customer on one day, the highest goes.
//!
//! A rule is the unit: where it mails invoice by invoice, its mails of the day stand or fall together. Which is the higher
//! one is told by the level that leads: the more days after the due date it comes, the higher; then the later repeat; then the
//! rule's id (docs/decisions/0025). A mail that is blocked takes the day from nobody.

use std::cmp::Reverse;
use std::ops::Range;

use crate::domain::date::{Date, DaySpan, DayUnit, days_between};
use crate::domain::id::RuleId;
use crate::domain::money::Currency;
use crate::plan::Subject;
use crate::plan::decide::Gathered;
use crate::plan::history::{MailKind, PastMail};
use crate::plan::ladder::DueStep;
use crate::plan::reason::DeclineReason;
use crate::rule::{ForEach, Limits, Reminder, Rule};

/// What a rule would do about one subject of a customer, before the rules are weighed.
pub(crate) struct Offer<'a> {
    /// The rule's place among the courses.
    pub(crate) course: usize,
    pub(crate) rule: &'a Rule,
    pub(crate) currency: Currency,
    /// The account's place among the customer's accounts.
    pub(crate) account: usize,
    pub(crate) subject: Subject,
    /// The documents it is about, among the account's.
    pub(crate) open: Range<usize>,
    /// The items of its mail, among those gathered.
    pub(crate) items: Range<usize>,
    /// The step that leads, and at which age of an item its level is due.
    pub(crate) lead: (DueStep, i32),
    pub(crate) gathered: Gathered,
}

/// How high a mail stands; the greatest goes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'a> {
    /// Whether none of its kind is blocked in the outbox: one that could not be composed keeps nobody else waiting.
    is_sound: bool,
    due_age: i32,
    repeat: u16,
    rule: Reverse<&'a RuleId>,
}

impl<'a> Offer<'a> {
    fn is_mail(&self) -> bool {
        matches!(self.gathered, Gathered::Message { blocked: None, .. })
    }

    fn rank(&self, is_blocked: &dyn Fn(&Offer<'_>) -> bool) -> Rank<'a> {
        Rank { is_sound: !is_blocked(self), due_age: self.lead.1, repeat: self.lead.0.repeat, rule: Reverse(&self.rule.id) }
    }
}

/// Lets the highest of a customer's mails stand in each currency, with all others of its rule; where there is a contact gap,
/// one rule goes in all currencies. The rest stands back for it. `is_blocked` tells whether a mail of its kind is blocked in the
/// outbox.
pub(crate) fn weigh(offers: &mut [Offer<'_>], limits: &Limits, is_blocked: &dyn Fn(&Offer<'_>) -> bool) {
    let mails = || offers.iter().filter(|offer| offer.is_mail());
    if mails().map(|offer| offer.course).min() == mails().map(|offer| offer.course).max() {
        return;
    }
    let highest = |currency: Option<Currency>| {
        let rivals = mails().filter(|offer| currency.is_none_or(|currency| offer.currency == currency));
        rivals.max_by_key(|offer| offer.rank(is_blocked)).map(|offer| offer.rule.id.clone())
    };
    if limits.contact_gap.days.count() > 0 {
        let Some(winner) = highest(None) else { return };
        let mut taken: Vec<Currency> = mails().filter(|offer| offer.rule.id == winner).map(|offer| offer.currency).collect();
        taken.sort_unstable();
        taken.dedup();
        for offer in offers.iter_mut().filter(|offer| offer.is_mail() && offer.rule.id != winner) {
            let is_taken = taken.contains(&offer.currency);
            let reason = if is_taken { DeclineReason::Outranked } else { DeclineReason::ContactGap };
            offer.gathered = Gathered::Yielded(reason, winner.clone());
        }
        return;
    }
    // A customer has few currencies, and may have many thousand offers.
    let mut currencies: Vec<Currency> = mails().map(|offer| offer.currency).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let winners: Vec<(Currency, Option<RuleId>)> = currencies.into_iter().map(|own| (own, highest(Some(own)))).collect();
    for offer in offers.iter_mut().filter(|offer| offer.is_mail()) {
        let winner = winners.iter().find(|(currency, _)| *currency == offer.currency).and_then(|(_, rule)| rule.clone());
        if let Some(winner) = winner.filter(|winner| *winner != offer.rule.id) {
            offer.gathered = Gathered::Yielded(DeclineReason::Outranked, winner);
        }
    }
}

/// What has been sent to a customer, or is about to be, as it bears on a plan's day.
#[derive(Clone, Copy)]
pub(crate) struct PastMails<'a> {
    /// Those on record, and those a forecast has imagined.
    pub(crate) all: [&'a [PastMail]; 2],
    pub(crate) limits: &'a Limits,
    pub(crate) as_of: Date,
    /// The run that is planned a second time.
    pub(crate) own_run: Option<i64>,
    /// The rule that sends a statement on this day.
    pub(crate) statement: Option<&'a RuleId>,
}

impl<'a> PastMails<'a> {
    /// Returns whose mail is too near for a reminder of `rule`.
    pub(crate) fn too_near(&self, rule: &Rule) -> Option<&'a RuleId> {
        if self.limits.contact_gap.days.count() == 0 {
            return None;
        }
        let is_near = |mail: &&PastMail| match self.is_of_today(mail) {
            // The mails of one rule on one day are one mail.
            true => mail.kind == MailKind::Statement || !rule.is_known_as(&mail.rule),
            false => {
                let is_own = mail.run.is_some() && mail.run == self.own_run;
                !is_own && is_within(self.limits.contact_gap, mail.on, self.as_of, self.limits)
            }
        };
        self.statement.or_else(|| self.all.into_iter().flatten().find(is_near).map(|mail| &mail.rule))
    }

    /// Returns whose reminder in `currency` has the day already. Only a rule that mails invoice by invoice goes on with the
    /// day it has.
    pub(crate) fn day_taken(&self, rule: &Rule, reminder: &Reminder, currency: Currency) -> Option<&'a RuleId> {
        let takes = |mail: &&PastMail| {
            mail.kind == MailKind::Reminder
                && mail.currency == currency
                && self.is_of_today(mail)
                && !(reminder.for_each == ForEach::Invoice && rule.is_known_as(&mail.rule))
        };
        self.all.into_iter().flatten().find(takes).map(|mail| &mail.rule)
    }

    fn is_of_today(&self, mail: &PastMail) -> bool {
        mail.is_queued || mail.on == self.as_of
    }
}

/// Returns whether less than the gap has passed since `last`. A day later than the plan's, as a replay of the past meets it,
/// is too near as well.
fn is_within(gap: DaySpan, last: Date, as_of: Date, limits: &Limits) -> bool {
    let passed = match gap.unit {
        DayUnit::Calendar => days_between(last, as_of),
        DayUnit::Business => limits.calendar.business_days_between(last, as_of),
    };
    passed < gap.days.count() || last > as_of
}
