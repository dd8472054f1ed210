//! What config.yaml says, as plain data for the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;

use crate::config::{Auth, CalendarSettings, Daemon, DkimKey, Document, NamedColumn, Redirect, Retention};
use crate::domain::company::Company;
use crate::domain::date::{DaySpan, Days};
use crate::domain::id::{RecipientKey, RuleId, SenderId, ServerId};
use crate::domain::mailbox::Sender;
use crate::domain::problem::Place;
use crate::outbox::rate::Rate;
use crate::rule::ReminderDays;
use crate::schedule::{QuietHours, TimeZoneName};
use crate::smtp::settings::{Reuse, Security};
use crate::source::bank::BankFormat;
use crate::source::csv::CsvLedger;

/// A whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name this installation has in its own database.
    pub instance: String,
    /// What becomes of composed mails.
    pub mode: Mode,
    /// Where mails go that must not go to customers, whatever the mode is now.
    pub redirect: Option<Redirect>,
    /// By whose clock days begin and schedules run, where a rule names no other.
    pub time_zone: TimeZoneName,
    /// The servers that can send, in the order of the file; never empty.
    pub servers: Vec<Server>,
    /// The sender profiles, in the order of the file; never empty.
    pub senders: Vec<Sender>,
    /// The limits on the messages of a sender, through whatever server; senders without one are left out.
    pub sender_rates: BTreeMap<SenderId, Vec<Rate>>,
    /// The keys that senders' mails are signed with, sender by sender.
    pub dkim: Vec<DkimKey>,
    /// The roles an address can have, in the order of the file; never empty.
    pub recipient_keys: Vec<Role>,
    /// Where the receivables are; the paths are as config.yaml writes them: relative to the workspace unless absolute.
    pub ledger: CsvLedger,
    /// Who is owed; `None`: mails say nothing of it but the sender.
    pub company: Option<Company>,
    /// How the bank's files are read, and what is known beside them.
    pub bank: Bank,
    /// The papers that rules attach by name.
    pub documents: Vec<Document>,
    /// The further columns of the ledger's files that are named outside `ledger`.
    pub named_columns: Vec<NamedColumn>,
    /// Rules that were ended for good: nobody is told that they are gone.
    pub ended_rules: Vec<RuleId>,
    /// Which days are business days; `None`: every day counts.
    pub calendar: Option<CalendarSettings>,
    /// The least time between two mails to one customer.
    pub contact_gap: DaySpan,
    /// On which days reminders may go.
    pub reminder_days: ReminderDays,
    /// When no mail may leave, by the clock of `time_zone`; `None`: never.
    pub quiet_hours: Option<QuietHours>,
    /// How old the ledger may be.
    pub freshness: Freshness,
    /// When a run waits for a person, or stops.
    pub run_guard: RunGuard,
    /// When a message that a server put off is tried again.
    pub retry: Retry,
    /// Who is told when something needs a person.
    pub alerts: Alerts,
    /// The database's file, relative to the workspace unless absolute.
    pub database: String,
    /// How long what is over is kept in it; `None`: for ever.
    pub retention: Option<Retention>,
    /// How the daemon shows itself.
    pub daemon: Daemon,
}

/// How old the ledger may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// How long ago its files may have been written to; `None`: however long.
    pub max_age: Option<Duration>,
    /// How long a reading of it holds: before a mail goes that was planned on an older one, it is planned again.
    pub recheck_after: Duration,
}

/// How long the books may take to show a match where config.yaml does not say.
pub(crate) const BOOKED_WITHIN: Days = Days::new(10).expect("far less than the most days");

/// How the bank's files are read, and what is known beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank {
    /// How its CSV files are written.
    pub format: BankFormat,
    /// The column of the customers' file with the accounts they pay from.
    pub customer_account: Option<String>,
    /// How long the books may take to show what was applied; after that a person is told.
    pub booked_within: Days,
}

impl Default for Bank {
    fn default() -> Self {
        Self { format: BankFormat::default(), customer_account: None, booked_within: BOOKED_WITHIN }
    }
}

/// When a run waits for a person, or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunGuard {
    /// A run of more messages waits; `None`: none does.
    pub messages: Option<u64>,
    /// A rule's messages wait where they are more than so many times what it usually has; `None`: they do not.
    pub times_usual: Option<u64>,
    /// A run of which more than so many in a hundred are refused stops; 100: none does.
    pub refused_percent: u64,
}

/// Who is told when something needs a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// The addresses that are written to; empty: nobody is.
    pub to: Vec<CompactString>,
    /// The sender they are written from, and where it is named; `None`: the first one.
    pub from: Option<(SenderId, Place)>,
    /// The plugin whose program is told, and where it is named.
    pub plugin: Option<(String, Place)>,
}

/// What becomes of composed mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They go to the customers.
    Live,
    /// They all go to one address instead, but for those that are allowed.
    Redirect(Redirect),
    /// They are composed and recorded; no server is spoken to.
    Dry,
}

/// A role an address can have at a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// How rules name it: `billing`.
    pub key: RecipientKey,
    /// How people read it: `Billing contact`.
    pub label: String,
}

/// One SMTP server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its key in config.yaml.
    pub id: ServerId,
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// The account, where the server asks for one; never with [`Security::None`] or [`Security::Opportunistic`].
    pub auth: Option<Auth>,
    /// The limits on messages; all hold at once. Empty: none.
    pub rates: Vec<Rate>,
    /// How many connections may be open at once, at least 1.
    pub connections: usize,
    /// Whether [`Security::None`] may reach beyond this machine.
    pub allow_plaintext: bool,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<CaFile>,
    /// The name to greet the server with; `None`: the address of the connection.
    pub hello_name: Option<String>,
    /// The largest mail it takes, in bytes as sent.
    pub size: u64,
    /// Whether commands may travel in groups.
    pub pipelining: bool,
    /// How long connections are kept.
    pub reuse: Reuse,
    /// The headers it replaces with its own, so that no signature may cover them.
    pub replaces: Vec<&'static str>,
}

/// A file of certificates in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFile {
    /// The path, relative to the workspace unless absolute.
    pub path: String,
    /// Where config.yaml names it.
    pub place: Place,
}

/// When a message that a server put off is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The wait before the first new attempt.
    pub first: Duration,
    /// The longest wait between two attempts.
    pub most: Duration,
    /// How long after the first attempt it is given up.
    pub give_up_after: Duration,
}
