//! What a change of rules does: two forecasts over the same receivables, compared mail by mail, and the texts of the mails that
//! both make.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Serialize;

use crate::domain::date::{Date, Timestamp};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::{Currency, plain};
use crate::engine::attach::Attachments;
use crate::engine::compose::Composer;
use crate::engine::forecast::{Foreseen, MailLine};
use crate::engine::lines::{LineChange, changes};
use crate::engine::workspace::Workspace;
use crate::plan::forced;
use crate::plan::forecast::ForeseenMail;
use crate::store::texts::KeptText;

/// The most mails that are composed on both sides to compare what they say.
pub const TEXTS_MAX: usize = 20_000;

/// One side of the comparison.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The workspace with its templates.
    pub workspace: &'a Workspace,
    /// What its rules would send.
    pub foreseen: &'a Foreseen,
}

/// What becomes of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is sent besides.
    Added,
    /// It is sent no more.
    Removed,
    /// Another rule or level leads it.
    Level,
    /// It goes on another day.
    Day,
    /// It is about other items, or another sum.
    Items,
    /// It is blocked on one side only.
    Blocked,
}

/// A mail that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What becomes of it.
    pub kind: ChangeKind,
    /// How it was.
    pub before: Option<MailLine>,
    /// How it will be.
    pub after: Option<MailLine>,
}

/// Mails and sums of a rule and level in one currency, on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SumChange {
    /// The rule's id.
    pub rule: String,
    /// The level's id; `statement` or `notice` of other rules.
    pub level: String,
    /// The currency.
    pub currency: String,
    /// Mails led by the level: before and after.
    pub mails: [u64; 2],
    /// What they ask for, as exact amounts: before and after.
    pub totals: [String; 2],
}

/// The text of a level's mails, which has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextChange {
    /// The rule's id.
    pub rule: String,
    /// The level's id; `statement` or `notice` of other rules.
    pub level: String,
    /// The language it is written in.
    pub language: String,
    /// The customer whose mail is shown, the first of them.
    pub customer: String,
    /// How many mails of these days read otherwise.
    pub mails: u64,
    /// Its head and its text, line by line.
    pub lines: Vec<LineChange>,
}

/// How much goes on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Mails that go.
    pub mails: u64,
    /// Mails that would be blocked.
    pub blocked: u64,
}

/// All that a change does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// On the first day: before and after.
    pub today: [Count; 2],
    /// On all days: before and after.
    pub all: [Count; 2],
    /// Customers who get mail, and got none.
    pub gaining: Vec<String>,
    /// Customers who get none, and got mail.
    pub losing: Vec<String>,
    /// What each rule and level comes to, where it changes.
    pub sums: Vec<SumChange>,
    /// The mails that change, in the order of days and customers.
    pub changes: Vec<Change>,
    /// The texts that change, one mail for each rule, level and language.
    pub texts: Vec<TextChange>,
    /// How many mails that both sides make were composed on both and compared whole.
    pub compared_count: usize,
    /// How many mails both sides make.
    pub common_count: usize,
    /// The files that differ, also where no mail of these days shows it.
    pub files: Vec<String>,
}

impl Difference {
    /// Returns whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.texts.is_empty() && self.today[0] == self.today[1] && self.all[0] == self.all[1]
    }
}

/// Compares two forecasts over the same ledger and days.
pub fn difference(before: Side<'_>, after: Side<'_>, now: Timestamp) -> Difference {
    let sides = [before.foreseen, after.foreseen];
    let counts = |on: Option<Date>| {
        sides.map(|side| {
            let mut count = Count::default();
            for mail in side.forecast.mails.iter().filter(|mail| on.is_none_or(|day| side.day(mail) == day)) {
                *(if mail.blocked.is_some() { &mut count.blocked } else { &mut count.mails }) += 1;
            }
            count
        })
    };
    let customers = sides.map(|side| side.customers().into_iter().collect::<BTreeSet<_>>());
    let ids = |customers: std::collections::btree_set::Difference<'_, CustomerIndex>| {
        customers.map(|customer| after.foreseen.ledger.customer(*customer).id.to_string()).collect()
    };
    let (texts, compared_count, common_count) = text_changes(before, after, now);
    Difference {
        from: after.foreseen.from,
        to: after.foreseen.to,
        today: counts(Some(after.foreseen.from)),
        all: counts(None),
        gaining: ids(customers[1].difference(&customers[0])),
        losing: ids(customers[0].difference(&customers[1])),
        sums: sums(sides),
        changes: mail_changes(sides),
        texts,
        compared_count,
        common_count,
        files: file_changes(before.workspace, after.workspace),
    }
}

/// A rule's level in one currency; by its place, so that levels stand in the ladder's order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SumKey {
    rule: String,
    place: u16,
    level: String,
    currency: Currency,
}

fn sums(sides: [&Foreseen; 2]) -> Vec<SumChange> {
    let mut sums: BTreeMap<SumKey, [(u64, Decimal); 2]> = BTreeMap::new();
    for (side, foreseen) in sides.into_iter().enumerate() {
        for mail in foreseen.going() {
            let (rule, level) = (&foreseen.rules.rules[usize::from(mail.rule)].id, foreseen.level_word(mail));
            let (rule, level) = (rule.to_string(), level.to_owned());
            let key = SumKey { rule, place: mail.lead.level, level, currency: mail.currency };
            let sum = &mut sums.entry(key).or_default()[side];
            *sum = (sum.0 + 1, sum.1 + mail.total);
        }
    }
    let mut changed = Vec::new();
    for (SumKey { rule, level, currency, .. }, [before, after]) in sums {
        if before != after {
            let totals = [before.1, after.1].map(|total| plain(total, currency));
            changed.push(SumChange { rule, level, currency: currency.to_string(), mails: [before.0, after.0], totals });
        }
    }
    changed
}

/// What tells a mail from every other on its side: a customer's one reminder of a day in a currency, or an occasion's mail. Rules
/// that mail invoice by invoice have one for each, and a blocked mail takes the day from nobody.
type Identity = (CustomerIndex, Currency, String);

fn mail_changes(sides: [&Foreseen; 2]) -> Vec<Change> {
    let mut pairs: BTreeMap<Identity, [Option<&ForeseenMail>; 2]> = BTreeMap::new();
    for (place, side) in sides.into_iter().enumerate() {
        for mail in &side.forecast.mails {
            let rule = &side.rules.rules[usize::from(mail.rule)];
            let line = side.line(mail);
            let what = match (&line.occasion, rule.reminder().map(|reminder| reminder.for_each)) {
                (Some(occasion), _) => format!("{} {occasion}", rule.id),
                (None, Some(crate::rule::ForEach::Invoice)) => {
                    format!("{} {}", line.day, line.items.first().map_or("", |item| item.item.as_str()))
                }
                (None, _) if mail.blocked.is_some() => format!("{} {}", line.day, rule.id),
                (None, _) => line.day.to_string(),
            };
            pairs.entry((mail.customer, mail.currency, what)).or_default()[place] = Some(mail);
        }
    }
    let mut changes: Vec<Change> = Vec::new();
    for pair in pairs.into_values() {
        let [before, after] = [0, 1].map(|place| pair[place].map(|mail| sides[place].line(mail)));
        let kind = match (&before, &after) {
            (Some(before), Some(after)) => match kind_of(before, after) {
                None => continue,
                Some(kind) => kind,
            },
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
        };
        changes.push(Change { kind, before, after });
    }
    let mut changes = moved(changes);
    let place = |change: &Change| {
        let line = change.after.as_ref().or(change.before.as_ref());
        line.map(|line| (line.day, line.customer.clone(), line.rule.clone(), line.currency.clone()))
    };
    changes.sort_by_cached_key(|change| (place(change), change.kind));
    changes
}

fn kind_of(before: &MailLine, after: &MailLine) -> Option<ChangeKind> {
    if before == after {
        return None;
    }
    let lead = |line: &MailLine| (line.rule.clone(), line.level.clone(), line.repeat);
    Some(match () {
        () if lead(before) != lead(after) => ChangeKind::Level,
        () if before.day != after.day => ChangeKind::Day,
        () if before.blocked != after.blocked => ChangeKind::Blocked,
        () => ChangeKind::Items,
    })
}

/// Joins a mail that is gone and one that is new where they are the same but for the day.
fn moved(changes: Vec<Change>) -> Vec<Change> {
    let content = |line: &MailLine| {
        let items: Vec<(String, String)> = line.items.iter().map(|item| (item.item.clone(), item.level.clone())).collect();
        (line.customer.clone(), line.rule.clone(), line.level.clone(), line.repeat, line.currency.clone(), items)
    };
    let (mut kept, mut gone) = (Vec::new(), BTreeMap::new());
    for change in changes {
        match (&change.before, &change.after) {
            (Some(before), None) => gone.entry(content(before)).or_insert_with(Vec::new).push(before.clone()),
            _ => kept.push(change),
        }
    }
    for change in &mut kept {
        let (None, Some(after)) = (&change.before, &change.after) else { continue };
        let Some(before) = gone.get_mut(&content(after)).and_then(|lines: &mut Vec<MailLine>| lines.pop()) else { continue };
        (change.kind, change.before) = (ChangeKind::Day, Some(before));
    }
    let removed = |before| Change { kind: ChangeKind::Removed, before: Some(before), after: None };
    kept.extend(gone.into_values().flatten().map(removed));
    kept
}

/// Returns the texts that change, how many mails were compared, and how many there are to compare: those that both sides make of the
/// same documents at the same level.
fn text_changes(before: Side<'_>, after: Side<'_>, now: Timestamp) -> (Vec<TextChange>, usize, usize) {
    let ledger = &after.foreseen.ledger;
    let made: BTreeSet<(CustomerIndex, &str, &str, Vec<DocumentIndex>)> =
        before.foreseen.going().map(|mail| identity(before, mail)).collect();
    let mut told: BTreeMap<(String, String, String), TextChange> = BTreeMap::new();
    let (mut compared, mut common) = (0, 0);
    for mail in after.foreseen.going().filter(|mail| made.contains(&identity(after, mail))) {
        common += 1;
        if compared == TEXTS_MAX {
            continue;
        }
        compared += 1;
        let (rule, level) = kind_of_mail(after, mail);
        let (documents, as_of) = (after.foreseen.documents(mail), after.foreseen.day(mail));
        let sample = Sample { ledger, rule, level, customer: mail.customer, documents: &documents, as_of };
        let (was, will_be) = (read(before, &sample, now), read(after, &sample, now));
        if was == will_be {
            continue;
        }
        let language = ledger.customer(mail.customer).language.as_ref().map_or_else(String::new, ToString::to_string);
        let key = (rule.to_owned(), level.to_owned(), language);
        let text = told.entry(key.clone()).or_insert_with(|| {
            let (rule, level, language) = key;
            let mut lines = changes(&was.text, &will_be.text);
            if !lines.iter().any(LineChange::is_change) {
                lines.push(LineChange::Removed(format!("(its HTML part or its head, {} bytes)", was.bytes.len())));
                lines.push(LineChange::Added(format!("(its HTML part or its head, {} bytes)", will_be.bytes.len())));
            }
            TextChange { rule, level, language, customer: ledger.customer(mail.customer).id.to_string(), mails: 0, lines }
        });
        text.mails += 1;
    }
    (told.into_values().collect(), compared, common)
}

/// Returns what a mail is about: whose, by which rule, at which level, which documents.
fn identity<'a>(side: Side<'a>, mail: &'a ForeseenMail) -> (CustomerIndex, &'a str, &'a str, Vec<DocumentIndex>) {
    let (rule, level) = kind_of_mail(side, mail);
    (mail.customer, rule, level, side.foreseen.documents(mail))
}

/// Returns the files of two workspaces that are not the same.
fn file_changes(before: &Workspace, after: &Workspace) -> Vec<String> {
    let texts = |workspace: &Workspace| -> BTreeMap<String, KeptText> {
        workspace.texts.iter().map(|text| (text.path.clone(), text.text.clone())).collect()
    };
    let [was, will_be] = [texts(before), texts(after)];
    let paths: BTreeSet<&String> = was.keys().chain(will_be.keys()).collect();
    paths.into_iter().filter(|path| was.get(*path) != will_be.get(*path)).cloned().collect()
}

/// Returns the rule and the level of a mail.
fn kind_of_mail<'a>(side: Side<'a>, mail: &'a ForeseenMail) -> (&'a str, &'a str) {
    (side.foreseen.rules.rules[usize::from(mail.rule)].id.as_str(), side.foreseen.level_word(mail))
}

/// A mail whose text is compared.
struct Sample<'a> {
    ledger: &'a Ledger,
    rule: &'a str,
    level: &'a str,
    customer: CustomerIndex,
    documents: &'a [DocumentIndex],
    as_of: Date,
}

/// What a customer would get.
#[derive(PartialEq, Eq, Default)]
struct Reading {
    /// The head as a mail program shows it, then the text; or why there is nothing to read.
    text: String,
    /// The whole mail.
    bytes: Vec<u8>,
}

fn read(side: Side<'_>, sample: &Sample<'_>, now: Timestamp) -> Reading {
    let Sample { ledger, rule, level, customer, documents, as_of } = *sample;
    let Some(rule) = side.foreseen.rules.rules.iter().find(|own| own.id.as_str() == rule) else { return Reading::default() };
    // The rule may be of another kind on this side.
    let level = if rule.reminder().is_some() { level } else { rule.kind.as_str() };
    let rules = side.foreseen.rules.of(vec![rule.clone()]);
    let plan = forced(&rules, ledger, level, customer, documents, as_of);
    let attachments = Attachments::left_out();
    let workspace = side.workspace;
    let composer = Composer { workspace, rules: &rules, ledger, plan: &plan, now, attachments: &attachments };
    let Some(message) = plan.messages.first() else { return Reading::default() };
    match composer.compose(message, &[]) {
        Err(blocked) => {
            let text = format!("(blocked: {} {})", blocked.reason.as_str(), blocked.detail);
            Reading { text, bytes: Vec::new() }
        }
        Ok(composed) => {
            let mut text = format!("From: {}\n", composed.envelope_from);
            for recipient in &composed.recipients {
                text += &format!("{}: {}\n", recipient.role.heading(), recipient.address);
            }
            text += &format!("Subject: {}\n\n{}", composed.subject, composed.text.trim_end());
            Reading { text, bytes: composed.bytes }
        }
    }
}
