//! A case from a real customer: what stands in the ledger and the history, disguised, with what comes of it today.
//!
//! The text is read back and played before anybody sees it, so that it passes as it stands. Where the disguise changes what comes
//! of it, that is said.

use std::collections::BTreeMap;
use std::{fs, io};

use thiserror::Error;

use crate::domain::date::{Date, days_between, shifted};
use crate::domain::hold::HoldTerm;
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RuleId};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, LedgerError};
use crate::domain::money::Currency;
use crate::domain::problem::Problem;
use crate::engine::rule_tests::{Player, known};
use crate::engine::schema::SchemaKind;
use crate::engine::workspace::Workspace;
use crate::plan::history::{History, Standing};
use crate::plan::occasion::{of_customer, of_invoice, of_payments};
use crate::plan::{Question, Scope, plan_within};
use crate::rule::{Rule, RuleKind};
use crate::rulebook;
use crate::ruletest::{
    Came, Case, Columns, Disguise, Draft, ENDING, Hold, HoldOn, Past, Played, Rows, SentMail, SentMatter, compare, read_cases,
};

/// How far back the mails of other rules are told: no contact gap is longer than that in practice.
const OTHERS_WITHIN_DAYS: i32 = 31;

/// A case that was made.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The case as a member of `cases`.
    pub text: String,
    /// What the real customer gets otherwise, if the disguise or other rules change it.
    pub differs: Option<String>,
}

/// Why no case was made.
#[derive(Debug, Error)]
pub enum RecordFault {
    /// The disguised rows contradict each other.
    #[error("The customer's rows cannot be taken out of the ledger: {0}")]
    Rows(#[from] LedgerError),
    /// The text that was made is not right.
    #[error("The case that was made cannot be read: {0}")]
    Unreadable(Problem),
    /// It does not pass.
    #[error("The case that was made does not pass: expected {expected}, got {got}")]
    Fails {
        /// What was written.
        expected: String,
        /// What came.
        got: String,
    },
    /// The test's file cannot be read or written.
    #[error("Cannot read or write `{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The case does not go with what stands in the file.
    #[error("The case does not fit behind the last line of `{path}`")]
    Unfit {
        /// The file.
        path: String,
    },
}

/// Whom and when.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The rule the case is for.
    pub rule: &'a Rule,
    /// The customer.
    pub customer: CustomerIndex,
    /// The first day.
    pub as_of: Date,
    /// How many days are played, at least 1.
    pub days: u32,
}

/// Makes a case. `taken` are the names that cases of the file have.
///
/// # Errors
/// Why there is none.
pub fn record(
    workspace: &Workspace,
    ledger: &Ledger,
    history: &History,
    asked: Asked<'_>,
    taken: &[String],
) -> Result<Recorded, RecordFault> {
    let Asked { rule, customer, as_of, days } = asked;
    let (deciding, shown) = texts(workspace, rule);
    let deciding: Vec<&str> = deciding.iter().map(String::as_str).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let (rows, disguise) = Disguise::of(&Rows::of(ledger, [customer].into_iter()), &deciding, &shown);
    let invented = rows.ledger(&Columns::default())?;
    let source = Source { workspace, rule, ledger, history, customer, disguise: &disguise, as_of };
    let title = format!("From the books of {as_of}");
    let numbered = (2..).map(|count| format!("{title}, {count}"));
    let name = std::iter::once(title.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(title);
    let span = match i32::try_from(days.saturating_sub(1)).unwrap_or(i32::MAX) {
        0 => Played::Day(as_of),
        more => Played::Through(as_of, shifted(as_of, more)),
    };
    let draft = Draft {
        name,
        currency: workspace.config.ledger.currency,
        rule: rule.id.clone(),
        history: source.past(&invented),
        holds: source.holds(),
        suppressed: source.suppressed(),
        rows,
        span,
    };
    let player = Player::new(workspace);
    let read = |text: &str| -> Result<Case, RecordFault> {
        let (mut cases, problems) = read_cases("recorded.test.yaml", &format!("cases:\n{text}"), &known(workspace, rule));
        match (cases.pop(), problems.into_iter().next()) {
            (Some(case), None) => Ok(case),
            (_, problem) => Err(RecordFault::Unreadable(problem.unwrap_or_else(|| Problem::error("there is no case")))),
        }
    };
    let played = |case: &Case| -> Result<Came, RecordFault> {
        let came = player.came(case).map_err(|fault| RecordFault::Fails { expected: "receivables".to_owned(), got: fault })?;
        Ok(came.into_iter().next().unwrap_or_default())
    };
    // Played once to see what comes, and a second time as a test of what was written.
    let came = played(&read(&draft.text(&Came::default()))?)?;
    let text = draft.text(&came);
    let case = read(&text)?;
    let came = played(&case)?;
    if let Some(difference) = compare(&case.stretches[0], &came, case.days).into_iter().next() {
        return Err(RecordFault::Fails { expected: difference.expected, got: difference.got });
    }
    let differs = source.differs(&player, &came);
    Ok(Recorded { text, differs })
}

/// Returns the texts by which a rule decides, and all that may ask for a column.
fn texts(workspace: &Workspace, rule: &Rule) -> (Vec<String>, Vec<String>) {
    let (texts, _) = rulebook::read(&workspace.root);
    let mut deciding: Vec<String> = rule.condition.iter().map(|condition| condition.text().to_owned()).collect();
    deciding.extend(rule.script.iter().map(|script| script.text().to_owned()));
    deciding.extend(texts.plugins.iter().flat_map(|plugin| plugin.texts.values().cloned()));
    let mut shown = deciding.clone();
    shown.extend(texts.templates.into_iter().map(|file| file.text));
    (deciding, shown)
}

/// What a case is made of.
struct Source<'s> {
    workspace: &'s Workspace,
    rule: &'s Rule,
    ledger: &'s Ledger,
    history: &'s History,
    customer: CustomerIndex,
    disguise: &'s Disguise,
    as_of: Date,
}

impl Source<'_> {
    fn id(&self) -> &CustomerId {
        &self.ledger.customer(self.customer).id
    }

    fn documents(&self) -> impl Iterator<Item = DocumentIndex> {
        self.ledger.documents_of(self.customer).map(|place| DocumentIndex(place as u32))
    }

    /// Returns what was sent before, under the invented names.
    fn past(&self, invented: &Ledger) -> Past {
        let own = self.history.of_rule(self.rule);
        let mut mails = Vec::new();
        for rule in &self.workspace.rules.rules {
            mails.extend(self.reminders(rule));
            mails.extend(self.occasions(rule, invented));
        }
        let is_told = |mail: &SentMail| mail.rule == self.rule.id || days_between(mail.on, self.as_of) <= OTHERS_WITHIN_DAYS;
        mails.retain(is_told);
        mails.sort_by_key(|mail| mail.on);
        let names = self.events(invented);
        let baseline = names.iter().filter(|(name, _)| own.is_in_baseline(name)).map(|(_, invented)| invented.clone());
        Past { started_on: own.started_on(), mails, baseline: baseline.collect() }
    }

    /// Returns the reminders of a rule: steps of one day and level were one mail, as far as anything depends on it.
    fn reminders(&self, rule: &Rule) -> Vec<SentMail> {
        let Some(reminder) = rule.reminder() else { return Vec::new() };
        let past = self.history.of_rule(rule);
        let mut mails: BTreeMap<(Date, LevelId, u32, Currency, Standing), Vec<DocumentNumber>> = BTreeMap::new();
        for index in self.documents() {
            let document = self.ledger.document(index);
            for step in past.steps(&document.number) {
                // A level that was renamed goes by its present name.
                let level = reminder.levels.iter().find(|level| level.id == step.level || level.formerly.contains(&step.level));
                let Some(level) = level else { continue };
                let key = (step.on, level.id.clone(), step.repeat, document.currency, step.standing);
                mails.entry(key).or_default().push(self.disguise.number(&document.number));
            }
        }
        let mail = |((on, level, repeat, currency, standing), items)| SentMail {
            rule: rule.id.clone(),
            customer: CustomerId::new(Disguise::CUSTOMER),
            currency,
            matter: SentMatter::Reminder { level, repeat, items },
            on,
            standing,
        };
        mails.into_iter().map(mail).collect()
    }

    /// Returns the statements or notices of a rule.
    fn occasions(&self, rule: &Rule, invented: &Ledger) -> Vec<SentMail> {
        if matches!(rule.kind, RuleKind::Reminder(_)) || (rule.id != self.rule.id && matches!(rule.kind, RuleKind::Notice(_))) {
            return Vec::new();
        }
        let (past, events) = (self.history.of_rule(rule), self.events(invented));
        let mut all: Vec<SentMail> = past
            .occasions_of(self.id())
            .filter_map(|(occasion, standing)| {
                let name = match rule.kind {
                    RuleKind::Notice(_) => events.iter().find(|(own, _)| *own == occasion.name)?.1.clone(),
                    _ => occasion.name.to_string(),
                };
                let mails = self.history.mails(self.id()).iter();
                let last = mails.filter(|mail| rule.is_known_as(&mail.rule) && mail.currency == occasion.currency);
                // The store knows the day of the last one alone; of the others nothing hangs on it.
                let on = last.map(|mail| mail.on).max().unwrap_or(shifted(self.as_of, -1));
                Some(SentMail {
                    rule: rule.id.clone(),
                    customer: CustomerId::new(Disguise::CUSTOMER),
                    currency: occasion.currency,
                    matter: SentMatter::Occasion(name),
                    on,
                    standing,
                })
            })
            .collect();
        all.sort_by(|a, b| format!("{:?}", a.matter).cmp(&format!("{:?}", b.matter)));
        if rule.id != self.rule.id {
            // Of another rule's statements only the last keeps anything away.
            all = all.split_off(all.len().saturating_sub(1));
        }
        all
    }

    /// Returns every event of the customer with its name and its invented one.
    fn events(&self, invented: &Ledger) -> Vec<(String, String)> {
        let mut names = vec![(of_customer(self.id().as_str()), of_customer(Disguise::CUSTOMER))];
        names.extend(self.documents().map(|index| {
            let number = &self.ledger.document(index).number;
            (of_invoice(number.as_str()), of_invoice(self.disguise.number(number).as_str()))
        }));
        if let Some(other) = invented.find_customer(Disguise::CUSTOMER) {
            names.extend(of_payments(self.ledger, self.customer).into_iter().zip(of_payments(invented, other)));
        }
        names.into_iter().map(|(name, invented)| (name.to_string(), invented.to_string())).collect()
    }

    fn holds(&self) -> Vec<Hold> {
        let all = &self.history.holds;
        // Asked for no invoice there is, so that only the customer's own are told.
        let own: Vec<HoldTerm> = all.of_invoice(self.id(), &DocumentNumber::new(""), self.as_of).collect();
        let mut holds: Vec<Hold> =
            own.iter().map(|term| Hold { on: HoldOn::Customer(CustomerId::new(Disguise::CUSTOMER)), term: *term }).collect();
        for index in self.documents() {
            let number = &self.ledger.document(index).number;
            let terms = all.of_invoice(self.id(), number, self.as_of).skip(own.len());
            holds.extend(terms.map(|term| Hold { on: HoldOn::Invoice(self.disguise.number(number)), term }));
        }
        holds
    }

    fn suppressed(&self) -> Vec<String> {
        let all = self.disguise.addresses().filter(|(address, _)| self.history.suppressions.has(address));
        all.map(|(_, invented)| invented.to_owned()).collect()
    }

    /// Says what the real customer gets on the first day, where that is not what the case has.
    fn differs(&self, player: &Player<'_>, came: &Came) -> Option<String> {
        let rules = self.workspace.rules.of(vec![self.rule.clone()]);
        let question = Question { only: Some(Scope::Customer(self.customer)), ..Question::on(self.as_of) };
        let mut plan = plan_within(&rules, self.ledger, self.history, question);
        let mut real = Came::default();
        player.tell(&rules, self.ledger, &mut plan, &mut real);
        let words = |came: &Came| -> Vec<String> {
            let mails = came.mails.iter().filter(|mail| mail.on == self.as_of).map(|mail| {
                let blocked = mail.blocked.as_ref().map_or("", |(reason, _)| reason.as_str());
                format!("the mail `{}` about {} ({} items) {blocked}", mail.level, mail.total, mail.items.len())
            });
            let decisions = came.decisions.iter().filter(|decision| decision.on == self.as_of);
            let mut all: Vec<String> =
                mails.chain(decisions.filter_map(|one| one.reason).map(|reason| reason.as_str().to_owned())).collect();
            all.sort();
            all
        };
        let (real, made) = (words(&real), words(came));
        // A stretch leaves out the first day where the rule does not fire on it.
        let is_played = !made.is_empty();
        (is_played && real != made).then(|| real.join(", "))
    }
}

/// The test's file of a rule, to which a case is added.
#[derive(Clone, Debug)]
pub struct TestFile<'w> {
    workspace: &'w Workspace,
    rule: &'w Rule,
    /// Its path in the workspace.
    pub path: String,
    before: Option<String>,
}

impl<'w> TestFile<'w> {
    /// Reads the test's file of a rule, if it has one.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn of(workspace: &'w Workspace, rule: &'w Rule) -> Result<Self, RecordFault> {
        let path = format!("{}{ENDING}", rule.file.strip_suffix(".yaml").unwrap_or(&rule.file));
        let before = match fs::read_to_string(workspace.root.join(&path)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(RecordFault::File { path, source }),
        };
        Ok(Self { workspace, rule, path, before })
    }

    /// Returns the names of its cases.
    pub fn names(&self) -> Vec<String> {
        let cases = self.before.iter().flat_map(|text| self.read(text).0);
        cases.map(|case| case.name).collect()
    }

    /// Writes a case behind the last one; a new file begins with its schema.
    ///
    /// # Errors
    /// The file cannot be written, or would not be right: then it is left as it is.
    pub fn append(&self, case: &str) -> Result<(), RecordFault> {
        let whole = match &self.before {
            None => {
                let first_line = SchemaKind::find("rule-test").map(SchemaKind::first_line).unwrap_or_default();
                format!("{first_line}cases:\n{case}")
            }
            Some(before) => format!("{}\n\n{case}", before.trim_end()),
        };
        let (cases, problems) = self.read(&whole);
        if cases.len() != self.names().len() + 1 || !problems.is_empty() {
            return Err(RecordFault::Unfit { path: self.path.clone() });
        }
        let written = fs::write(self.workspace.root.join(&self.path), whole);
        written.map_err(|source| RecordFault::File { path: self.path.clone(), source })
    }

    fn read(&self, text: &str) -> (Vec<Case>, Vec<Problem>) {
        read_cases(&self.path, text, &known(self.workspace, self.rule))
    }
}

/// Returns the id of the only rule, where there is one.
pub fn only_rule(workspace: &Workspace) -> Option<&RuleId> {
    match workspace.rules.rules.as_slice() {
        [only] => Some(&only.id),
        _ => None,
    }
}
