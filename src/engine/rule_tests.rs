//! The tests of rules: reads `<rule>.test.yaml` files, plays the days of each case, and tells what differs.
//!
//! A case is planned and composed by the same functions as a run, with the workspace's own limits, calendar, senders and texts.
//! Nothing is stored or sent. What no case reached is told by copies of the rules that note what they are asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::config::Mode;
use crate::domain::date::{Date, shifted};
use crate::domain::hold::Holds;
use crate::domain::id::RuleId;
use crate::domain::ledger::Ledger;
use crate::domain::mailbox::{RecipientRole, Suppressions};
use crate::domain::problem::{Place, Problem, nearest};
use crate::engine::attach::Attachments;
use crate::engine::compose::Composer;
use crate::engine::left_out::left_out;
use crate::engine::workspace::{Workspace, load};
use crate::plan::history::{History, MailKind, Occasion, PastMail, Standing, Step};
use crate::plan::{Plan, PlannedMessage, Question, Verdict, plan_within};
use crate::port::LedgerSource;
use crate::rule::{Rule, RuleKind, RuleSet};
use crate::rulebook::watch::{SETTLE, Stamps, Watch};
use crate::rulebook::{self, TextFile};
use crate::ruletest::{
    self, Came, CameDecision, CameMail, Case, Columns, CsvNames, Difference, ENDING, HoldOn, Known, Played, Receivables, Rows,
    SentMatter, Stretch, read_cases,
};
use crate::schedule::end_of;
use crate::script::{Branches, Reached};
use crate::source::csv::{CsvSource, CsvTable};

/// How often files are looked at where the system gives no notice of changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The cases of one file.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The rule that the file is a test of.
    pub rule: RuleId,
    /// The file.
    pub file: Arc<str>,
    /// Its cases that are right.
    pub cases: Vec<Case>,
}

/// Every test of a workspace.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// By file.
    pub suites: Vec<Suite>,
    /// What is wrong with the files.
    pub problems: Vec<Problem>,
}

/// How a case came out.
#[derive(Clone, Debug, Serialize)]
pub struct CaseView {
    /// The rule.
    pub rule: String,
    /// The case.
    pub case: String,
    /// Where it stands.
    pub place: Place,
    /// What it goes back to.
    pub cites: Vec<String>,
    /// Whether nothing differs.
    pub passed: bool,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// What the cases reached of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The rule.
    pub rule: String,
    /// Its levels, or `statement`, or `notice`.
    pub levels: Vec<ReachedPart>,
    /// The parts of its `where`.
    pub branches: Vec<BranchView>,
    /// The functions of its script.
    pub functions: Vec<ReachedPart>,
}

/// A part of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReachedPart {
    /// Its name.
    pub name: String,
    /// Whether a case reached it.
    pub reached: bool,
}

/// A part of a `where`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BranchView {
    /// Its text.
    pub part: String,
    /// Whether it was true in a case.
    pub was_true: bool,
    /// Whether it was false in a case.
    pub was_false: bool,
}

/// How all cases came out.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The cases.
    pub cases: Vec<CaseView>,
    /// What they reached of the rules that have tests.
    pub coverage: Vec<Coverage>,
}

impl Coverage {
    /// Returns what no case reached, in words: `level final`, `never false: invoice.disputed`.
    pub fn gaps(&self) -> Vec<String> {
        let level = |part: &ReachedPart| match part.name.as_str() {
            mail @ ("statement" | "notice") => format!("its {mail}"),
            level => format!("level `{level}`"),
        };
        let levels = self.levels.iter().filter(|part| !part.reached).map(level);
        let branches = self.branches.iter().flat_map(|branch| {
            let words = |was: bool, word: &str| (!was).then(|| format!("`where`: never {word}: {}", branch.part));
            [words(branch.was_true, "true"), words(branch.was_false, "false")].into_iter().flatten()
        });
        let functions = self.functions.iter().filter(|part| !part.reached).map(|part| format!("function `{}`", part.name));
        levels.chain(branches).chain(functions).collect()
    }
}

/// Reads every test of a workspace; rules that are broken have told their own problems.
pub fn read(workspace: &Workspace) -> Tests {
    let (files, problems) = rulebook::read_tests(&workspace.root);
    let broken = if files.is_empty() { Vec::new() } else { broken(workspace) };
    let mut tests = Tests { suites: Vec::new(), problems };
    for TextFile { path, text } in files {
        let stem = path.strip_suffix(ENDING).unwrap_or(&path);
        let rule_file = format!("{stem}.yaml");
        let rules = &workspace.rules.rules;
        let Some(own) = rules.iter().find(|rule| *rule.file == *rule_file) else {
            let is_there = workspace.root.join(&rule_file).is_file();
            let message = if is_there {
                format!("The rule in `{rule_file}` has errors, so its cases are not run")
            } else {
                format!("This is the test of a rule that is not there: `{rule_file}`")
            };
            // The rule's own errors are told, and are errors enough.
            let problem = if is_there { Problem::warning(message) } else { Problem::error(message) };
            let problem = problem.at(Place::file(path.clone()));
            tests.problems.push(match nearest(&rule_file, rules.iter().map(|rule| &*rule.file)) {
                _ if is_there => problem.hint("mend the rule"),
                Some(near) => problem.hint(format!("did you mean to name it after `{near}`?")),
                None => problem.hint("name it after the rule's file: `overdue.test.yaml` beside `overdue.yaml`"),
            });
            continue;
        };
        let (cases, found) = read_cases(&path, &text, &known_beside(workspace, own, broken.clone()));
        tests.problems.extend(found);
        tests.suites.push(Suite { rule: own.id.clone(), file: path, cases });
    }
    tests
}

/// Returns what cases of a rule may name.
pub fn known<'w>(workspace: &'w Workspace, own: &'w Rule) -> Known<'w> {
    known_beside(workspace, own, broken(workspace))
}

/// Returns the ids of the rules that are left out because of their errors; reads the files once more.
fn broken(workspace: &Workspace) -> Vec<String> {
    left_out(workspace).into_iter().map(|rule| rule.id).collect()
}

fn known_beside<'w>(workspace: &'w Workspace, own: &'w Rule, broken: Vec<String>) -> Known<'w> {
    Known {
        recipient_keys: workspace.config.recipient_keys.iter().map(|role| role.key.clone()).collect(),
        senders: workspace.config.senders.iter().map(|sender| sender.id.to_string()).collect(),
        currency: workspace.config.ledger.currency,
        rules: &workspace.rules.rules,
        own,
        broken,
    }
}

/// Runs the cases. The workspace's mode does not matter: what is compared is to whom mails are meant to go.
pub fn run(workspace: &mut Workspace, suites: &[Suite]) -> Outcome {
    workspace.config.mode = Mode::Live;
    let player = Player::new(workspace);
    let mut reached = BTreeSet::new();
    let mut views = Vec::new();
    for suite in suites {
        for case in &suite.cases {
            let differences = player.play(case, &mut reached).unwrap_or_else(|fault| {
                let (on, about) = (String::new(), "the case as a whole".to_owned());
                let expected = "receivables that can be read".to_owned();
                vec![Difference { place: case.place.clone(), on, about, expected, got: fault }]
            });
            views.push(CaseView {
                rule: suite.rule.to_string(),
                case: case.name.clone(),
                place: case.place.clone(),
                cites: case.cites.clone(),
                passed: differences.is_empty(),
                differences,
            });
        }
    }
    let is_tested = |rule: &&Watched| suites.iter().any(|suite| suite.rule == rule.rule.id);
    let coverage = player.rules.iter().filter(is_tested).map(|rule| rule.coverage(&reached)).collect();
    Outcome { cases: views, coverage }
}

/// A copy of a rule that notes what it is asked.
struct Watched {
    rule: Rule,
    branches: Option<Branches>,
    functions: Option<(BTreeSet<String>, Reached)>,
}

impl Watched {
    fn of(rule: &Rule) -> Self {
        let mut rule = rule.clone();
        let mut branches = None;
        if let Some((copy, watch)) = rule.condition.as_ref().map(crate::script::Condition::watched) {
            rule.condition = Some(copy);
            branches = Some(watch);
        }
        let mut functions = None;
        if let Some((copy, reached)) = rule.script.as_ref().and_then(|script| script.watched()) {
            functions = Some((copy.functions().clone(), reached));
            rule.script = Some(Arc::new(copy));
        }
        Self { rule, branches, functions }
    }

    fn coverage(&self, reached: &BTreeSet<(String, String)>) -> Coverage {
        let id = self.rule.id.to_string();
        let level = |name: &str| ReachedPart { name: name.to_owned(), reached: reached.contains(&(id.clone(), name.to_owned())) };
        let levels = self.rule.level_words().into_iter().map(level).collect();
        let branches = self.branches.iter().flat_map(Branches::seen);
        let branches = branches.map(|one| BranchView { part: one.text, was_true: one.was_true, was_false: one.was_false });
        let functions = self.functions.iter().flat_map(|(names, reached)| {
            let entered = reached.names();
            names.iter().map(move |name| ReachedPart { name: name.clone(), reached: entered.contains(name) })
        });
        Coverage { levels, branches: branches.collect(), functions: functions.collect(), rule: id }
    }
}

/// Plays cases with watched copies of the rules.
pub(crate) struct Player<'w> {
    workspace: &'w Workspace,
    rules: Vec<Watched>,
    columns: Columns,
}

impl<'w> Player<'w> {
    pub(crate) fn new(workspace: &'w Workspace) -> Self {
        let rules = workspace.rules.rules.iter().map(Watched::of).collect();
        Self { workspace, rules, columns: workspace.ledger_columns() }
    }

    /// Plays a case and returns what differs.
    fn play(&self, case: &Case, reached: &mut BTreeSet<(String, String)>) -> Result<Vec<Difference>, String> {
        let all = self.came(case)?;
        for mail in all.iter().flat_map(|came| &came.mails) {
            reached.insert((mail.rule.clone(), mail.level.clone()));
            reached.extend(mail.items.iter().map(|(_, level)| (mail.rule.clone(), level.clone())));
        }
        Ok(case.stretches.iter().zip(&all).flat_map(|(stretch, came)| ruletest::compare(stretch, came, case.days)).collect())
    }

    /// Plays a case and returns what came of each stretch.
    pub(crate) fn came(&self, case: &Case) -> Result<Vec<Came>, String> {
        let mut rows = match &case.receivables {
            Receivables::Rows(rows) => rows.clone(),
            Receivables::Csv(names) => self.files(names, case.days.first())?,
        };
        let mut holds = Holds::default();
        put_on_hold(&mut holds, &case.holds);
        let mut history = self.history(case);
        let mut all = Vec::new();
        for stretch in &case.stretches {
            rows.add(&stretch.booked);
            for number in &stretch.paid {
                if !rows.settle(number, stretch.span.first()) {
                    return Err(format!("there is no invoice `{number}` to be paid"));
                }
            }
            put_on_hold(&mut holds, &stretch.holds);
            history.holds = Arc::new(holds.clone());
            let ledger = rows.ledger(&self.columns).map_err(|error| error.to_string())?;
            let mut came = Came::default();
            for (day, rules) in self.days(case, stretch) {
                let mut plan = plan_within(&rules, &ledger, &history, Question::on(day));
                self.tell(&rules, &ledger, &mut plan, &mut came);
                history.carry_out(&plan, &rules, &ledger);
            }
            all.push(came);
        }
        Ok(all)
    }

    fn files(&self, names: &CsvNames, day: Date) -> Result<Rows, String> {
        let mut files = self.workspace.ledger_files();
        let there = |table: CsvTable, name: &str| CsvTable { path: self.workspace.root.join(name), name: name.into(), ..table };
        let optional = |table: Option<CsvTable>, name: &Option<String>, key: &str| match (table, name) {
            (Some(table), Some(name)) => Ok(Some(there(table, name))),
            (None, Some(name)) => Err(format!("config.yaml maps no {key}, so `{name}` cannot be read")),
            (_, None) => Ok(None),
        };
        files.customers = optional(files.customers, &names.customers, "customers")?;
        files.credit_notes = optional(files.credit_notes, &names.credit_notes, "credit_notes")?;
        files.payments = optional(files.payments, &names.payments, "payments")?;
        files.invoices = there(files.invoices, &names.invoices);
        let ledger = CsvSource::new(files, day).read(&mut |_, _| {}).map_err(|problems| {
            let all: Vec<String> = problems.iter().take(3).map(ToString::to_string).collect();
            all.join("; ")
        })?;
        Ok(Rows::of(&ledger, ledger.customer_indexes()))
    }

    /// Returns what the case says was sent before.
    fn history(&self, case: &Case) -> History {
        let mut history = History::default();
        history.suppressions = Arc::new(case.suppressed.iter().fold(Suppressions::default(), |mut all, address| {
            all.add(address);
            all
        }));
        for watched in self.rules.iter().filter(|watched| case.rules.contains(&watched.rule.id)) {
            let id = &watched.rule.id;
            let first_mail = case.history.mails.iter().filter(|mail| mail.rule == *id).map(|mail| mail.on).min();
            if let Some(started_on) = case.history.started_on.or(first_mail) {
                history.add_start(id.clone(), started_on);
                if matches!(watched.rule.kind, RuleKind::Notice(_)) {
                    history.add_baseline(id.clone(), Default::default());
                    case.history.baseline.iter().for_each(|name| history.add_baseline(id.clone(), name.into()));
                }
            }
        }
        for mail in &case.history.mails {
            let (rule, customer, on) = (&mail.rule, &mail.customer, mail.on);
            match &mail.matter {
                SentMatter::Reminder { level, repeat, items } => {
                    for item in items {
                        let step = Step { level: level.clone(), repeat: *repeat, standing: mail.standing, on };
                        history.add_step(rule.clone(), item.clone(), step);
                    }
                }
                SentMatter::Occasion(name) => {
                    let occasion = Occasion { customer: customer.clone(), currency: mail.currency, name: name.into() };
                    history.add_occasion(rule.clone(), occasion, mail.standing);
                }
            }
            let kind = match self.rules.iter().find(|watched| watched.rule.id == *rule).map(|watched| &watched.rule.kind) {
                Some(RuleKind::Reminder(_)) => MailKind::Reminder,
                Some(RuleKind::Statement(_)) => MailKind::Statement,
                Some(RuleKind::Notice(_)) | None => continue,
            };
            if matches!(mail.standing, Standing::Accepted | Standing::UnderWay | Standing::Unknown) {
                let is_queued = mail.standing == Standing::UnderWay;
                let past = PastMail { rule: rule.clone(), currency: mail.currency, kind, on, is_queued, run: None };
                history.add_mail(customer.clone(), past);
            }
        }
        history
    }

    /// Returns the days of a stretch, each with the rules that run on it.
    fn days(&self, case: &Case, stretch: &Stretch) -> Vec<(Date, RuleSet)> {
        let own = || self.rules.iter().map(|watched| &watched.rule).filter(|rule| case.rules.contains(&rule.id));
        let set = |rules: Vec<Rule>| self.workspace.rules.of(rules);
        match stretch.span {
            Played::Day(day) => vec![(day, set(own().cloned().collect()))],
            Played::Through(from, through) => {
                let firing: Vec<(&Rule, BTreeSet<Date>)> =
                    own().map(|rule| (rule, self.firing_days(rule, from, through))).collect();
                let days: BTreeSet<Date> = firing.iter().flat_map(|(_, days)| days.iter().copied()).collect();
                let of_day = |day: Date| {
                    let rules = firing.iter().filter(|(_, days)| days.contains(&day)).map(|(rule, _)| (*rule).clone());
                    (day, set(rules.collect()))
                };
                days.into_iter().map(of_day).collect()
            }
        }
    }

    /// Returns the days on which a rule fires; one without a schedule may be run on any.
    fn firing_days(&self, rule: &Rule, from: Date, through: Date) -> BTreeSet<Date> {
        let Some(schedule) = &rule.schedule else {
            return std::iter::successors(Some(from), |day| Some(shifted(*day, 1))).take_while(|day| *day <= through).collect();
        };
        let (usual, calendar) = (&self.workspace.config.time_zone, &self.workspace.calendar);
        let firings = schedule.first_of_each_day(end_of(shifted(from, -1)), through, usual, calendar);
        firings.map(|firing| firing.local.date()).collect()
    }

    /// Adds what came of a plan; a mail that cannot be composed is blocked in the plan too, as a run would have it.
    pub(crate) fn tell(&self, rules: &RuleSet, ledger: &Ledger, plan: &mut Plan, came: &mut Came) {
        let attachments = Attachments::left_out();
        // Any instant of the day will do: nothing but a header that nobody compares depends on it.
        let now = plan.as_of.to_zoned(jiff::tz::TimeZone::UTC).map_or(jiff::Timestamp::UNIX_EPOCH, |day| day.timestamp());
        let (mut mails, mut blocked) = (Vec::new(), Vec::new());
        {
            let composer = Composer { workspace: self.workspace, rules, ledger, plan, now, attachments: &attachments };
            for (place, message) in plan.messages.iter().enumerate() {
                let mail = came_mail(&composer, message);
                blocked.extend(mail.blocked.as_ref().map(|(reason, _)| (place, *reason)));
                mails.push(mail);
            }
        }
        for (place, reason) in blocked {
            plan.messages[place].blocked = Some(reason);
        }
        came.mails.extend(mails);
        for (place, rule) in rules.rules.iter().enumerate() {
            for decision in &plan.rules[place].decisions {
                let is_reminder = rule.reminder().is_some();
                let (reason, mailed) = match decision.verdict {
                    Verdict::Declined(reason) => (Some(reason), Vec::new()),
                    Verdict::Message(message) => {
                        let message = &plan.messages[message as usize];
                        (None, plan.items(message).iter().map(|item| item.document).collect())
                    }
                };
                let documents = plan.subject_documents(decision, ledger).into_iter().filter(|one| !mailed.contains(one));
                let item = |document| {
                    let own = if is_reminder { Some(plan.item_reason(place, document)) } else { reason };
                    Some((ledger.document(document).number.to_string(), own?))
                };
                came.decisions.push(CameDecision {
                    on: plan.as_of,
                    rule: rule.id.to_string(),
                    customer: ledger.customer(decision.customer).id.to_string(),
                    reason,
                    items: documents.filter_map(item).collect(),
                });
            }
        }
    }
}

fn came_mail(composer: &Composer<'_>, message: &PlannedMessage) -> CameMail {
    let Composer { rules, ledger, plan, .. } = composer;
    let (composed, given) = (composer.compose(message, &[]), composer.given(message));
    let (recipients, _) = composer.recipients(message);
    let of_role = |role: RecipientRole| -> Vec<String> {
        recipients.iter().filter(|one| one.role == role).map(|one| one.address.to_string()).collect()
    };
    let number = |item: &crate::plan::PlannedItem| ledger.document(item.document).number.to_string();
    let level = message.level_facts(rules).id.to_string();
    let is_reminder = message.rule(rules).reminder().is_some();
    let item_level = |item: &crate::plan::PlannedItem| match is_reminder {
        true => message.item_level(rules, item).to_string(),
        false => level.clone(),
    };
    CameMail {
        on: plan.as_of,
        rule: message.rule(rules).id.to_string(),
        customer: ledger.customer(message.customer).id.to_string(),
        repeat: message.lead().repeat,
        items: plan.items(message).iter().map(|item| (number(item), item_level(item))).collect(),
        total: message.total,
        currency: message.currency,
        from: message.sender(rules).to_string(),
        to: of_role(RecipientRole::To),
        cc: of_role(RecipientRole::Cc),
        bcc: of_role(RecipientRole::Bcc),
        subject: composed.as_ref().map(|composed| composed.subject.clone()).unwrap_or_default(),
        text: composed.as_ref().map(|composed| composed.text.clone()).unwrap_or_default(),
        variables: given.unwrap_or_default(),
        blocked: composed.err().map(|blocked| (blocked.reason, blocked.detail)),
        level,
    }
}

fn put_on_hold(holds: &mut Holds, all: &[ruletest::Hold]) {
    for hold in all {
        match &hold.on {
            HoldOn::Customer(customer) => holds.add_customer(customer.clone(), hold.term),
            HoldOn::Invoice(invoice) => holds.add_invoice(invoice.clone(), hold.term),
        }
    }
}

/// Looks out for changes of what a test of a rule depends on: the workspace's texts, the tests, and files that cases name.
pub struct Lookout {
    root: PathBuf,
    others: Vec<String>,
    watch: Watch,
    seen: Stamps,
}

impl Lookout {
    /// Begins to look at the workspace in `root`.
    pub fn new(root: &Path) -> Self {
        let others = named_files(root);
        let (watch, seen) = (Watch::start(root, &others), look(root, &others));
        Self { root: root.to_owned(), others, watch, seen }
    }

    /// Ends once a file is another one than when this was last called, or begun.
    pub async fn changed(&mut self) {
        while look(&self.root, &self.others) == self.seen {
            tokio::select! {
                () = self.watch.hinted() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        self.others = named_files(&self.root);
        self.watch.renew(&self.others);
        // Before the tests are read: what changes while they run is run again.
        self.seen = look(&self.root, &self.others);
    }
}

fn look(root: &Path, others: &[String]) -> Stamps {
    Stamps::take(root, &[rulebook::test_paths(root), others.to_vec()].concat())
}

/// Returns the files that config.yaml and the cases name: calendars and exports.
fn named_files(root: &Path) -> Vec<String> {
    let Some(workspace) = load(root).workspace else { return Vec::new() };
    let mut files = workspace.other_files();
    for case in read(&workspace).suites.iter().flat_map(|suite| &suite.cases) {
        let Receivables::Csv(names) = &case.receivables else { continue };
        let CsvNames { customers, invoices, credit_notes, payments } = names.clone();
        files.extend([customers, Some(invoices), credit_notes, payments].into_iter().flatten());
    }
    files.sort_unstable();
    files.dedup();
    files
}
