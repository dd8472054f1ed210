//! The forecast and the backtest: when the rules fire over days to come or days long past, and what the planner says of each.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Time;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::domain::date::{Date, Timestamp, shifted};
use crate::domain::id::{RuleId, SenderId, ServerId};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::{Currency, plain};
use crate::engine::agenda::fires_later_today;
use crate::engine::side_by_side::side_by_side;
use crate::engine::view::ItemLevel;
use crate::engine::workspace::Workspace;
use crate::outbox::rate::Rate;
use crate::plan::forecast::{Forecast, ForeseenMail, Turn, forecast};
use crate::plan::history::History;
use crate::plan::reason::BlockReason;
use crate::plan::{PlannedItem, Scope};
use crate::rule::{Rule, RuleSet};
use crate::schedule::{Firing, end_of};

/// How many customers a thread takes through all days before it hands over what comes of them.
const CUSTOMERS_TOGETHER: usize = 1_000;
/// The most days that are looked ahead, or back.
pub const DAYS_MAX: i32 = 3_660;

/// From when on firings count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// From this instant on: what has fired today already is over.
    After(Timestamp),
    /// From the beginning of this day by each rule's clock.
    On(Date),
}

impl Beginning {
    /// Returns its day by the company's clock.
    fn day(self, workspace: &Workspace) -> Date {
        match self {
            Self::After(now) => workspace.today(now),
            Self::On(day) => day,
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From when on.
    pub beginning: Beginning,
    /// The last day.
    pub to: Date,
    /// The one customer, or the customer of one invoice; `None`: everybody.
    pub only: Option<Scope>,
}

/// What is foreseen over a span of days, with all it was foreseen from.
#[derive(Debug)]
pub struct Foreseen {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The receivables.
    pub ledger: Arc<Ledger>,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// When rules fire.
    pub turns: Vec<Turn>,
    /// The mails.
    pub forecast: Forecast,
    /// The rules without a schedule, which are shown as if somebody ran them every day.
    pub by_hand: Vec<RuleId>,
}

/// Foresees the mails of `rules` over a span; `progress` is told how many customers are done.
pub fn foresee(
    workspace: &Workspace,
    rules: Arc<RuleSet>,
    ledger: Arc<Ledger>,
    past: &History,
    span: Span,
    progress: &mut dyn FnMut(usize),
) -> Foreseen {
    let Span { beginning, to, only } = span;
    let turns = turns(workspace, &rules, beginning, to);
    let customers: Vec<CustomerIndex> = match only {
        Some(Scope::Customer(customer)) => vec![customer],
        Some(Scope::Invoice(document)) => vec![ledger.document(document).customer],
        None => ledger.customer_indexes().collect(),
    };
    let found = foresee_turns(&rules, &ledger, past, &turns, &customers, progress);
    let by_hand = rules.rules.iter().filter(|rule| rule.schedule.is_none()).map(|rule| rule.id.clone()).collect();
    let from = beginning.day(workspace);
    Foreseen { rules, ledger, from, to, turns, forecast: found, by_hand }
}

/// Foresees the mails to `customers` over turns, on as many threads as there are processors.
pub fn foresee_turns(
    rules: &RuleSet,
    ledger: &Ledger,
    past: &History,
    turns: &[Turn],
    customers: &[CustomerIndex],
    progress: &mut dyn FnMut(usize),
) -> Forecast {
    let (mut whole, mut done) = (Forecast::default(), 0);
    let groups: Vec<&[CustomerIndex]> = customers.chunks(CUSTOMERS_TOGETHER).collect();
    let make = |_, group: &&[CustomerIndex]| forecast(rules, ledger, past, turns, group.iter().copied());
    let Ok(()) = side_by_side(&groups, 1, &make, &mut |part| {
        whole.join(part);
        done += CUSTOMERS_TOGETHER;
        progress(done.min(customers.len()));
        Ok::<(), Infallible>(())
    });
    whole.in_order()
}

/// Returns when the rules fire, each the first time on a day: what a rule has not said then, it does not say later on that day
/// either. A rule without a schedule has a turn on each day, before all others.
pub fn turns(workspace: &Workspace, rules: &RuleSet, beginning: Beginning, to: Date) -> Vec<Turn> {
    let mut firings: Vec<(Timestamp, Date, u16)> = Vec::new();
    for (place, rule) in rules.rules.iter().enumerate() {
        firings.extend(days_of(workspace, rule, beginning, to).into_iter().map(|(at, day)| (at, day, place as u16)));
    }
    firings.sort_unstable();
    let mut turns = Vec::new();
    // Rules that fire at one time decide one after the other, in the order of their ids: one turn.
    for firing in firings.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (at, as_of) = (firing[0].0, firing[0].1);
        let own: Vec<u16> = firing.iter().map(|(_, _, place)| *place).collect();
        let is_rival = |(place, rule): &(usize, &Rule)| {
            let fires = rule.schedule.as_ref().is_some_and(|schedule| fires_later_today(workspace, schedule, at));
            fires && !own.contains(&(*place as u16))
        };
        let mut rivals: Vec<u16> = rules.rules.iter().enumerate().filter(is_rival).map(|(place, _)| place as u16).collect();
        // Of rules that fire at one time by clocks of different days, those that follow are rivals too.
        rivals.extend(firings.iter().filter(|(then, day, _)| *then == at && *day > as_of).map(|(.., place)| *place));
        turns.push(Turn { as_of, scheduled_on: as_of, rules: own, rivals });
    }
    turns
}

/// Returns the first firing of each day of a rule, as an instant and its day by the rule's clock.
fn days_of(workspace: &Workspace, rule: &Rule, beginning: Beginning, to: Date) -> Vec<(Timestamp, Date)> {
    let usual = &workspace.config.time_zone;
    let Some(schedule) = &rule.schedule else {
        let midnight = |day: Date| usual.zone().to_ambiguous_zoned(day.to_datetime(Time::midnight())).compatible();
        let first = beginning.day(workspace);
        let days = (0..).map(|ahead| shifted(first, ahead)).take_while(|day| *day <= to).take(DAYS_MAX as usize);
        return days.filter_map(|day| Some((midnight(day).ok()?.timestamp(), day))).collect();
    };
    let after = match beginning {
        Beginning::After(now) => schedule.first_mark(now, usual),
        Beginning::On(day) => end_of(shifted(day, -1)),
    };
    let firings = schedule.first_of_each_day(after, to, usual, &workspace.calendar).take(DAYS_MAX as usize);
    firings.map(|Firing { local, at, .. }| (at.timestamp(), local.date())).collect()
}

/// How many mails a day has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayLine {
    /// The day.
    pub day: Date,
    /// How many mails go.
    pub mails: u64,
    /// How many would be blocked, told on their first day.
    pub blocked: u64,
    /// The mails that go by rule and level.
    pub levels: Vec<DayLevel>,
}

/// How many mails of a day are blocked, and by rule and level how many go.
#[derive(Default)]
struct DayCount {
    blocked: u64,
    levels: BTreeMap<(u16, u16), u64>,
}

/// How many mails of a rule and level a day has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayLevel {
    /// The rule's id.
    pub rule: String,
    /// The level's id; `statement` or `notice` of other rules.
    pub level: String,
    /// How many.
    pub mails: u64,
}

/// What a rule and level come to in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TotalLine {
    /// The rule's id.
    pub rule: String,
    /// The level's id; `statement` or `notice` of other rules.
    pub level: String,
    /// The currency.
    pub currency: String,
    /// The mails that this level leads.
    pub mails: u64,
    /// The items that reach it, in mails of whatever level.
    pub items: u64,
    /// What these items leave open then, each time they are reminded; balances of statements, amounts of notices. Exact.
    pub amount: String,
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailLine {
    /// The day it goes.
    pub day: Date,
    /// The rule's id.
    pub rule: String,
    /// The customer's id.
    pub customer: String,
    /// The customer's name.
    pub customer_name: String,
    /// `reminder`, `statement` or `notice`.
    pub kind: &'static str,
    /// The level that leads, of a reminder.
    pub level: Option<String>,
    /// Which repeat of it, 0 for the first mail.
    pub repeat: u16,
    /// The period or event it is about, unless it is a reminder.
    pub occasion: Option<String>,
    /// Its documents, each with its level.
    pub items: Vec<ItemLevel>,
    /// The currency.
    pub currency: String,
    /// What its items leave open together, a statement's balance, a notice's amount; exact.
    pub total: String,
    /// Why it would be blocked, where it would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<&'static str>,
}

impl Foreseen {
    /// Leaves of it what is about one rule or one subject. All rules were foreseen all the same, since each is weighed against the others.
    pub fn about(mut self, rule: Option<&str>, only: Option<Scope>) -> Self {
        let is_of = |place: u16| rule.is_none_or(|id| self.rules.rules[usize::from(place)].id.as_str() == id);
        let mails = std::mem::take(&mut self.forecast.mails);
        let kept = mails.into_iter().filter(|mail| is_of(mail.rule) && self.is_about(mail, only)).collect();
        let faults = std::mem::take(&mut self.forecast.faults);
        self.forecast.faults = faults.into_iter().filter(|(place, _)| is_of(*place)).collect();
        self.forecast.mails = kept;
        self.by_hand.retain(|id| rule.is_none_or(|rule| id.as_str() == rule));
        self
    }

    /// Returns the mails that nothing blocks.
    pub fn going(&self) -> impl Iterator<Item = &ForeseenMail> {
        self.forecast.mails.iter().filter(|mail| mail.blocked.is_none())
    }

    /// Returns the day of a mail.
    pub fn day(&self, mail: &ForeseenMail) -> Date {
        self.turns[mail.turn as usize].as_of
    }

    /// Returns whether a mail is about what was asked for.
    fn is_about(&self, mail: &ForeseenMail, only: Option<Scope>) -> bool {
        match only {
            None | Some(Scope::Customer(_)) => true,
            Some(Scope::Invoice(document)) => self.forecast.is_about(mail, document),
        }
    }

    /// Returns the word for what a mail is: its level, `statement` or `notice`.
    pub fn level_word(&self, mail: &ForeseenMail) -> &str {
        self.rules.rules[usize::from(mail.rule)].level_word(mail.lead.level)
    }

    /// Returns every day of the span with its counts.
    pub fn days(&self) -> Vec<DayLine> {
        let days = (0..).map(|ahead| shifted(self.from, ahead)).take_while(|day| *day <= self.to).take(DAYS_MAX as usize);
        let mut counts: BTreeMap<Date, DayCount> = days.map(|day| (day, DayCount::default())).collect();
        for mail in &self.forecast.mails {
            let count = counts.entry(self.day(mail)).or_default();
            match mail.blocked {
                Some(_) => count.blocked += 1,
                None => *count.levels.entry((mail.rule, mail.lead.level)).or_default() += 1,
            }
        }
        let level = |((rule, level), mails): ((u16, u16), u64)| {
            let rule = &self.rules.rules[usize::from(rule)];
            DayLevel { rule: rule.id.to_string(), level: rule.level_word(level).to_owned(), mails }
        };
        let line = |(day, DayCount { blocked, levels }): (Date, DayCount)| {
            let levels: Vec<DayLevel> = levels.into_iter().map(level).collect();
            DayLine { day, mails: levels.iter().map(|level| level.mails).sum(), blocked, levels }
        };
        counts.into_iter().map(line).collect()
    }

    /// Returns what each rule, level and currency come to, in the order of rules and levels.
    pub fn totals(&self) -> Vec<TotalLine> {
        // By rule, level and currency.
        let mut sums: BTreeMap<(u16, u16, Currency), (u64, u64, Decimal)> = BTreeMap::new();
        for mail in self.going() {
            let (items, day) = (self.forecast.items(mail), self.day(mail));
            let mut add = |level: u16, mails, items, amount: Decimal| {
                let sum = sums.entry((mail.rule, level, mail.currency)).or_default();
                *sum = (sum.0 + mails, sum.1 + items, sum.2 + amount);
            };
            add(mail.lead.level, 1, 0, Decimal::ZERO);
            if mail.matter.is_some() {
                add(0, 0, items.len() as u64, mail.total);
                continue;
            }
            for PlannedItem { document, step } in items {
                add(step.level, 0, 1, self.ledger.open_on(*document, day));
            }
        }
        let line = |((rule, level, currency), (mails, items, amount)): ((u16, u16, Currency), (u64, u64, Decimal))| {
            let rule = &self.rules.rules[usize::from(rule)];
            let level = rule.level_word(level).to_owned();
            let (currency, amount) = (currency.to_string(), plain(amount, currency));
            TotalLine { rule: rule.id.to_string(), level, currency, mails, items, amount }
        };
        sums.into_iter().map(line).collect()
    }

    /// Returns a mail spelled out.
    pub fn line(&self, mail: &ForeseenMail) -> MailLine {
        let rule = &self.rules.rules[usize::from(mail.rule)];
        let customer = self.ledger.customer(mail.customer);
        let item = |item: &PlannedItem| ItemLevel {
            item: self.ledger.document(item.document).number.to_string(),
            level: rule.level_word(item.step.level).to_owned(),
        };
        MailLine {
            day: self.day(mail),
            rule: rule.id.to_string(),
            customer: customer.id.to_string(),
            customer_name: customer.name.to_string(),
            kind: rule.kind.as_str(),
            level: mail.level(&self.rules).map(ToString::to_string),
            repeat: mail.lead.repeat,
            occasion: mail.occasion(),
            items: self.forecast.items(mail).iter().map(item).collect(),
            currency: mail.currency.to_string(),
            total: plain(mail.total, mail.currency),
            blocked: mail.blocked.map(BlockReason::as_str),
        }
    }

    /// Returns what a reader should know besides, in sentences: what the forecast takes for granted, and where a run would stop or
    /// take long.
    pub fn notes(&self, workspace: &Workspace) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.by_hand.is_empty() {
            let ids: Vec<&str> = self.by_hand.iter().map(RuleId::as_str).collect();
            let (have, them) = if ids.len() == 1 { ("has", "it") } else { ("have", "them") };
            notes.push(format!("{} {have} no schedule: shown as if somebody ran {them} every day", ids.join(", ")));
        }
        let approved: Vec<&str> = self.rules.rules.iter().filter(|rule| rule.approve).map(|rule| rule.id.as_str()).collect();
        if !approved.is_empty() {
            notes.push(format!("runs of {} wait for approval: shown as if given at once", approved.join(", ")));
        }
        notes.extend(self.guarded(workspace));
        notes.extend(self.slow(workspace));
        notes
    }

    /// Tells of runs that the guard would stop.
    fn guarded(&self, workspace: &Workspace) -> Vec<String> {
        let Some(most) = workspace.config.run_guard.messages else { return Vec::new() };
        let mut runs: BTreeMap<(u32, u16), u64> = BTreeMap::new();
        for mail in self.going() {
            *runs.entry((mail.turn, mail.rule)).or_default() += 1;
        }
        let is_stopped = |(_, count): &((u32, u16), u64)| *count > most;
        let words = |((turn, rule), count): ((u32, u16), u64)| {
            let (day, rule) = (self.turns[turn as usize].as_of, &self.rules.rules[usize::from(rule)].id);
            format!(
                "{day}: the run of {rule} would have {count} mails, more than run_guard allows ({most}): it would wait for a person"
            )
        };
        told(runs.into_iter().filter(is_stopped).map(words), "runs that run_guard would stop")
    }

    /// Tells of days whose mails take more than an hour at the rates of servers and senders.
    fn slow(&self, workspace: &Workspace) -> Vec<String> {
        let rates = workspace.rates();
        let mut counts: BTreeMap<(Date, &SenderId), u64> = BTreeMap::new();
        for mail in self.going() {
            *counts.entry((self.day(mail), self.sender(mail))).or_default() += 1;
        }
        let mut by_server: BTreeMap<(Date, &ServerId), u64> = BTreeMap::new();
        let mut slow: Vec<(Date, String)> = Vec::new();
        for ((day, sender), count) in counts {
            let profile = workspace.config.senders.iter().find(|own| own.id == *sender);
            if let Some(server) = profile.and_then(|profile| profile.servers.first()) {
                *by_server.entry((day, server)).or_default() += count;
            }
            let own = rates.senders.get(sender).map_or(&[][..], Vec::as_slice);
            slow.extend(time_words(count, own).map(|time| (day, format!("{day}: {count} mails from {sender} take {time}"))));
        }
        for ((day, server), count) in by_server {
            let own = rates.servers.get(server).map_or(&[][..], Vec::as_slice);
            slow.extend(time_words(count, own).map(|time| (day, format!("{day}: {count} mails through {server} take {time}"))));
        }
        slow.sort();
        told(slow.into_iter().map(|(_, words)| words), "days that take more than an hour at the rates")
    }

    /// Returns the sender of a mail.
    fn sender(&self, mail: &ForeseenMail) -> &SenderId {
        let rule = &self.rules.rules[usize::from(mail.rule)];
        let level = rule.reminder().and_then(|reminder| reminder.levels.get(usize::from(mail.lead.level)));
        level.and_then(|level| level.from.as_ref()).unwrap_or(&rule.from)
    }

    /// Returns the customers with at least one mail that goes, in order.
    pub fn customers(&self) -> Vec<CustomerIndex> {
        let mut customers: Vec<CustomerIndex> = self.going().map(|mail| mail.customer).collect();
        customers.sort_unstable();
        customers.dedup();
        customers
    }

    /// Returns the documents of a mail.
    pub fn documents(&self, mail: &ForeseenMail) -> Vec<DocumentIndex> {
        self.forecast.items(mail).iter().map(|item| item.document).collect()
    }
}

/// The most sentences of one kind among the notes.
const NOTES_MAX: usize = 3;

/// Returns the first few sentences, and how many more there are.
fn told(sentences: impl Iterator<Item = String>, what: &str) -> Vec<String> {
    let mut all: Vec<String> = sentences.collect();
    if let Some(more) = all.len().checked_sub(NOTES_MAX).filter(|more| *more > 0) {
        all.truncate(NOTES_MAX);
        all.push(format!("and {more} more {what}"));
    }
    all
}

/// Says how long so many mails take at the slowest of these rates, where it is more than an hour.
fn time_words(count: u64, rates: &[Rate]) -> Option<String> {
    let time = |rate: &Rate| {
        // The first window's worth may go at once, each further one when the window before is over.
        let windows = count.saturating_sub(1) / u64::from(rate.count());
        (rate.window().length() * u32::try_from(windows).unwrap_or(u32::MAX), *rate)
    };
    let (longest, rate) = rates.iter().map(time).max_by_key(|(time, _)| *time)?;
    let hours = longest.as_secs() / 3600;
    (longest >= Duration::from_secs(3600)).then(|| format!("at least {hours} h at {rate}"))
}
