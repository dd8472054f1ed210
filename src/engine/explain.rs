//! Why a customer or an invoice gets a mail or none: planned for a day, or as a run of the past decided, from what is stored of it.
//!
//! What a run decided is told from its stored decisions alone, since the ledger has moved on. Beside it stands where today's ledger and
//! rules, with the history up to that run, would decide otherwise.

use compact_str::ToCompactString;
use jiff::civil::DateTime;
use rusqlite::Connection;
use serde::Serialize;
use thiserror::Error;

use crate::domain::date::{Date, ISO, shifted};
use crate::domain::id::RuleId;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::{Currency, plain};
use crate::domain::problem::nearest;
use crate::engine::left_out::left_out;
use crate::engine::only::{Only, OnlyFault};
use crate::engine::run::history_mode;
use crate::engine::view::due_reason;
use crate::engine::workspace::Workspace;
use crate::plan::explain::{Explanation, explain};
use crate::plan::occasion::Occasions;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::trace::{TraceItem, read};
use crate::plan::{Question, Scope, Subject, Verdict, plan_within};
use crate::rule::{Rule, RuleSet};
use crate::schedule::end_of;
use crate::store::decisions::{DecidingRun, StoredDecision, deciding_run, decisions_of, runs_of_day};
use crate::store::holds::{HoldSubject, HoldView, holds};
use crate::store::search::{ItemView, MessageFilter, MessageView, message_items, messages};
use crate::store::{StoreError, history_before, open_reader};

/// How many names are offered for one that is not known.
const NAMES_OFFERED_MAX: usize = 5;

/// Which day, or which run, is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A day: the past from what is stored, where a run of it is.
    Day {
        /// The day.
        as_of: Date,
        /// The present one.
        today: Date,
    },
    /// A run.
    Run(i64),
}

/// What is known of why.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The customer's id.
    pub customer: String,
    /// The customer's name.
    pub customer_name: String,
    /// The invoice's number, where it was asked about.
    pub invoice: Option<String>,
    /// The day.
    pub as_of: Date,
    /// What runs decided, where it is told from what is stored; null: nothing is, and `answers` are planned.
    pub stored: Option<Vec<Stored>>,
    /// What every rule says of that day by today's ledger and rules; of a past run what they would say.
    pub answers: Vec<crate::plan::explain::Answer>,
    /// Holds of people on the customer or its invoices.
    pub holds: Vec<HoldView>,
    /// Rules with errors: nothing is known of them.
    pub left_out: Vec<String>,
}

/// A stored decision.
#[derive(Clone, Debug, Serialize)]
pub struct Stored {
    /// The decision.
    #[serde(flatten)]
    pub decision: StoredDecision,
    /// The day it was made for.
    pub as_of: String,
    /// The reason in words.
    pub sentence: String,
    /// The mail it led to, as it stands now.
    pub mail: Option<StoredMail>,
    /// The items that got no mail, each with its reason.
    pub items: Vec<TraceItem>,
    /// What today's ledger and rules would have decided, where that is something else.
    pub otherwise: Option<String>,
}

/// A mail of a past run.
#[derive(Clone, Debug, Serialize)]
pub struct StoredMail {
    /// Its id.
    pub id: i64,
    /// The run that has it now; a later one, where that composed it anew.
    pub run: i64,
    /// Where it stands.
    pub state: String,
    /// The level that leads, or the occasion.
    pub about: String,
    /// Its items with their levels.
    pub items: Vec<ItemView>,
    /// What they left open.
    pub total: String,
    /// The currency.
    pub currency: String,
}

/// Why nothing can be told.
#[derive(Debug, Error)]
pub enum ExplainFault {
    /// Nobody of that name, or two things.
    #[error("{fault}")]
    Subject {
        /// What is wrong with the name.
        fault: OnlyFault,
        /// What could have been meant.
        near: Vec<String>,
    },
    /// No such run.
    #[error("There is no run {run}")]
    RunUnknown {
        /// Its id.
        run: i64,
    },
    /// A run whose decisions have left the database.
    #[error("The decisions of run {run} have moved to the archive")]
    Archived {
        /// Its id.
        run: i64,
    },
    /// The run did not decide about it.
    #[error("Run {run} has no decision about {subject}")]
    Undecided {
        /// The run.
        run: i64,
        /// Who was asked about.
        subject: String,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ExplainFault {
    /// Returns the way out, if one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Subject { near, .. } if !near.is_empty() => Some(format!("did you mean {}?", near.join(", or "))),
            Self::Subject { fault, .. } => fault.hint().map(str::to_owned),
            Self::RunUnknown { .. } => Some("`dunlin runs` lists the runs".to_owned()),
            Self::Archived { run } => Some(format!(
                "search the archive's files `decisions-…jsonl` for `\"run\":{run},`; `retention` in config.yaml says how long they stay"
            )),
            Self::Undecided { run, .. } => Some(format!("`dunlin runs show {run}` tells what it was about")),
            Self::Store(_) => None,
        }
    }
}

/// Returns the day that an explanation is about, to read the ledger for.
///
/// # Errors
/// There is no such run, or the database cannot be read.
pub fn day_of(workspace: &Workspace, when: When) -> Result<Date, ExplainFault> {
    match when {
        When::Day { as_of, .. } => Ok(as_of),
        When::Run(run) => {
            let reader = open_reader(&workspace.database_path())?.ok_or(ExplainFault::RunUnknown { run })?;
            day(&deciding_run(&reader, run)?.ok_or(ExplainFault::RunUnknown { run })?)
        }
    }
}

fn day(run: &DecidingRun) -> Result<Date, ExplainFault> {
    let corrupt = || StoreError::Corrupt { value: run.as_of.clone(), expected: "a date" };
    Ok(Date::strptime(ISO, &run.as_of).map_err(|_| corrupt())?)
}

/// Explains what every rule, or the one asked for, says of a customer or an invoice; plans for nobody else.
///
/// # Errors
/// Why nothing can be told.
pub fn explained(
    workspace: &Workspace,
    ledger: &Ledger,
    subject: &str,
    rule: Option<&str>,
    when: When,
) -> Result<Explained, ExplainFault> {
    let only = Only::find(ledger, subject).map_err(|fault| ExplainFault::Subject { near: near(ledger, subject), fault })?;
    let scope = only.scope(ledger).ok_or_else(|| {
        let fault = OnlyFault::Unknown { name: subject.to_owned() };
        ExplainFault::Subject { fault, near: Vec::new() }
    })?;
    let (customer, document) = match scope {
        Scope::Customer(customer) => (customer, None),
        Scope::Invoice(document) => (ledger.document(document).customer, Some(document)),
    };
    let reader = open_reader(&workspace.database_path())?;
    let case = Case { workspace, ledger, reader: reader.as_ref(), customer, document };
    let as_of = day_of(workspace, when)?;
    let stored = case.stored(when, as_of, rule)?;
    let rules = &workspace.rules;
    let runs_on = |rule: &Rule, day: Date| runs_on(workspace, rule, day);
    let Explanation { mut answers, .. } = explain(rules, ledger, &workspace.history()?, as_of, scope, &runs_on);
    answers.retain(|answer| rule.is_none_or(|rule| answer.rule == rule));
    let facts = ledger.customer(customer);
    Ok(Explained {
        customer: facts.id.to_string(),
        customer_name: facts.name.to_string(),
        invoice: document.map(|document| ledger.document(document).number.to_string()),
        as_of,
        stored,
        answers,
        holds: case.holds()?,
        left_out: left_out(workspace).into_iter().map(|rule| rule.id).collect(),
    })
}

/// Returns whether a rule runs on a day by its schedule; one without may be run on any.
fn runs_on(workspace: &Workspace, rule: &Rule, day: Date) -> bool {
    let Some(schedule) = &rule.schedule else { return true };
    let (usual, calendar) = (&workspace.config.time_zone, &workspace.calendar);
    schedule.first_of_each_day(end_of(shifted(day, -1)), day, usual, calendar).next().is_some()
}

/// Returns what a person could have meant: ids and numbers that are written alike, and customers of that name.
fn near(ledger: &Ledger, name: &str) -> Vec<String> {
    let bare = name.split_once(':').map_or(name, |(_, bare)| bare);
    let wanted = bare.to_lowercase();
    let named = |id: &str| {
        let customer = ledger.find_customer(id).map(|index| &ledger.customer(index).name);
        customer.map_or_else(|| format!("`{id}`"), |name| format!("`{id}` ({name})"))
    };
    let of_name =
        ledger.customers().iter().filter(|customer| !wanted.is_empty() && customer.name.to_lowercase().contains(&wanted));
    let mut found: Vec<String> = of_name.take(NAMES_OFFERED_MAX).map(|customer| named(customer.id.as_str())).collect();
    let ids = ledger.customers().iter().map(|customer| customer.id.as_str());
    let numbers = ledger.documents().iter().map(|document| document.number.as_str());
    for near in [nearest(bare, ids), nearest(bare, numbers)].into_iter().flatten().map(named) {
        if !found.contains(&near) {
            found.push(near);
        }
    }
    found.truncate(NAMES_OFFERED_MAX);
    found
}

/// Whom it is about, and where what is known of it stands.
struct Case<'a> {
    workspace: &'a Workspace,
    ledger: &'a Ledger,
    reader: Option<&'a Connection>,
    customer: CustomerIndex,
    document: Option<DocumentIndex>,
}

impl Case<'_> {
    fn customer_id(&self) -> &str {
        self.ledger.customer(self.customer).id.as_str()
    }

    /// Returns what runs decided; `None` where the day is to be planned.
    fn stored(&self, when: When, as_of: Date, rule: Option<&str>) -> Result<Option<Vec<Stored>>, ExplainFault> {
        let runs = match (when, self.reader) {
            (When::Run(run), Some(reader)) => vec![deciding_run(reader, run)?.ok_or(ExplainFault::RunUnknown { run })?],
            (When::Run(run), None) => return Err(ExplainFault::RunUnknown { run }),
            (When::Day { as_of, today }, Some(reader)) if as_of < today => {
                runs_of_day(reader, history_mode(&self.workspace.config.mode), as_of)?
            }
            (When::Day { .. }, _) => return Ok(None),
        };
        let Some(reader) = self.reader else { return Ok(None) };
        let mut found: Vec<Stored> = Vec::new();
        for run in runs.iter().filter(|run| !run.is_archived) {
            let decisions = decisions_of(reader, run.id, self.customer_id())?.into_iter();
            let own = decisions.filter(|own| rule.is_none_or(|rule| own.rule == rule) && self.concerns(own));
            // The newest run of a day has the last word about each subject.
            let is_new = |own: &StoredDecision| {
                let key = |own: &StoredDecision| (own.rule.clone(), own.currency.clone(), own.document.clone());
                !found.iter().any(|known| key(&known.decision) == key(own))
            };
            let own: Vec<StoredDecision> = own.filter(is_new).collect();
            if !own.is_empty() {
                found.extend(self.of_run(reader, run, as_of, own)?);
            }
        }
        match (when, found.is_empty()) {
            (When::Run(run), true) if runs.iter().any(|run| run.is_archived) => Err(ExplainFault::Archived { run }),
            (When::Run(run), true) => {
                let subject = match self.document {
                    Some(document) => format!("invoice {}", self.ledger.document(document).number),
                    None => format!("customer {}", self.customer_id()),
                };
                Err(ExplainFault::Undecided { run, subject })
            }
            (When::Day { .. }, true) => Ok(None),
            (_, false) => Ok(Some(found)),
        }
    }

    /// Returns whether a stored decision says something of the invoice that was asked about.
    fn concerns(&self, decision: &StoredDecision) -> bool {
        let Some(document) = self.document.map(|document| self.ledger.document(document)) else { return true };
        let is_account =
            decision.document.is_empty() && (decision.currency.is_empty() || decision.currency == document.currency.as_str());
        is_account || decision.document == document.number.as_str()
    }

    /// Spells out what one run decided, with what today's data would have decided in its place.
    fn of_run(
        &self,
        reader: &Connection,
        run: &DecidingRun,
        as_of: Date,
        decisions: Vec<StoredDecision>,
    ) -> Result<Vec<Stored>, ExplainFault> {
        let today = self.decided_today(reader, run, as_of)?;
        let spelled = |decision: StoredDecision| {
            let mail = decision.message.map(|id| self.mail(reader, id)).transpose()?.flatten();
            let mut left = decision.trace.as_deref().map(|text| read(text, as_of)).unwrap_or_default();
            if let Some(document) = self.document.map(|document| self.ledger.document(document).number.as_str()) {
                left.retain(|item| item.document == document || item.document.is_empty());
            }
            let sentence = sentence(&decision, mail.as_ref());
            let of_mail = mail.as_ref().filter(|mail| mail.run == decision.run).map(|mail| &mail.items);
            let items = |items: &Vec<ItemView>| sorted(items.iter().map(|item| item.document.clone()).collect());
            let said = Said { verdict: decision.verdict.clone(), reason: decision.reason.clone(), items: of_mail.map(items) };
            let place = (decision.rule.as_str(), decision.currency.as_str(), decision.document.as_str());
            let now =
                today.iter().find(|(rule, currency, document, _)| (rule.as_str(), currency.as_str(), document.as_str()) == place);
            let otherwise = match now {
                _ if !self.workspace.rules.rules.iter().any(|rule| rule.is_known_as(&RuleId::new(&decision.rule))) => {
                    Some("the rule is not there any more, or has errors".to_owned())
                }
                Some((.., own)) if own.is_as(&said) => None,
                // What a message was already under way for is told by the run, not by the plan.
                Some((.., own)) if said.reason == DeclineReason::UnderWay.as_str() && own.verdict == "due" => None,
                Some((.., own)) => Some(own.words()),
                None => Some("nothing is open of it now as of that day".to_owned()),
            };
            Ok(Stored { as_of: run.as_of.clone(), sentence, mail, items: left, otherwise, decision })
        };
        decisions.into_iter().map(spelled).collect()
    }

    /// Plans the day of a run anew, by the present ledger and rules and the history up to that run.
    fn decided_today(
        &self,
        reader: &Connection,
        run: &DecidingRun,
        as_of: Date,
    ) -> Result<Vec<(String, String, String, Said)>, StoreError> {
        let all = &self.workspace.rules;
        let rules: RuleSet = match &run.rule_id {
            None => all.clone(),
            Some(id) => {
                let own = all.rules.iter().filter(|rule| rule.is_known_as(&RuleId::new(id))).cloned().collect();
                let rivals = all.rules.iter().filter(|rule| run.local_time.is_some() && runs_on(self.workspace, rule, as_of));
                all.of(own).against(rivals.cloned())
            }
        };
        let mode = if run.mode == "redirect" { "redirect" } else { "live" };
        let past = history_before(reader, mode, run.id, run.started_at, self.workspace.config.time_zone.zone())?;
        let scheduled_on = run.local_time.as_deref().and_then(|time| time.parse::<DateTime>().ok()).map_or(as_of, DateTime::date);
        let question =
            Question { scheduled_on, only: Some(Scope::Customer(self.customer)), own_run: Some(run.id), ..Question::on(as_of) };
        let plan = plan_within(&rules, self.ledger, &past, question);
        let mut found = Vec::new();
        for (rule, rule_plan) in rules.rules.iter().zip(&plan.rules) {
            let mut occasions = Occasions::new(self.ledger);
            for decision in &rule_plan.decisions {
                let document = match decision.subject {
                    Subject::Invoice(document) => self.ledger.document(document).number.to_compact_string(),
                    Subject::Payment(_) => occasions.of(decision).unwrap_or_default(),
                    Subject::Account | Subject::Customer => Default::default(),
                };
                let (verdict, reason, items) = match decision.verdict {
                    Verdict::Declined(reason) => ("declined", reason.as_str(), None),
                    Verdict::Message(place) => {
                        let message = &plan.messages[place as usize];
                        let numbers =
                            plan.items(message).iter().map(|item| self.ledger.document(item.document).number.to_string());
                        let items = Some(sorted(numbers.collect()));
                        match message.blocked {
                            Some(reason) => ("blocked", reason.as_str(), items),
                            None => ("due", due_reason(&rule.kind), items),
                        }
                    }
                };
                let currency = decision.currency.map_or_else(String::new, |currency| currency.to_string());
                let said = Said { verdict: verdict.to_owned(), reason: reason.to_owned(), items };
                found.push((rule.id.to_string(), currency, document.into_string(), said));
            }
        }
        Ok(found)
    }

    fn mail(&self, reader: &Connection, id: i64) -> Result<Option<StoredMail>, StoreError> {
        let mut found: Option<MessageView> = None;
        messages(reader, &MessageFilter { ids: vec![id], ..MessageFilter::default() }, Some(1), |view| found = Some(view))?;
        let Some(view) = found else { return Ok(None) };
        let amount = Currency::parse(&view.currency).zip(view.total.parse().ok()).map(|(currency, total)| plain(total, currency));
        Ok(Some(StoredMail {
            id,
            run: view.run,
            state: view.state,
            about: if view.level.is_empty() { view.occasion } else { view.level },
            items: message_items(reader, id)?,
            total: amount.unwrap_or(view.total),
            currency: view.currency,
        }))
    }

    /// Returns the holds that stand on the customer or its invoices.
    fn holds(&self) -> Result<Vec<HoldView>, StoreError> {
        let Some(reader) = self.reader else { return Ok(Vec::new()) };
        let is_own = |hold: &HoldView| match &hold.subject {
            HoldSubject::Customer(id) => id == self.customer_id(),
            HoldSubject::Invoice(number) => self.ledger.find_document(number).is_some_and(|document| {
                self.ledger.document(document).customer == self.customer && self.document.is_none_or(|own| own == document)
            }),
        };
        Ok(holds(reader, false)?.into_iter().filter(is_own).collect())
    }
}

/// What was decided, as words of the store.
struct Said {
    verdict: String,
    reason: String,
    /// The documents of its mail, sorted, where that is known.
    items: Option<Vec<String>>,
}

fn sorted(mut numbers: Vec<String>) -> Vec<String> {
    numbers.sort_unstable();
    numbers
}

impl Said {
    fn is_as(&self, other: &Self) -> bool {
        let is_about_the_same = self.items.as_ref().zip(other.items.as_ref()).is_none_or(|(own, others)| own == others);
        self.verdict == other.verdict && self.reason == other.reason && is_about_the_same
    }

    fn words(&self) -> String {
        match self.verdict.as_str() {
            "due" => match self.items.as_deref() {
                None | Some([]) => "a mail would be due".to_owned(),
                Some(items) => format!("a mail would be due, about {}", items.join(", ")),
            },
            "blocked" => format!("a mail would be due, and blocked: {}", reason_words(&self.reason)),
            _ => format!("no mail: {}", reason_words(&self.reason)),
        }
    }
}

fn sentence(decision: &StoredDecision, mail: Option<&StoredMail>) -> String {
    match (decision.verdict.as_str(), mail) {
        ("due", Some(mail)) => format!("due for `{}`", mail.about),
        ("due", None) => "a mail was due".to_owned(),
        _ => reason_words(&decision.reason),
    }
}

/// Returns the sentence of a reason's word.
pub fn reason_words(word: &str) -> String {
    let declined = DeclineReason::ALL.into_iter().find(|reason| reason.as_str() == word).map(DeclineReason::sentence);
    let blocked = || BlockReason::ALL.into_iter().find(|reason| reason.as_str() == word).map(BlockReason::sentence);
    declined.or_else(blocked).unwrap_or(word).to_owned()
}
