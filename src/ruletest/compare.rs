//! What was expected against what came: differences in words, each at the place of what was expected.
//!
//! Mails are paired so that as little as possible differs; one that is left over on either side is a difference of its own.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::domain::date::{Date, ISO};
use crate::domain::money::{Currency, plain};
use crate::domain::problem::Place;
use crate::domain::variable::Variable;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::ruletest::{Days, ExpectedMail, ExpectedNothing, Played, Stretch};
use crate::yaml;

/// The most characters of a mail's text that a difference shows.
const SHOWN_MAX: usize = 400;

/// What came of a stretch.
#[derive(Clone, Debug, Default)]
pub struct Came {
    /// The mails.
    pub mails: Vec<CameMail>,
    /// The decisions for nothing.
    pub decisions: Vec<CameDecision>,
}

/// A mail that came.
#[derive(Clone, Debug)]
pub struct CameMail {
    /// On which day.
    pub on: Date,
    /// Of which rule.
    pub rule: String,
    /// To whom.
    pub customer: String,
    /// Its level, `statement` or `notice`.
    pub level: String,
    /// Which mail at that level.
    pub repeat: u16,
    /// Its documents, each with the level it reaches.
    pub items: Vec<(String, String)>,
    /// About how much.
    pub total: Decimal,
    /// In which currency.
    pub currency: Currency,
    /// Under which sender.
    pub from: String,
    /// To which addresses.
    pub to: Vec<String>,
    /// Visible copies.
    pub cc: Vec<String>,
    /// Invisible copies.
    pub bcc: Vec<String>,
    /// Its subject; empty where it is blocked.
    pub subject: String,
    /// Its text part; empty where it is blocked.
    pub text: String,
    /// What its template was given.
    pub variables: BTreeMap<String, Variable>,
    /// Why it is blocked, with the fault's own words.
    pub blocked: Option<(BlockReason, String)>,
}

/// A decision that came, as far as it was for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameDecision {
    /// On which day.
    pub on: Date,
    /// Of which rule.
    pub rule: String,
    /// For whom.
    pub customer: String,
    /// Why; `None` where there is a mail, about other documents.
    pub reason: Option<DeclineReason>,
    /// The documents it was about that are in no mail, each with its own reason.
    pub items: Vec<(String, DeclineReason)>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Where the expectation stands.
    pub place: Place,
    /// On which day: `2026-03-09 (Monday, day 8)`.
    pub on: String,
    /// What differs.
    pub about: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// Returns how what came of a stretch differs from what was expected.
pub fn compare(stretch: &Stretch, came: &Came, days: Days) -> Vec<Difference> {
    let view = View { stretch, came, days };
    let mut differences = view.mails();
    differences.extend(stretch.expected.nothings.iter().filter_map(|nothing| view.nothing(nothing)));
    differences
}

struct View<'v> {
    stretch: &'v Stretch,
    came: &'v Came,
    days: Days,
}

impl View<'_> {
    fn mails(&self) -> Vec<Difference> {
        let expected = &self.stretch.expected.mails;
        // All pairs, the nearest first; which one is taken where several are as near is told by the order of the file.
        let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
        for (place, mail) in expected.iter().enumerate() {
            for (other, came) in self.came.mails.iter().enumerate().filter(|(_, came)| self.may_be(mail, came)) {
                pairs.push((distance(mail, came), place, other));
            }
        }
        pairs.sort_unstable();
        let (mut paired, mut taken) = (BTreeMap::new(), BTreeSet::new());
        for (_, place, other) in pairs {
            if !paired.contains_key(&place) && taken.insert(other) {
                paired.insert(place, other);
            }
        }
        let mut differences = Vec::new();
        for (place, mail) in expected.iter().enumerate() {
            match paired.get(&place) {
                Some(other) => differences.extend(self.fields(mail, &self.came.mails[*other])),
                None => differences.push(self.missing(mail)),
            }
        }
        let left = self.came.mails.iter().enumerate().filter(|(other, _)| !taken.contains(other));
        differences.extend(left.map(|(_, came)| Difference {
            place: self.stretch.place.clone(),
            on: self.day(came.on),
            about: "a mail that nobody expected".to_owned(),
            expected: "nothing".to_owned(),
            got: came_words(came),
        }));
        differences
    }

    /// Returns whether a mail can be the one expected: what is looked for is this customer's on this day.
    fn may_be(&self, mail: &ExpectedMail, came: &CameMail) -> bool {
        mail.on.is_none_or(|on| on == came.on)
            && mail.customer.as_ref().is_none_or(|id| id.as_str() == came.customer)
            && mail.rule.as_ref().is_none_or(|id| id.as_str() == came.rule)
            && mail.currency.is_none_or(|currency| currency == came.currency)
    }

    fn missing(&self, mail: &ExpectedMail) -> Difference {
        let on = mail.on.unwrap_or(self.stretch.span.first());
        let reasons = self.reasons(on, |decision| {
            mail.customer.as_ref().is_none_or(|id| id.as_str() == decision.customer)
                && mail.rule.as_ref().is_none_or(|id| id.as_str() == decision.rule)
        });
        Difference {
            place: mail.place.clone(),
            on: self.day(on),
            about: "a mail".to_owned(),
            expected: expected_words(mail),
            got: if reasons.is_empty() { "nothing".to_owned() } else { format!("nothing: {reasons}") },
        }
    }

    fn nothing(&self, nothing: &ExpectedNothing) -> Option<Difference> {
        let on = nothing.on.unwrap_or(self.stretch.span.first());
        let is_meant = |decision: &&CameDecision| {
            decision.on == on
                && nothing.customer.as_ref().is_none_or(|id| id.as_str() == decision.customer)
                && nothing.rule.as_ref().is_none_or(|id| id.as_str() == decision.rule)
        };
        let is_so = |decision: &CameDecision| match &nothing.invoice {
            None => decision.reason == Some(nothing.reason),
            Some(number) => decision.items.iter().any(|(own, reason)| own == number.as_str() && *reason == nothing.reason),
        };
        let mut all = self.came.decisions.iter().filter(is_meant);
        if all.any(is_so) {
            return None;
        }
        let about = match &nothing.invoice {
            None => "no mail, and why".to_owned(),
            Some(number) => format!("no mail about {number}, and why"),
        };
        let reasons = match &nothing.invoice {
            None => self.reasons(on, |decision| is_meant(&decision)),
            Some(number) => {
                let all = self.came.decisions.iter().filter(is_meant).flat_map(|decision| &decision.items);
                let own = all.filter(|(own, _)| own == number.as_str());
                list(own.map(|(_, reason)| reason_words(*reason)))
            }
        };
        let mails = self
            .came
            .mails
            .iter()
            .filter(|came| came.on == on && nothing.customer.as_ref().is_none_or(|id| id.as_str() == came.customer));
        let got = if reasons.is_empty() { list(mails.map(came_words)) } else { reasons };
        Some(Difference {
            place: nothing.place.clone(),
            on: self.day(on),
            about,
            expected: reason_words(nothing.reason),
            got: if got.is_empty() { "no decision at all: no rule fires, or there is nobody".to_owned() } else { got },
        })
    }

    fn reasons(&self, on: Date, is_meant: impl Fn(&CameDecision) -> bool) -> String {
        let all = self.came.decisions.iter().filter(|decision| decision.on == on && is_meant(decision));
        list(all.filter_map(|decision| decision.reason).map(reason_words))
    }

    fn fields(&self, mail: &ExpectedMail, came: &CameMail) -> Vec<Difference> {
        let of = format!("the mail `{}` to {}", came.level, came.customer);
        let differences = field_differences(mail, came).into_iter();
        let difference = |(about, expected, got): (String, String, String)| Difference {
            place: mail.place.clone(),
            on: self.day(came.on),
            about: format!("{of}: {about}"),
            expected,
            got,
        };
        differences.map(difference).collect()
    }

    fn day(&self, on: Date) -> String {
        let number = self.days.number(on);
        let is_far = matches!(self.stretch.span, Played::Day(_)) && number.abs() > 400;
        let counted = if is_far { String::new() } else { format!(", day {number}") };
        format!("{} ({}{counted})", on.strftime(ISO), on.strftime("%A"))
    }
}

/// Returns how far a mail is from the one expected: another level or other items weigh more than a text.
fn distance(mail: &ExpectedMail, came: &CameMail) -> usize {
    let differences = field_differences(mail, came);
    let weight = |about: &str| if about == "level" || about == "items" { 10 } else { 1 };
    differences.iter().map(|(about, ..)| weight(about)).sum()
}

/// Returns what differs: the field, what was expected, what came.
fn field_differences(mail: &ExpectedMail, came: &CameMail) -> Vec<(String, String, String)> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    let mut differ = |about: &str, expected: String, got: String| found.push((about.to_owned(), expected, got));
    let blocked = |reason: Option<BlockReason>| reason.map_or("not blocked", BlockReason::as_str).to_owned();
    let came_blocked = came.blocked.as_ref().map(|(reason, _)| *reason);
    if mail.blocked != came_blocked {
        let detail = came.blocked.as_ref().map(|(reason, detail)| match detail.is_empty() {
            true => format!("blocked: {} ({})", reason.as_str(), reason.sentence()),
            false => format!("blocked: {} ({detail})", reason.as_str()),
        });
        differ("state", blocked(mail.blocked), detail.unwrap_or_else(|| blocked(None)));
    }
    if mail.level != came.level {
        differ("level", mail.level.clone(), came.level.clone());
    }
    if mail.repeat != came.repeat {
        let words = |repeat: u16| if repeat == 0 { "the first mail of the level".to_owned() } else { format!("repeat {repeat}") };
        differ("repeat", words(mail.repeat), words(came.repeat));
    }
    if let Some(items) = &mail.items {
        let has_levels = items.iter().any(|(_, level)| level.is_some());
        let words = |number: &str, level: Option<&str>| match level.filter(|_| has_levels) {
            Some(level) => format!("{number} ({level})"),
            None => number.to_owned(),
        };
        let expected: BTreeSet<String> = items.iter().map(|(number, level)| words(number.as_str(), level.as_deref())).collect();
        let got: BTreeSet<String> = came.items.iter().map(|(number, level)| words(number, Some(level))).collect();
        if expected != got {
            differ("items", list(expected.into_iter()), list_or(got.into_iter(), "none"));
        }
    }
    if let Some(total) = mail.total.filter(|total| *total != came.total) {
        let words = |amount: Decimal| format!("{} {}", plain(amount, came.currency), came.currency);
        differ("total", words(total), words(came.total));
    }
    if let Some(from) = mail.from.as_ref().filter(|from| **from != came.from) {
        differ("from", from.clone(), came.from.clone());
    }
    for (role, expected, got) in [("to", &mail.to, &came.to), ("cc", &mail.cc, &came.cc), ("bcc", &mail.bcc, &came.bcc)] {
        let set = |list: &[String]| -> BTreeSet<String> { list.iter().map(|address| address.to_lowercase()).collect() };
        if let Some(expected) = expected.as_ref().filter(|expected| set(expected) != set(got)) {
            differ(role, list_or(expected.iter().cloned(), "nobody"), list_or(got.iter().cloned(), "nobody"));
        }
    }
    let (subject, text) = (one_line(&came.subject), one_line(&came.text));
    for (about, wanted, is) in [("subject", &mail.subject, &subject), ("text", &mail.text, &text)] {
        for part in wanted.iter().filter(|part| !is.contains(&one_line(part))) {
            differ(about, format!("… {part} …"), shown(is));
        }
    }
    for part in mail.without.iter().map(|part| one_line(part)).filter(|part| subject.contains(part) || text.contains(part)) {
        let is = if subject.contains(&part) { &subject } else { &text };
        differ("text", format!("nothing of \"{part}\""), around(is, &part));
    }
    for (name, value) in &mail.variables {
        match came.variables.get(name) {
            Some(got) if yaml::is_written(value, got) => {}
            got => {
                let got = got.map_or_else(|| "no such variable".to_owned(), yaml::words);
                differ(&format!("variable `{name}`"), yaml::written(value), got);
            }
        }
    }
    found
}

fn expected_words(mail: &ExpectedMail) -> String {
    let mut words = format!("the mail `{}`", mail.level);
    if mail.repeat > 0 {
        words += &format!(" (repeat {})", mail.repeat);
    }
    if let Some(customer) = &mail.customer {
        words += &format!(" to {customer}");
    }
    if let Some(items) = &mail.items {
        words += &format!(" about {}", list(items.iter().map(|(number, _)| number.to_string())));
    }
    words
}

fn came_words(came: &CameMail) -> String {
    let repeat = if came.repeat > 0 { format!(" (repeat {})", came.repeat) } else { String::new() };
    let about = list_or(came.items.iter().map(|(number, _)| number.clone()), "nothing in particular");
    let total = format!("{} {}", plain(came.total, came.currency), came.currency);
    let blocked = came.blocked.as_ref().map_or(String::new(), |(reason, _)| format!(", blocked: {}", reason.as_str()));
    format!("the mail `{}`{repeat} of rule `{}` to {} about {about}, {total}{blocked}", came.level, came.rule, came.customer)
}

fn reason_words(reason: DeclineReason) -> String {
    format!("{} ({})", reason.as_str(), reason.sentence())
}

/// Returns different texts with commas between them.
fn list(texts: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all.join(", ")
}

fn list_or(texts: impl Iterator<Item = String>, none: &str) -> String {
    let all = list(texts);
    if all.is_empty() { none.to_owned() } else { all }
}

/// Returns a text on one line, one space between words: where a mail breaks its lines says nothing.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        _ if text.is_empty() => "no text".to_owned(),
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns what stands around a part of a text.
fn around(text: &str, part: &str) -> String {
    let Some(at) = text.find(part) else { return shown(text) };
    let before: String = text[..at].chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
    let after: String = text[at + part.len()..].chars().take(40).collect();
    format!("… {before}{part}{after} …")
}
