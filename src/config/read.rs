//! config.yaml as a whole: reads every key, notes every problem, and joins what the parts say of each other.

use std::path::Path;
use std::time::Duration;

use compact_str::CompactString;

use crate::config::calendar::calendar;
use crate::config::columns::named_columns;
use crate::config::company::company;
use crate::config::daemon::daemon;
use crate::config::dkim::{check_keys, dkim};
use crate::config::document::documents;
use crate::config::ledger::{bank, ledger};
use crate::config::redirect::allowed;
use crate::config::retention::retention;
use crate::config::secret::concealed;
use crate::config::server::{self, rate};
use crate::config::{Alerts, CalendarSettings, Config, DkimKey, Mode, Redirect, Retry, Role, RunGuard, Secrets, Server};
use crate::domain::date::{DaySpan, DayUnit};
use crate::domain::header::is_help_address;
use crate::domain::id::{RecipientKey, RuleId, SenderId, ServerId};
use crate::domain::mailbox::{RETURN_PATH_LOCAL_OCTETS_MAX, ReturnPath, Sender, is_address};
use crate::domain::problem::{Place, Problem, Severity, nearest};
use crate::outbox::rate::Rate;
use crate::rule::ReminderDays;
use crate::rule::file::id;
use crate::rule::headers::headers;
use crate::rule::schedule::time_zone;
use crate::rulebook::{Readers, TextFile};
use crate::schedule::{QuietHours, TimeZoneName};
use crate::yaml::{Entry, Fields, Node, Problems, Span, Value, choice, duration, map, one_or_list, parse, text, whole};

/// The longest key of a server, sender or recipient key, and the longest name of an instance, in characters.
const KEY_CHARACTERS_MAX: usize = 64;
/// How retries go where config.yaml does not say: 5 min, 15 min, 1 h, 4 h, 4 h …, given up after a day.
const RETRY: Retry = Retry {
    first: Duration::from_secs(5 * 60),
    most: Duration::from_secs(4 * 3_600),
    give_up_after: Duration::from_secs(24 * 3_600),
};
/// What may stand between a return path's mailbox and the message key.
const DELIMITERS: [(&str, Option<char>); 4] = [("plus", Some('+')), ("minus", Some('-')), ("equals", Some('=')), ("none", None)];
/// The share of refused mails at which a run stops where config.yaml does not say. One address in a hundred is usual;
/// one in four says that the list, or the sender's name with the receiver, is not what it was.
const REFUSED_PERCENT: u64 = 25;
/// The most addresses that alerts go to.
pub const ALERT_ADDRESSES_MAX: usize = 20;
/// The name of an installation that config.yaml gives none.
const INSTANCE: &str = "default";
/// The database's file where config.yaml does not say.
const DATABASE: &str = "dunlin.db";
/// Reads config.yaml. With an error there is no configuration; warnings come beside one.
///
/// `readers` tells who may read the file, since a password in it is then theirs too. No secret is fetched: see
/// [`Config::missing_parts`]. No problem shows a literal secret.
pub fn read(file: &TextFile, readers: Readers) -> (Option<Config>, Vec<Problem>) {
    let shown = concealed(&file.text);
    let mut problems = Problems::new(file.path.clone(), &shown);
    let config = root(file, &shown, &mut problems).and_then(|root| configuration(&root, readers, &mut problems));
    let config = config.filter(|_| !problems.has_errors());
    (config, problems.into_list())
}

/// Returns what a config.yaml says of business days, whatever else is wrong with it, and the problems of that alone.
pub fn calendar_settings(file: &TextFile) -> (Option<CalendarSettings>, Vec<Problem>) {
    let shown = concealed(&file.text);
    let mut problems = Problems::new(file.path.clone(), &shown);
    let found = root(file, &shown, &mut problems).and_then(|root| {
        let Value::Map(entries) = root.value else { return None };
        let entry = entries.iter().find(|entry| entry.key == "calendar" && entry.value.value != Value::Null)?;
        calendar(&entry.value, &mut problems)
    });
    (found, problems.into_list())
}

/// Parses the file; `shown` is its text without secrets, which a problem may show.
fn root(file: &TextFile, shown: &str, problems: &mut Problems<'_>) -> Option<Node> {
    match parse(&file.path, &file.text) {
        Ok(root) => Some(root),
        Err(mut problem) => {
            if let Some(place) = problem.place.as_mut().filter(|place| place.line > 0) {
                *place = Place::within(file.path.clone(), shown, place.line, place.column, place.width);
            }
            problems.push(problem);
            None
        }
    }
}

/// The names that rules may use, read from a config.yaml whatever else is wrong with it, so that the rules' own problems
/// can be told along with its.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigNames {
    /// The sender profiles.
    pub senders: Vec<SenderId>,
    /// The recipient keys.
    pub recipient_keys: Vec<RecipientKey>,
}

/// Returns the names in a config.yaml, `None` where it is no YAML or has no senders or recipient keys.
pub fn names(file: &TextFile) -> Option<ConfigNames> {
    let root = parse(&file.path, &file.text).ok()?;
    let keys = |name: &str| -> Option<Vec<&str>> {
        let Value::Map(entries) = &root.value else { return None };
        let Value::Map(entries) = &entries.iter().find(|entry| entry.key == name)?.value.value else { return None };
        Some(entries.iter().map(|entry| entry.key.as_str()).collect())
    };
    Some(ConfigNames {
        senders: keys("senders")?.into_iter().map(SenderId::new).collect(),
        recipient_keys: keys("recipient_keys")?.into_iter().map(RecipientKey::new).collect(),
    })
}

impl Config {
    /// Returns what the configuration refers to and this machine does not have: secrets, keys and files of certificates.
    ///
    /// They are warnings, since a configuration may be checked where nothing is sent; sending calls
    /// [`crate::config::SecretRef::resolve`] and stops.
    pub fn missing_parts(&self, workspace: &Path, secrets: &dyn Secrets) -> Vec<Problem> {
        let accounts = self.servers.iter().filter_map(|server| {
            let auth = server.auth.as_ref()?;
            auth.resolve(&server.id, workspace, secrets, None).err()
        });
        let files = self.servers.iter().filter_map(|server| server.ca_file.as_ref()?.read(workspace).err());
        let keys = self.dkim.iter().filter_map(|key| key.signer(secrets).err());
        let urls = || self.documents.iter().filter_map(|document| document.url());
        let papers = urls().filter_map(|url| url.secret.as_ref()?.resolve(secrets).err());
        let paper_files = urls().filter_map(|url| url.ca_file.as_ref()?.read(workspace).err());
        let all = accounts.flatten().chain(files).chain(keys).chain(papers).chain(paper_files);
        all.map(|problem| Problem { severity: Severity::Warning, ..problem }).collect()
    }
}

fn configuration(root: &Node, readers: Readers, problems: &mut Problems<'_>) -> Option<Config> {
    let mut fields = Fields::open(root, "a configuration", problems)?;
    let instance_is_there = fields.node("instance").is_some();
    let instance = fields.optional("instance", problems, instance).or_else(|| (!instance_is_there).then(|| INSTANCE.to_owned()));
    let word = fields.optional("mode", problems, |node, problems| {
        choice(&[("live", ModeWord::Live), ("redirect", ModeWord::Redirect), ("dry", ModeWord::Dry)])(node, problems)
    });
    let redirect_to = fields.optional("redirect_to", problems, address);
    let allow = fields.optional("redirect_allow", problems, one_or_list(allowed)).unwrap_or_default();
    if redirect_to.is_none() && fields.node("redirect_to").is_none() && !allow.is_empty() {
        let span = fields.key_span("redirect_allow").unwrap_or(fields.span());
        problems.error_hint(span, "`redirect_allow` needs `redirect_to`", "add `redirect_to: you@example.com`");
    }
    let redirect = redirect_to.map(|to| Redirect { to, allow });
    let mode = match (word.unwrap_or(ModeWord::Live), &redirect) {
        (ModeWord::Live, _) => Some(Mode::Live),
        (ModeWord::Dry, _) => Some(Mode::Dry),
        (ModeWord::Redirect, Some(redirect)) => Some(Mode::Redirect(redirect.clone())),
        (ModeWord::Redirect, None) => {
            if fields.node("redirect_to").is_none() {
                let span = fields.key_span("mode").unwrap_or(fields.span());
                problems.error_hint(span, "`mode: redirect` needs `redirect_to`", "add `redirect_to: you@example.com`");
            }
            None
        }
    };
    let zone_is_there = fields.node("time_zone").is_some();
    let time_zone = fields.optional("time_zone", problems, time_zone).or_else(|| (!zone_is_there).then(TimeZoneName::utc));
    let servers = fields.required("smtp", problems, |node, problems| servers(node, readers, problems));
    let mut dkim = Vec::new();
    let senders = fields.required("senders", problems, |node, problems| senders(node, servers.as_ref(), &mut dkim, problems));
    let roles = fields.required("recipient_keys", problems, recipient_keys);
    let ledger = fields.required("ledger", problems, |node, problems| ledger(node, roles.as_deref().unwrap_or(&[]), problems));
    let company = fields.optional("company", problems, company);
    let bank = fields.optional("bank", problems, bank).unwrap_or_default();
    let documents = fields.optional("documents", problems, documents).unwrap_or_default();
    let ended_rules = fields.optional("ended_rules", problems, one_or_list(id)).unwrap_or_default();
    let calendar = fields.optional("calendar", problems, calendar);
    let has_calendar = fields.node("calendar").is_some();
    let limits = fields.optional("limits", problems, |node, problems| limits(node, has_calendar, problems)).unwrap_or_default();
    let alerts =
        fields.optional("alerts", problems, |node, problems| alerts(node, senders.as_deref(), problems)).unwrap_or_default();
    let retry = fields.optional("retry", problems, retry).unwrap_or(RETRY);
    let database = fields.optional("database", problems, file_path).unwrap_or_else(|| DATABASE.to_owned());
    let retention = fields.optional("retention", problems, retention);
    let daemon = fields.optional("daemon", problems, daemon).unwrap_or_default();
    fields.close(problems);
    let (senders, rates): (Vec<Sender>, Vec<Vec<Rate>>) = senders?.into_iter().unzip();
    let sender_rates = senders.iter().zip(rates).filter(|(_, rates)| !rates.is_empty());
    let sender_rates = sender_rates.map(|(sender, rates)| (sender.id.clone(), rates)).collect();
    let (files, freshness) = ledger?;
    Some(Config {
        instance: instance?,
        mode: mode?,
        redirect,
        time_zone: time_zone?,
        servers: servers?.ready,
        senders,
        sender_rates,
        dkim,
        recipient_keys: roles?,
        ledger: files,
        freshness,
        company,
        bank,
        documents,
        named_columns: named_columns(root, problems),
        ended_rules: ended_rules.into_iter().map(RuleId::new).collect(),
        calendar,
        contact_gap: limits.contact_gap,
        quiet_hours: limits.quiet_hours,
        reminder_days: limits.reminder_days,
        run_guard: limits.run_guard,
        retry,
        alerts,
        database,
        retention,
        daemon,
    })
}

/// A [`Mode`] before the address it may need is known.
#[derive(Clone, Copy)]
enum ModeWord {
    Live,
    Redirect,
    Dry,
}

/// What stands under `smtp:`.
struct Servers {
    ready: Vec<Server>,
    /// All keys, whatever became of them, in the order of the file.
    keys: Vec<String>,
}

fn servers(node: &Node, readers: Readers, problems: &mut Problems<'_>) -> Option<Servers> {
    let mut found = Servers { ready: Vec::new(), keys: Vec::new() };
    map(|entry, problems: &mut Problems<'_>| {
        found.keys.push(entry.key.clone());
        found.ready.extend(server::server(entry, readers, problems));
        Some(())
    })(node, problems)?;
    if found.keys.is_empty() {
        problems.error_hint(node.span, "`smtp` names no server", "add `primary:` with `host` and `security`");
    }
    Some(found)
}

fn senders(
    node: &Node,
    servers: Option<&Servers>,
    keys: &mut Vec<DkimKey>,
    problems: &mut Problems<'_>,
) -> Option<Vec<(Sender, Vec<Rate>)>> {
    let found = map(|entry, problems: &mut Problems<'_>| sender(entry, servers, keys, problems))(node, problems)?;
    if found.is_empty() && !problems.has_errors() {
        problems.error_hint(node.span, "`senders` names no sender", "add `receivables:` with `address` and `server`");
    }
    Some(found)
}

fn sender(
    entry: &Entry,
    servers: Option<&Servers>,
    keys: &mut Vec<DkimKey>,
    problems: &mut Problems<'_>,
) -> Option<(Sender, Vec<Rate>)> {
    if !is_key(&entry.key, entry.span, "a sender", problems) {
        return None;
    }
    let mut fields = Fields::open(&entry.value, "a sender", problems)?;
    let name = fields.optional("name", problems, line).unwrap_or_default();
    let address_here = fields.required("address", problems, address);
    let reply_to = fields.optional("reply_to", problems, address);
    let return_path = return_path(&mut fields, problems);
    let list_help = fields.optional("list_help", problems, list_help);
    let headers = fields.optional("headers", problems, headers).unwrap_or_default();
    let read_key = |node: &Node, problems: &mut Problems<'_>| dkim(node, &entry.key, address_here.as_deref(), problems);
    if let Some(own) = fields.optional("dkim", problems, one_or_list(read_key)) {
        check_keys(&own, fields.key_span("dkim").unwrap_or(entry.span), problems);
        keys.extend(own);
    }
    let named = fields.optional("server", problems, one_or_list(|node, problems| Some((text(node, problems)?, node.span))));
    let rates = fields.optional("rate", problems, one_or_list(rate)).unwrap_or_default();
    fields.close(problems);
    let servers = servers?;
    let named = match named {
        Some(named) => named,
        None if servers.keys.len() == 1 => vec![(servers.keys[0].clone(), entry.span)],
        None => {
            let message = format!("The sender `{}` needs `server`, since there are several", entry.key);
            problems.error_hint(entry.span, message, format!("add `server: {}`", servers.keys.first()?));
            return None;
        }
    };
    for (server, span) in named.iter().filter(|(server, _)| !servers.keys.contains(server)) {
        let hint = match nearest(server, servers.keys.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the servers are: {}", servers.keys.join(", ")),
        };
        problems.error_hint(*span, format!("`{server}` is not a server under `smtp`"), hint);
    }
    let is_ready = |server: &String| servers.ready.iter().any(|ready| ready.id.as_str() == server);
    let ready: Vec<ServerId> =
        named.iter().filter(|(server, _)| is_ready(server)).map(|(server, _)| ServerId::new(server)).collect();
    (!ready.is_empty()).then_some(())?;
    let sender = Sender {
        id: SenderId::new(&entry.key),
        name,
        address: address_here?,
        reply_to,
        return_path,
        list_help,
        headers,
        servers: ready,
    };
    Some((sender, rates))
}

/// Reads where bounces go, and what stands before the message key there.
fn return_path(fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Option<ReturnPath> {
    let span = fields.node("return_path").map(|node| node.span);
    let found = fields.optional("return_path", problems, address);
    let delimiter = fields.optional("return_path_delimiter", problems, choice(&DELIMITERS));
    if let (None, Some(node)) = (span, fields.node("return_path_delimiter")) {
        problems.error_hint(node.span, "`return_path_delimiter` needs `return_path`", "add `return_path: bounces@example.com`");
    }
    let path = ReturnPath { address: found?, delimiter: delimiter.unwrap_or(Some('+')) };
    let local_octets = path.address.rsplit_once('@').map_or(0, |(local, _)| local.len());
    if let (Some(span), Some(_), RETURN_PATH_LOCAL_OCTETS_MAX..) = (span, path.delimiter, local_octets.saturating_sub(1)) {
        let message = format!("The mailbox `{}` has no room for a message key", path.address);
        let hint = format!("take a name of at most {RETURN_PATH_LOCAL_OCTETS_MAX} letters, or `return_path_delimiter: none`");
        problems.error_hint(span, message, hint);
    }
    Some(path)
}

fn list_help(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    if !is_help_address(&written) {
        let hint = "write `mailto:name@example.com` or `https://example.com/help`, letters beyond ASCII as `%C3%BC`";
        problems.error_hint(node.span, format!("`{written}` is not where help can be found"), hint);
        return None;
    }
    Some(written)
}

fn recipient_keys(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<Role>> {
    let found = map(|entry, problems: &mut Problems<'_>| {
        let is_right = is_key(&entry.key, entry.span, "a recipient key", problems);
        let label = line(&entry.value, problems)?;
        is_right.then(|| Role { key: RecipientKey::new(&entry.key), label })
    })(node, problems)?;
    if found.is_empty() && !problems.has_errors() {
        problems.error_hint(node.span, "`recipient_keys` names none", "add `billing: Billing contact`");
    }
    Some(found)
}

struct Limits {
    contact_gap: DaySpan,
    reminder_days: ReminderDays,
    quiet_hours: Option<QuietHours>,
    run_guard: RunGuard,
}

impl Default for Limits {
    fn default() -> Self {
        let run_guard = RunGuard { messages: None, times_usual: None, refused_percent: REFUSED_PERCENT };
        Self { contact_gap: DaySpan::default(), reminder_days: ReminderDays::default(), quiet_hours: None, run_guard }
    }
}

fn limits(node: &Node, has_calendar: bool, problems: &mut Problems<'_>) -> Option<Limits> {
    let mut fields = Fields::open(node, "a set of limits", problems)?;
    let contact_gap = fields.optional("contact_gap", problems, day_span).unwrap_or_default();
    let reminder_days = fields.optional("reminder_days", problems, choice(&ReminderDays::WORDS)).unwrap_or_default();
    let asks_calendar =
        [("contact_gap", contact_gap.unit == DayUnit::Business), ("reminder_days", reminder_days == ReminderDays::Business)];
    for (key, _) in asks_calendar.into_iter().filter(|(_, asks)| *asks && !has_calendar) {
        if let Some(span) = fields.key_span(key) {
            let message = format!("`{key}` needs to know which days are business days");
            problems.error_hint(span, message, "add `calendar: { weekend: [sat, sun] }`");
        }
    }
    let quiet_hours = fields.optional("quiet_hours", problems, quiet_hours);
    let run_guard = fields.optional("run_guard", problems, run_guard).unwrap_or(Limits::default().run_guard);
    fields.close(problems);
    Some(Limits { contact_gap, reminder_days, quiet_hours, run_guard })
}

fn quiet_hours(node: &Node, problems: &mut Problems<'_>) -> Option<QuietHours> {
    let written = text(node, problems)?;
    let hours = QuietHours::parse(&written);
    if hours.is_none() {
        let hint = "write two different times of day in 24 hours: `\"18:00-08:00\"`";
        problems.error_hint(node.span, format!("`{written}` are not quiet hours"), hint);
    }
    hours
}

fn run_guard(node: &Node, problems: &mut Problems<'_>) -> Option<RunGuard> {
    let mut fields = Fields::open(node, "a guard on runs", problems)?;
    let messages = fields.optional("messages", problems, whole(1, 100_000_000));
    let times_usual = fields.optional("times_usual", problems, whole(2, 1_000));
    let refused_percent = fields.optional("refused_percent", problems, whole(1, 100)).unwrap_or(REFUSED_PERCENT);
    fields.close(problems);
    Some(RunGuard { messages, times_usual, refused_percent })
}

/// Reads who is told; `senders` are those that mails can be from.
fn alerts(node: &Node, senders: Option<&[(Sender, Vec<Rate>)]>, problems: &mut Problems<'_>) -> Option<Alerts> {
    let mut fields = Fields::open(node, "a set of alerts", problems)?;
    let to = fields.optional("to", problems, one_or_list(address)).unwrap_or_default();
    let from = fields.optional("from", problems, |node, problems| {
        let id = text(node, problems)?;
        let ids = || senders.unwrap_or_default().iter().map(|(sender, _)| sender.id.as_str());
        if senders.is_some() && !ids().any(|known| known == id) {
            let hint = match nearest(&id, ids()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the senders are: {}", ids().collect::<Vec<_>>().join(", ")),
            };
            problems.error_hint(node.span, format!("`{id}` is not a sender under `senders`"), hint);
        }
        Some((SenderId::new(&id), problems.place(node.span)))
    });
    let plugin = fields.optional("plugin", problems, |node, problems| Some((text(node, problems)?, problems.place(node.span))));
    if to.len() > ALERT_ADDRESSES_MAX {
        let span = fields.key_span("to").unwrap_or(node.span);
        let message = format!("Alerts go to {} addresses, more than {ALERT_ADDRESSES_MAX}", to.len());
        problems.error_hint(span, message, "write to one address that hands on to all");
    }
    fields.close(problems);
    Some(Alerts { to, from, plugin })
}

fn retry(node: &Node, problems: &mut Problems<'_>) -> Option<Retry> {
    let mut fields = Fields::open(node, "a retry policy", problems)?;
    let mut span = |key: &'static str, default: Duration, problems: &mut Problems<'_>| {
        fields.optional(key, problems, duration).unwrap_or(default)
    };
    let first = span("first", RETRY.first, problems);
    let most = span("most", RETRY.most.max(first), problems);
    let give_up_after = span("give_up_after", RETRY.give_up_after.max(most), problems);
    fields.close(problems);
    if first > most || most > give_up_after {
        let message = "A retry policy has `first` ≤ `most` ≤ `give_up_after`";
        problems.error_hint(node.span, message, "the usual ones are 5 min, 4 h and 24 h");
    }
    Some(Retry { first, most, give_up_after })
}

fn instance(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    is_key(&written, node.span, "an instance", problems).then_some(written)
}

/// Reads an address.
pub(crate) fn address(node: &Node, problems: &mut Problems<'_>) -> Option<CompactString> {
    let written = text(node, problems)?;
    if is_address(&written) {
        return Some(CompactString::new(written));
    }
    problems.error_hint(node.span, format!("`{written}` is not an e-mail address"), "write `name@example.com` and nothing else");
    None
}

/// Reads a text that goes into a header: one line.
pub(crate) fn line(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    if written.chars().any(char::is_control) || written.len() > 500 {
        problems.error_hint(node.span, "The name has more than one line or is too long", "write it in one line");
        return None;
    }
    Some(written)
}

/// Reads the path of a file.
pub(crate) fn file_path(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    if written.is_empty() || written.contains('\0') {
        problems.error_hint(node.span, "The file's name is empty", "write a path in the workspace");
        return None;
    }
    Some(written)
}

fn day_span(node: &Node, problems: &mut Problems<'_>) -> Option<DaySpan> {
    let written = text(node, problems)?;
    let found = DaySpan::parse(&written);
    if found.is_none() {
        let hint = "write `3 days` or `3 business days`";
        problems.error_hint(node.span, format!("`{written}` is not a number of days"), hint);
    }
    found
}

/// Returns whether `key` can name a thing for ever: in rules, in the database, in URLs. Notes a problem where not.
pub(crate) fn is_key(key: &str, span: Span, what: &str, problems: &mut Problems<'_>) -> bool {
    let is_right = (1..=KEY_CHARACTERS_MAX).contains(&key.chars().count())
        && key.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'));
    if !is_right {
        let hint = format!("use letters, digits, `-` and `_`, at most {KEY_CHARACTERS_MAX}");
        problems.error_hint(span, format!("`{key}` cannot name {what}"), hint);
    }
    is_right
}
