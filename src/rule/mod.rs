//! What finance people wrote: rules, checked, ready to plan with. Text in; `RuleSet` or problems out.
//!
//! Nothing here reads a file: the rulebook hands over texts. Every problem of every file is found in one pass, and a
//! rule with an error is left out while the others stay. `keys` is the list of what may stand in a file, `file` reads
//! one (`kind` its own part), `check` looks across levels, scripts and rules.

mod attach;
pub(crate) mod check;
pub(crate) mod file;
pub(crate) mod headers;
mod keys;
mod kind;
mod reference;
mod schema;

pub mod schedule;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::date::{Date, DaySpan, DayUnit, Days};
use crate::domain::header::ExtraHeader;
use crate::domain::id::{LevelId, RuleId, SenderId, TemplateName};
use crate::domain::ledger::{AccountScope, CustomerIndex, Ledger};
use crate::domain::money::{Currency, Money};
use crate::domain::period::{Interval, Period};
use crate::domain::statement::{StatementLayout, StatementOfAccount};
use crate::schedule::Calendar;
use crate::script::{Account, RecipientName};

pub use attach::{ENCLOSURES_MAX, Enclosed, Enclosure, ItemsForm};
pub use check::{Broken, Known, RULES_MAX, RuleFile, load};
pub use kind::{AGE_COLUMNS_MAX, LEVELS_MAX, REPEATS_MAX};
pub use reference::rules_page;
pub use schema::schema;

/// What one mail of a rule gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForEach {
    /// All of a customer's items of one currency.
    Customer,
    /// One invoice.
    Invoice,
}

/// Which level follows the one an item has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Climb {
    /// The next one: last accepted + 1.
    OneAtATime,
    /// The one the item's age asks for.
    ToAge,
}

/// What happens to items that were already due for a level before the rule first ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Levels passed before that day count as done; only new ones are sent.
    FromNow,
    /// They start at the first level.
    FirstLevel,
    /// They enter at the level their age asks for.
    ToAge,
}

/// Sending a level again while the item stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Days since the mail before.
    pub every: Days,
    /// How many repeats beyond the first mail, at least 1.
    pub at_most: u32,
}

/// One step of a reminder rule's ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The permanent id.
    pub id: LevelId,
    /// Ids it had before; history under them is its own.
    pub formerly: Vec<LevelId>,
    /// Days from the due date: −3 for `3 days before due`, 7 for `7 days after due`.
    pub offset: i32,
    /// Which days these are.
    pub unit: DayUnit,
    /// The template of its mail.
    pub template: TemplateName,
    /// Instead of the rule's `to`.
    pub to: Option<Vec<RecipientName>>,
    /// Instead of the rule's `cc`.
    pub cc: Option<Vec<RecipientName>>,
    /// Instead of the rule's `bcc`.
    pub bcc: Option<Vec<RecipientName>>,
    /// Instead of the rule's `from`.
    pub from: Option<SenderId>,
    /// Whether and how it repeats.
    pub repeat: Option<Repeat>,
}

/// A reminder rule's own part.
#[derive(Clone, Debug)]
pub struct Reminder {
    /// What one mail gathers.
    pub for_each: ForEach,
    /// The least a mail must be about, per currency over all its items; a currency not listed has none.
    pub minimum: Vec<Money>,
    /// The ladder, strictly ascending by `offset`; never empty.
    pub levels: Vec<Level>,
    /// How an item climbs it.
    pub climb: Climb,
    /// What happens to the backlog of the first run.
    pub start: Start,
}

/// A statement rule's own part.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Which days it covers.
    pub period: Period,
    /// Its form, whose accounts it draws together, and its age columns.
    pub layout: StatementLayout,
    /// What becomes of one without a line.
    pub empty: EmptyStatement,
    /// The least its balance must come to, be it owed or credit, per currency; a currency not listed has none.
    pub minimum: Vec<Money>,
    /// The template of its mail.
    pub template: TemplateName,
}

impl Statement {
    /// Returns the figures of a customer's statement in `currency` over `period`.
    pub fn figures(&self, ledger: &Ledger, customer: CustomerIndex, currency: Currency, period: Interval) -> StatementOfAccount {
        StatementOfAccount::of(ledger, customer, currency, period, &self.layout)
    }
}

/// What becomes of a statement without a line: of an account with no balance and nothing to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyStatement {
    /// It is not sent.
    #[default]
    LeaveOut,
    /// It is sent where something moved in the period, and is settled again.
    Moved,
    /// It is sent.
    Send,
}

/// What a notice tells of: one mail for each new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An invoice; credit notes are none.
    Invoice,
    /// Money received; money paid back is none.
    Payment,
    /// A customer.
    Customer,
}

/// What happens to events that were there before the rule first ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeStart {
    /// They are not new and get no mail, ever.
    FromNow,
    /// They count like new ones; `where` should then keep the old ones away.
    All,
}

/// A notice rule's own part.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What it tells of.
    pub for_each: Event,
    /// What happens to what was there before the first run.
    pub start: NoticeStart,
    /// The template of its mail.
    pub template: TemplateName,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub enum RuleKind {
    /// Payment reminders.
    Reminder(Reminder),
    /// Statements of account.
    Statement(Statement),
    /// Mails about single events.
    Notice(Notice),
}

impl RuleKind {
    /// Returns the word for it in rule files and in the store.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reminder(_) => keys::REMINDER,
            Self::Statement(_) => keys::STATEMENT,
            Self::Notice(_) => keys::NOTICE,
        }
    }
}

/// One rule, checked.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The permanent id.
    pub id: RuleId,
    /// Ids it had before; history under them is its own.
    pub formerly: Vec<RuleId>,
    /// The file it stands in, relative to the workspace.
    pub file: Arc<str>,
    /// What its author says of it; may be empty.
    pub description: String,
    /// When it runs by itself, once a daemon does that; `None`: only when asked.
    pub schedule: Option<schedule::RuleSchedule>,
    /// The SHA-256 of the rule's file and script, in hex: which text decided.
    pub revision: String,
    /// What it concerns; `None`: everything there is of its kind.
    pub condition: Option<crate::script::Condition>,
    /// The sender profile.
    pub from: SenderId,
    /// Who is addressed; never empty.
    pub to: Vec<RecipientName>,
    /// Who gets a visible copy.
    pub cc: Vec<RecipientName>,
    /// Who gets an invisible copy.
    pub bcc: Vec<RecipientName>,
    /// Headers of the rule's own; they win over the sender's.
    pub headers: Vec<ExtraHeader>,
    /// The plugins' pickers that compute variables for the template; a later one wins, the script over all.
    pub variables: Vec<crate::script::Picker>,
    /// The rule's script, where it has one.
    pub script: Option<Arc<crate::script::Script>>,
    /// What goes with its mails, in this order.
    pub attach: Vec<Enclosure>,
    /// Whether its runs wait for a person.
    pub approve: bool,
    /// How long after it was queued a mail of it is given up; `None`: as config.yaml says.
    pub give_up_after: Option<Duration>,
    /// What it does.
    pub kind: RuleKind,
}

impl Rule {
    /// Returns whether `id` is its id, or was.
    pub fn is_known_as(&self, id: &RuleId) -> bool {
        self.id == *id || self.formerly.contains(id)
    }

    /// Returns the columns of the customers' file that hold passwords of its ZIPs.
    pub fn password_columns(&self) -> impl Iterator<Item = &str> {
        self.attach.iter().filter_map(|enclosure| match &enclosure.what {
            Enclosed::Zip { password, .. } => password.as_deref(),
            _ => None,
        })
    }

    /// Returns its reminder part, if it is a reminder rule.
    pub fn reminder(&self) -> Option<&Reminder> {
        match &self.kind {
            RuleKind::Reminder(reminder) => Some(reminder),
            RuleKind::Statement(_) | RuleKind::Notice(_) => None,
        }
    }

    /// Returns the account that it asks a customer's conditions and scripts about, on the day of its figures.
    pub fn account<'l>(&self, ledger: &'l Ledger, customer: CustomerIndex, currency: Currency, on: Date) -> Account<'l> {
        Account::new(ledger, customer, currency, on).over(match &self.kind {
            RuleKind::Statement(statement) => statement.layout.scope,
            RuleKind::Reminder(_) | RuleKind::Notice(_) => AccountScope::Customer,
        })
    }

    /// Returns the words its mails are asked for and shown by: its levels' ids, else the word for its kind.
    pub fn level_words(&self) -> Vec<&str> {
        match self.reminder() {
            Some(reminder) => reminder.levels.iter().map(|level| level.id.as_str()).collect(),
            None => vec![self.kind.as_str()],
        }
    }

    /// Returns the word for the mails of the level at this place: its id, else the word for the rule's kind.
    pub fn level_word(&self, place: u16) -> &str {
        let level = self.reminder().and_then(|reminder| reminder.levels.get(usize::from(place)));
        level.map_or(self.kind.as_str(), |level| level.id.as_str())
    }
}

/// On which days reminders may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReminderDays {
    /// On every day.
    #[default]
    Every,
    /// On business days alone; what is due on another day is due on the next of them.
    Business,
}

impl ReminderDays {
    /// The words of config.yaml, in the order of the documentation.
    pub const WORDS: [(&str, Self); 2] = [("every_day", Self::Every), ("business_days", Self::Business)];
}

/// What holds over all rules.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The least time between two mails to one customer, over all rules.
    pub contact_gap: DaySpan,
    /// On which days reminders may go.
    pub reminder_days: ReminderDays,
    /// Which days are business days.
    pub calendar: Arc<Calendar>,
}

/// Rules to decide by, sorted by id, and what holds over all of them.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Rules that run later on the same day: nothing is decided by them now, but the mails they are about to make are weighed
    /// against those of the rules above, and a higher one takes the day. Sorted by id, none of them above.
    pub rivals: Vec<Rule>,
    /// What holds over all of them.
    pub limits: Limits,
}

impl RuleSet {
    /// Returns these rules under the limits of this set, without rivals.
    pub fn of(&self, rules: Vec<Rule>) -> Self {
        Self { rules, rivals: Vec::new(), limits: self.limits.clone() }
    }

    /// Returns the set with these rules of the generation as rivals, but for those it runs itself.
    pub fn against(mut self, rivals: impl IntoIterator<Item = Rule>) -> Self {
        self.rivals.extend(rivals.into_iter().filter(|rival| !self.rules.iter().any(|rule| rule.id == rival.id)));
        // A notice is weighed against nothing.
        self.rivals.retain(|rival| !matches!(rival.kind, RuleKind::Notice(_)));
        self.rivals.sort_by(|a, b| a.id.cmp(&b.id));
        self.rivals.dedup_by(|a, b| a.id == b.id);
        self
    }
}
