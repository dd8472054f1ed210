//! A workspace, loaded: config, rules, scripts, templates and calendars, checked as one generation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::config::{self, CalendarSettings, Config, Mode, ReadCalendar, SystemSecrets};
use crate::domain::date::{Date, DayUnit, Timestamp, days_between};
use crate::domain::id::{LevelId, RecipientKey, RuleId, TemplateName};
use crate::domain::ledger::Ledger;
use crate::domain::problem::{Place, Problem, Severity};
use crate::domain::rate_table::RateTable;
use crate::engine::deliver::pace::Rates;
use crate::engine::home::Away;
use crate::engine::matches::with_matches;
use crate::engine::run::{Parts, history_mode};
use crate::engine::signing::Signing;
use crate::engine::texts::{generation_of, kept_texts};
use crate::message::known_names;
use crate::outbox::retry::RetryPolicy;
use crate::paper::{self, LayoutFile, Layouts, PaperFile};
use crate::plan::history::History;
use crate::plugin::{self, PluginFolder, Plugins, Program};
use crate::port::{Clock, LedgerSource, Transport};
use crate::rule::{self, Broken, Known, Limits, RuleFile, RuleKind, RuleSet};
pub use crate::rulebook::revision::at_revision;
use crate::rulebook::{self, PAPERS, PluginTexts, Texts};
use crate::ruletest::Columns;
use crate::schedule::Calendar;
use crate::schedule::Quiet;
use crate::script::{BusinessDays, Library, Names, WorkingWeek};
use crate::smtp::pool::SmtpTransport;
use crate::smtp::tls::TlsFault;
pub use crate::source::csv::FileChange;
use crate::source::csv::{CsvLedger, CsvSource, CsvTable};
use crate::store::texts::GenerationText;
use crate::store::thread::thread;
use crate::store::{Queue, StoreError, history, ids_on_record, open_reader};
use crate::template::{ImageFile, LentFilter, TemplateFile, Templates};

/// How many coming statements of a rule are looked at for days between them: a year of monthly ones.
const STATEMENTS_LOOKED_AT: usize = 12;

/// Everything a run works with. Never changes once loaded: a run keeps the generation it started with.
#[derive(Debug)]
pub struct Workspace {
    /// The folder.
    pub root: PathBuf,
    /// config.yaml; its mode is not `live` while the database is away from home.
    pub config: Config,
    /// In what the database is not where it belongs; `None`: it is at home.
    pub away: Option<Away>,
    /// The rules that are right, sorted by id.
    pub rules: RuleSet,
    /// The templates.
    pub templates: Templates,
    /// The layouts of papers that are right.
    pub layouts: Layouts,
    /// The plugins that are right.
    pub plugins: Plugins,
    /// Which days are not business days.
    pub calendar: Calendar,
    /// The calendar files that hold single dates alone, each with its last.
    pub calendar_ends: Vec<(Arc<str>, Date)>,
    /// The text of config.yaml: another one may name other servers.
    pub config_text: String,
    /// A hash of every text it was made from, in hex.
    pub generation: String,
    /// These texts, which a run keeps: rules, scripts, templates, calendars and plugins; of all else the hash.
    pub texts: Arc<[GenerationText]>,
}

/// What loading a folder gave.
#[derive(Debug)]
pub struct Loaded {
    /// The workspace, if config.yaml is right; rules with errors are left out of it.
    pub workspace: Option<Workspace>,
    /// Every problem found, in the order of the files.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Returns whether anything is wrong, warnings apart.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Why sending cannot start.
#[derive(Debug, Error)]
pub enum StartFault {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret, a key or a file of certificates is not there.
    #[error("{}", place_and_message(.0))]
    Missing(Problem),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsFault),
}

/// Returns a problem without its hint, which faces say apart.
fn place_and_message(problem: &Problem) -> String {
    Problem { hint: None, ..problem.clone() }.to_string()
}

impl StartFault {
    /// Returns the way out, if one is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Store(StoreError::InUse { .. }) => {
                Some("if it is `dunlin run`, wait until it has ended; a daemon is asked with `dunlin run`, `runs` and `outbox`")
            }
            Self::Store(StoreError::Damaged { .. }) => Some(
                "stop all that uses it, keep the file, put a backup in its place and `dunlin adopt` it: docs/operating.md, \"Restoring a backup\"",
            ),
            Self::Store(StoreError::Older { .. }) => Some("the next `dunlin run`, or a start of the daemon, takes it up"),
            Self::Store(StoreError::Linked { .. }) => Some("remove the other name, or move the database to a folder of its own"),
            Self::Store(StoreError::Network { .. }) => Some("name a `database` on a disk of this machine"),
            Self::Store(StoreError::Strayed { .. }) => Some("begin again; `dunlin adopt` tells what is other than it was"),
            Self::Store(_) | Self::Tls(_) => None,
            Self::Missing(problem) => problem.hint.as_deref(),
        }
    }
}

/// Loads the workspace in `root`, finding every problem of config, rules, scripts, templates and the ledger's headings.
pub fn load(root: &Path) -> Loaded {
    load_apart(root, root)
}

/// Loads a workspace whose texts lie in the folder `texts_at`, and whose receivables, database and all else in `root`: how it
/// would be there with other texts.
pub fn load_apart(texts_at: &Path, root: &Path) -> Loaded {
    let (mut texts, mut problems) = rulebook::read(texts_at);
    let config_text = texts.config.as_ref().map_or_else(String::new, |file| file.text.clone());
    let config = texts.config.as_ref().and_then(|file| {
        let (config, found) = config::read(file, texts.config_readers);
        problems.extend(found);
        config
    });
    let rule_files: Vec<RuleFile> =
        texts.rules.iter().map(|file| RuleFile { path: file.path.to_string(), text: file.text.clone() }).collect();
    let folders: Vec<PluginFolder> = texts.plugins.iter().map(plugin_folder).collect();
    let Some(config) = config else {
        // The rules' own problems come along as far as the names they use can be read; the ledger's columns cannot.
        let names = texts.config.as_ref().and_then(config::names);
        let recipient_keys = names.as_ref().map_or_else(Vec::new, |names| names.recipient_keys.clone());
        let known = Names { recipient_keys, ..Names::default() };
        let (plugins, found) = plugin::load(&folders, &known, business_days(None));
        problems.extend(found);
        let (templates, layouts, found) = templates(&texts, &plugins.library);
        problems.extend(found);
        if let Some(names) = names {
            let known = Known {
                senders: names.senders,
                recipient_keys: names.recipient_keys,
                templates: templates.names().cloned().collect(),
                templates_without_balance: without_balance(&templates),
                customer_attributes: None,
                invoice_attributes: None,
                documents: None,
                disputed_is_mapped: false,
                // Not known, so nothing is said about it.
                has_calendar: true,
                limits: Limits::default(),
                pickers: plugins.pickers(),
                attachment_plugins: plugins.attachment_names(),
                broken: broken(&texts, &layouts, &plugins),
                layouts: layouts.names().map(str::to_owned).collect(),
                template_names: known_names(),
                library: plugins.library,
            };
            problems.extend(rule::load(&rule_files, &texts.scripts, &known).1);
        }
        return Loaded { workspace: None, problems };
    };
    problems.extend(config.missing_parts(root, &SystemSecrets));
    let calendar = match &config.calendar {
        None => Some(ReadCalendar::default()),
        Some(settings) => read_calendar(texts_at, settings, &mut texts, &mut problems),
    };
    let generation = generation_of(&texts);

    let header = CsvSource::new(ledger_files(root, &config), Date::MIN).header();
    let header = header.map_err(|found| problems.extend(found)).ok();
    let names = |columns: &[compact_str::CompactString]| columns.iter().map(ToString::to_string).collect::<Vec<_>>();
    let days = calendar.as_ref().filter(|_| config.calendar.is_some()).map(|read| &read.calendar);
    let recipient_keys: Vec<RecipientKey> = config.recipient_keys.iter().map(|role| role.key.clone()).collect();
    let customer_attributes = header.as_ref().map(|header| names(&header.customers));
    let invoice_attributes = header.as_ref().map(|header| {
        let mut all = names(&header.invoices);
        all.extend(names(&header.credit_notes));
        all
    });
    if let (Some(customers), Some(documents)) = (&customer_attributes, &invoice_attributes) {
        problems.extend(config.named_columns.iter().filter_map(|column| column.problem(customers, documents)));
    }
    let of_plugins = Names {
        recipient_keys: recipient_keys.clone(),
        invoice_attributes: invoice_attributes.clone(),
        customer_attributes: customer_attributes.clone(),
        ..Names::default()
    };
    let (plugins, found) = plugin::load(&folders, &of_plugins, business_days(days));
    problems.extend(found);
    problems.extend(alert_problem(&config, &plugins));
    let (templates, layouts, found) = templates(&texts, &plugins.library);
    problems.extend(found);
    let known = Known {
        senders: config.senders.iter().map(|sender| sender.id.clone()).collect(),
        recipient_keys,
        templates: templates.names().cloned().collect(),
        templates_without_balance: without_balance(&templates),
        customer_attributes,
        invoice_attributes,
        documents: Some(config.documents.iter().map(|document| document.id.clone()).collect()),
        disputed_is_mapped: config.ledger.invoices.columns.iter().any(|column| column.field == "disputed"),
        has_calendar: config.calendar.is_some(),
        limits: Limits {
            contact_gap: config.contact_gap,
            reminder_days: config.reminder_days,
            calendar: calendar.as_ref().map(|read| Arc::new(read.calendar.clone())).unwrap_or_default(),
        },
        library: plugins.library.clone(),
        pickers: plugins.pickers(),
        attachment_plugins: plugins.attachment_names(),
        broken: broken(&texts, &layouts, &plugins),
        layouts: layouts.names().map(str::to_owned).collect(),
        template_names: known_names(),
    };
    let (rules, found) = rule::load(&rule_files, &texts.scripts, &known);
    problems.extend(found);
    // Without the business days nobody could tell when rules run, so a faulty calendar stops them all, like config.yaml.
    let workspace = calendar.map(|ReadCalendar { calendar, last_dates }| Workspace {
        root: root.to_owned(),
        away: None,
        config,
        rules,
        templates,
        layouts,
        plugins,
        calendar,
        calendar_ends: last_dates,
        config_text,
        generation,
        texts: kept_texts(texts),
    });
    let workspace = workspace.map(Workspace::seen_at_home);
    Loaded { workspace, problems }
}

impl Workspace {
    /// Returns the day it is in the workspace's time zone.
    pub fn today(&self, now: Timestamp) -> Date {
        now.to_zoned(self.config.time_zone.zone().clone()).date()
    }

    /// Returns the files outside `rules/` and `plugins/` that config.yaml names as texts.
    pub fn other_files(&self) -> Vec<String> {
        self.config.calendar.iter().flat_map(|calendar| &calendar.holidays).map(ToString::to_string).collect()
    }

    /// Returns the day it is by the clock of a rule, or of the workspace where the rule has none of its own.
    pub fn day_of(&self, rule: Option<&str>, now: Timestamp) -> Date {
        let rule = rule.and_then(|id| self.rules.rules.iter().find(|rule| rule.id.as_str() == id));
        let zone = rule.and_then(|rule| rule.schedule.as_ref()).map(|schedule| schedule.zone(&self.config.time_zone));
        now.to_zoned(zone.unwrap_or(&self.config.time_zone).zone().clone()).date()
    }

    /// Returns whether mails go to the customers.
    pub fn is_live(&self) -> bool {
        self.config.mode == Mode::Live
    }

    /// Returns the program that alerts go to, and its plugin's name.
    pub fn alert_plugin(&self) -> Option<(&str, &Program)> {
        let (name, _) = self.config.alerts.plugin.as_ref()?;
        let plugin = self.plugins.find(name)?;
        plugin.alert.as_ref().map(|program| (plugin.name.as_str(), program))
    }

    /// Returns where the database is.
    pub fn database_path(&self) -> PathBuf {
        self.root.join(&self.config.database)
    }

    /// Reads the whole ledger, with what persons matched to bank lines and the books do not show yet; `progress` is told bytes
    /// read and bytes in all.
    ///
    /// # Errors
    /// Every bad row and file; the database cannot be read.
    pub fn read_ledger(&self, as_of: Date, progress: &mut dyn FnMut(u64, u64)) -> Result<Ledger, Vec<Problem>> {
        let ledger = CsvSource::new(ledger_files(&self.root, &self.config), as_of).read(progress)?;
        with_matches(self, ledger)
    }

    /// Reads the whole ledger with a file of payments that are expected besides: with headings of our own (`received_on`), or as
    /// the payments' file is written, or the invoices' where there is none.
    ///
    /// # Errors
    /// Every bad row and file.
    pub fn read_ledger_expecting(
        &self,
        as_of: Date,
        expected: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Ledger, Vec<Problem>> {
        let files = ledger_files(&self.root, &self.config);
        let form = files.payments.as_ref().unwrap_or(&files.invoices);
        let is_ours = first_line(expected).is_some_and(|line| line.contains("received_on"));
        let plain = CsvTable::new(expected);
        let table = match (is_ours, &files.payments) {
            (true, _) => plain,
            (false, Some(_)) => CsvTable { path: plain.path, name: plain.name, delimiter: None, ..form.clone() },
            (false, None) => {
                CsvTable { path: plain.path, name: plain.name, columns: Vec::new(), delimiter: None, ..form.clone() }
            }
        };
        with_matches(self, CsvSource::new(files, as_of).expecting(table).read(progress)?)
    }

    /// Returns the ledger's files with their paths as seen from here.
    pub(crate) fn ledger_files(&self) -> CsvLedger {
        ledger_files(&self.root, &self.config)
    }

    /// Returns the further columns of the ledger's files; none where they cannot be read.
    pub(crate) fn ledger_columns(&self) -> Columns {
        let header = CsvSource::new(self.ledger_files(), Date::MIN).header().unwrap_or_default();
        let names = |names: Vec<compact_str::CompactString>| names.iter().map(ToString::to_string).collect();
        let documents = header.invoices.into_iter().chain(header.credit_notes).collect();
        Columns { customers: names(header.customers), documents: names(documents) }
    }

    /// Returns the names of the ledger that scripts may use.
    fn ledger_names(&self) -> Names {
        let Columns { customers, documents } = self.ledger_columns();
        let recipient_keys = self.config.recipient_keys.iter().map(|role| role.key.clone()).collect();
        Names { recipient_keys, invoice_attributes: Some(documents), customer_attributes: Some(customers), ..Names::default() }
    }

    /// Returns when each file of the ledger was last written to.
    ///
    /// # Errors
    /// Every file that is not there.
    pub fn ledger_changes(&self) -> Result<Vec<FileChange>, Vec<Problem>> {
        CsvSource::new(ledger_files(&self.root, &self.config), Date::MIN).changes()
    }

    /// Returns what was sent before; nothing where there is no database yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn history(&self) -> Result<History, StoreError> {
        match open_reader(&self.database_path())? {
            Some(reader) => history(&reader, history_mode(&self.config.mode), Queue::Counts, self.config.time_zone.zone()),
            None => Ok(History::default()),
        }
    }

    /// Returns the ids of rules and levels that what was sent before stands under; none where there is no database yet.
    fn ids_on_record(&self) -> Result<BTreeMap<RuleId, BTreeSet<LevelId>>, StoreError> {
        match open_reader(&self.database_path())? {
            Some(reader) => ids_on_record(&reader, history_mode(&self.config.mode)),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Returns the Message-IDs of the mails that a reminder about these documents goes on from; none where there is no
    /// database yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn thread(&self, documents: &[&str]) -> Result<Vec<String>, StoreError> {
        match open_reader(&self.database_path())? {
            Some(reader) => thread(&reader, history_mode(&self.config.mode), documents),
            None => Ok(Vec::new()),
        }
    }

    /// Returns a warning for every rule and level that has a history and is gone: what was sent under it would be
    /// forgotten.
    pub fn history_problems(&self) -> Vec<Problem> {
        let on_record = match self.ids_on_record() {
            Ok(on_record) => on_record,
            Err(error) => return vec![Problem::error(error.to_string()).at(Place::file(self.config.database.as_str()))],
        };
        let mut problems = Vec::new();
        // A rule whose file has errors is there, and its errors are told.
        let broken = crate::engine::left_out::left_out(self);
        let is_broken = |id: &RuleId| broken.iter().any(|rule| rule.id == id.as_str());
        let is_gone = |id: &&RuleId| {
            !self.rules.rules.iter().any(|rule| rule.is_known_as(id)) && !self.config.ended_rules.contains(id) && !is_broken(id)
        };
        for id in on_record.keys().filter(is_gone) {
            let message = format!("The rule `{id}` has sent mails and is no longer there");
            let renamed = format!("if it was renamed, write `formerly: [{id}]` in the rule that goes on");
            problems.push(
                Problem::warning(message)
                    .hint(format!("{renamed}; if it was ended for good, `ended_rules: [{id}]` in config.yaml")),
            );
        }
        for id in &self.config.ended_rules {
            if let Some(rule) = self.rules.rules.iter().find(|rule| rule.is_known_as(id)) {
                let message = format!("`ended_rules` names `{id}`, which is there and runs");
                let hint = format!("take it off the list, or remove {}", rule.file);
                problems.push(Problem::warning(message).at(Place::file("config.yaml")).hint(hint));
            }
        }
        for rule in &self.rules.rules {
            let Some(reminder) = rule.reminder() else { continue };
            let levels: BTreeSet<&LevelId> =
                on_record.iter().filter(|(id, _)| rule.is_known_as(id)).flat_map(|(_, levels)| levels).collect();
            for id in levels {
                if !reminder.levels.iter().any(|level| level.id == *id || level.formerly.contains(id)) {
                    let message = format!("The level `{id}` of the rule `{}` has sent mails and is no longer there", rule.id);
                    let hint = format!("if it was renamed, write `formerly: [{id}]` at the level that goes on");
                    problems.push(Problem::warning(message).at(Place::file(rule.file.clone())).hint(hint));
                }
            }
        }
        problems
    }

    /// Returns a warning for every calendar file whose dates have all passed at `now`, and for every schedule that the
    /// calendar leaves without a firing.
    pub fn schedule_problems(&self, now: Timestamp) -> Vec<Problem> {
        let today = self.today(now);
        let ended = self.calendar_ends.iter().filter(|(_, last)| *last < today).map(|(file, last)| {
            let message = format!("The last holiday of this calendar was {last}");
            Problem::warning(message).at(Place::file(file.clone())).hint("add the coming years' holidays")
        });
        let usual = &self.config.time_zone;
        let never = self.rules.rules.iter().filter(|rule| {
            rule.schedule
                .as_ref()
                .is_some_and(|schedule| schedule.next_after(schedule.first_mark(now, usual), usual, &self.calendar).is_none())
        });
        let never = never.map(|rule| {
            let message =
                format!("The rule `{}` never runs by itself: the calendar leaves out every day of its schedule", rule.id);
            Problem::warning(message).at(Place::file(rule.file.clone())).hint("`cron` and `on` or `shift` must meet on some day")
        });
        ended.chain(never).chain(self.crowding_problems(now)).chain(self.rate_problems(today)).collect()
    }

    /// Returns a warning for every picker of a rule that meets a fault on `today`, and one for every table of rates that has ended:
    /// it would block every mail of the rules that need it.
    fn rate_problems(&self, today: Date) -> impl Iterator<Item = Problem> {
        let names = Names { library: self.plugins.library.clone(), ..self.ledger_names() };
        let pickers = self.rules.rules.iter().flat_map(|rule| &rule.variables);
        let mut ended = BTreeSet::new();
        let faults = pickers.flat_map(move |picker| picker.faults_on(today, &names));
        faults.filter_map(move |problem| match self.plugins.ended_table(&problem.message) {
            Some(table) => ended.insert(table.name.clone()).then(|| table_ended(table, Problem::warning)),
            None => Some(problem),
        })
    }

    /// Returns a warning for every rule whose statements follow each other so closely that the contact gap leaves no day for a
    /// reminder.
    fn crowding_problems(&self, now: Timestamp) -> impl Iterator<Item = Problem> {
        let (gap, usual) = (self.config.contact_gap, &self.config.time_zone);
        let statements = self.rules.rules.iter().filter(|rule| matches!(rule.kind, RuleKind::Statement(_)));
        statements.filter_map(move |rule| {
            let schedule = rule.schedule.as_ref().filter(|_| gap.days.count() > 0)?;
            let mut last = schedule.first_mark(now, usual);
            let next = std::iter::from_fn(|| {
                last = schedule.next_after(last, usual, &self.calendar)?.local;
                Some(last.date())
            });
            let days: Vec<Date> = next.take(STATEMENTS_LOOKED_AT).collect();
            let passed = |pair: &[Date]| match gap.unit {
                DayUnit::Calendar => days_between(pair[0], pair[1]),
                DayUnit::Business => self.calendar.business_days_between(pair[0], pair[1]),
            };
            let is_crowded = days.len() > 1 && days.windows(2).all(|pair| passed(pair) <= gap.days.count());
            is_crowded.then(|| {
                let message = format!("The statements of the rule `{}` leave no day for a reminder", rule.id);
                let hint = format!("reminders wait {gap} after each (`contact_gap`): send statements less often, or shorten it");
                Problem::warning(message).at(Place::file(rule.file.clone())).hint(hint)
            })
        })
    }

    /// Returns when messages are tried again.
    pub fn retry_policy(&self) -> RetryPolicy {
        let retry = self.config.retry;
        // 5 min, 15 min, 1 h, 4 h with the defaults: about threefold each time, up to the longest.
        let mut waits = vec![retry.first];
        while let Some(last) = waits.last().copied()
            && last < retry.most
            && waits.len() < 16
        {
            waits.push((last * if waits.len() == 1 { 3 } else { 4 }).min(retry.most));
        }
        RetryPolicy { waits, give_up_after: retry.give_up_after }
    }

    /// Opens the store alone, for acts of a process that sends nothing.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn parts_without_servers(&self, clock: Arc<dyn Clock>) -> Result<Parts, StoreError> {
        let store = self.open_store(clock.now())?;
        Ok(Parts { store, clock, transports: Vec::new(), signing: Arc::default() })
    }

    /// Opens the store and sets up a transport for every server.
    ///
    /// # Errors
    /// Why sending cannot start.
    pub fn parts(&self, clock: Arc<dyn Clock>) -> Result<Parts, StartFault> {
        let store = self.open_store(clock.now())?;
        let transports = self.transports(&clock)?;
        let signing = self.signing()?;
        Ok(Parts { store, clock, transports, signing })
    }

    /// Fetches the keys that mails are signed with.
    ///
    /// # Errors
    /// Why sending cannot start.
    pub fn signing(&self) -> Result<Arc<Signing>, StartFault> {
        Signing::of(&self.config).map(Arc::new).map_err(StartFault::Missing)
    }

    /// Sets up a transport for every server.
    ///
    /// # Errors
    /// Why sending cannot start.
    pub fn transports(&self, clock: &Arc<dyn Clock>) -> Result<Vec<Arc<dyn Transport>>, StartFault> {
        let mut transports: Vec<Arc<dyn Transport>> = Vec::new();
        for server in &self.config.servers {
            let settings = server.settings(&self.root, &SystemSecrets, clock).map_err(StartFault::Missing)?;
            transports.push(Arc::new(SmtpTransport::new(settings, clock.clone())?));
        }
        Ok(transports)
    }

    /// Returns when no mail may leave.
    pub fn quiet(&self) -> Option<Quiet> {
        self.config.quiet_hours.map(|hours| hours.at(self.config.time_zone.clone()))
    }

    /// Returns how fast servers and senders may go.
    pub fn rates(&self) -> Rates {
        let servers = self.config.servers.iter().map(|server| (server.id.clone(), server.rates.clone()));
        Rates { servers: servers.collect(), senders: self.config.sender_rates.clone() }
    }
}

/// Returns the problem of a table that has no rate for the days of today, at its file and with the line it lacks.
pub(crate) fn table_ended(table: &RateTable, problem: fn(String) -> Problem) -> Problem {
    let message = format!("{}; mails that need a later one are blocked", table.ended_words());
    let next = table.valid_to.tomorrow().unwrap_or(table.valid_to);
    let hint = format!("add `- {{ from: {next}, rate: … }}` at the end of `rates`, and write a later `valid_to`");
    problem(message).at(Place::file(table.file.as_str())).hint(hint)
}

/// Reads the calendar files that config.yaml names; `None` where anything is wrong with one.
pub(crate) fn read_calendar(
    root: &Path,
    settings: &CalendarSettings,
    texts: &mut Texts,
    problems: &mut Vec<Problem>,
) -> Option<ReadCalendar> {
    let unread = rulebook::read_calendars(root, settings.holidays.iter().map(|path| path.as_str()), texts);
    let is_whole = unread.is_empty();
    problems.extend(unread);
    settings.read(&texts.calendars).map_err(|found| problems.extend(found)).ok().filter(|_| is_whole)
}

/// A calendar as the sandbox asks it.
struct AskedCalendar(Calendar);

impl BusinessDays for AskedCalendar {
    fn is_business_day(&self, day: Date) -> bool {
        self.0.is_business_day(day)
    }
}

/// Returns the workspace's calendar, as the sandbox asks it; Monday to Friday where it has none.
pub(crate) fn business_days(calendar: Option<&Calendar>) -> Arc<dyn BusinessDays> {
    match calendar {
        Some(calendar) => Arc::new(AskedCalendar(calendar.clone())),
        None => Arc::new(WorkingWeek),
    }
}

/// Returns what the rulebook read of a plugin's folder, by what it is.
pub(crate) fn plugin_folder(texts: &PluginTexts) -> PluginFolder {
    let text = |file: &str| texts.texts.get(file).cloned();
    let scripts = texts.texts.iter().filter(|(file, _)| file.ends_with(".rhai"));
    let tables = texts.texts.iter().filter(|(file, _)| file.starts_with(plugin::RATES));
    PluginFolder {
        name: texts.name.clone(),
        manifest: text("plugin.yaml"),
        scripts: scripts.map(|(file, text)| (format!("plugins/{}/{file}", texts.name), text.clone())).collect(),
        tables: tables.map(|(file, text)| (format!("plugins/{}/{file}", texts.name), text.clone())).collect(),
        tests: text("test.yaml"),
        files: texts.texts.keys().chain(texts.others.keys()).cloned().collect(),
    }
}

/// Returns the problem of an `alerts.plugin` that cannot be told anything: a warning, since no mail depends on it.
fn alert_problem(config: &Config, plugins: &Plugins) -> Option<Problem> {
    let (name, place) = config.alerts.plugin.as_ref()?;
    if plugins.find(name).is_some_and(|plugin| plugin.alert.is_some()) {
        return None;
    }
    let able = || plugins.plugins.iter().filter(|plugin| plugin.alert.is_some()).map(|plugin| plugin.name.as_str());
    let problem = Problem::warning(format!("There is no plugin `{name}` with a program for alerts")).at(place.clone());
    Some(match crate::domain::problem::nearest(name, able()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("`dunlin plugin list` shows what there is"),
    })
}

/// Returns what is there and was left out because of its errors.
fn broken(texts: &Texts, layouts: &Layouts, plugins: &Plugins) -> Broken {
    let stem = |path: &str| path.rsplit('/').next().and_then(|file| file.strip_suffix(".yaml")).map(str::to_owned);
    let is_whole = |layout: &String| layouts.names().any(|own| own == layout);
    let left_out = texts.papers.iter().filter_map(|file| stem(&file.path)).filter(|layout| !is_whole(layout));
    let folders = texts.plugins.iter().map(|folder| folder.name.clone());
    Broken { layouts: left_out.collect(), plugins: folders.filter(|name| plugins.find(name).is_none()).collect() }
}

/// Returns the templates in which a statement's balance cannot stand.
fn without_balance(templates: &Templates) -> Vec<TemplateName> {
    templates.names().filter(|name| !templates.mentions(name, "balance")).cloned().collect()
}

/// Loads the templates and the layouts of papers, with the plugins' functions as filters.
fn templates(texts: &Texts, library: &Library) -> (Templates, Layouts, Vec<Problem>) {
    let files = texts.templates.iter().map(|file| TemplateFile { path: file.path.to_string(), text: file.text.clone() });
    let lent = library.filter_names().map(|name| {
        let (own, called) = (library.clone(), name.to_owned());
        LentFilter { name: name.to_owned(), call: Arc::new(move |values| own.call(&called, values)) }
    });
    let images = texts.images.iter().map(|file| ImageFile { path: file.path.to_string(), bytes: Arc::clone(&file.bytes) });
    let known = known_names();
    let (mut templates, mut problems) = Templates::load_with(files.collect(), images.collect(), &known, lent.collect());
    let layouts = texts.papers.iter().map(|file| LayoutFile { path: file.path.to_string(), text: file.text.clone() });
    let beside = texts.paper_files.iter().filter_map(|file| {
        let path = file.path.strip_prefix(PAPERS)?.strip_prefix('/')?;
        Some(PaperFile { path: path.to_owned(), bytes: file.bytes.clone() })
    });
    let (layouts, found) = paper::load(&layouts.collect::<Vec<_>>(), &beside.collect::<Vec<_>>(), &mut templates, &known);
    problems.extend(found);
    (templates, layouts, problems)
}

/// Returns the first line of a file, as far as it can be read and is no longer than a header is.
fn first_line(path: &Path) -> Option<String> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?.take(64 * 1024)).read_line(&mut line).ok()?;
    Some(line)
}

/// Returns the ledger's files with their paths as seen from here.
fn ledger_files(root: &Path, config: &Config) -> CsvLedger {
    let mut files = config.ledger.clone();
    let there = |table: &mut CsvTable| table.path = root.join(&table.path);
    there(&mut files.invoices);
    [&mut files.customers, &mut files.credit_notes, &mut files.payments].into_iter().flatten().for_each(there);
    files
}
