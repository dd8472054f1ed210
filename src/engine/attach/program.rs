//! What plugins' programs make: asked of them before anything is stored.
//!
//! One start for a run and plugin, one line for a mail, one file in memory at a time. Whatever a program does, each mail
//! has its files or a reason; a program that answers what nobody asked is believed in nothing, since a document that
//! reaches the wrong customer is worse than none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::domain::ageing::Bucket;
use crate::domain::date::ISO;
use crate::domain::id::Language;
use crate::domain::ledger::Ledger;
use crate::domain::money::plain;
use crate::domain::statement::{AccountPart, StatementLine, StatementOfAccount};
use crate::domain::variable::Variable;
use crate::engine::attach::kept::{AttachedFile, Kept, Untaken};
use crate::engine::attach::{Answer, RUN_BYTES_MAX};
use crate::engine::compose::{Blocked, Composer};
use crate::engine::programs::{PROTOCOL, start};
use crate::message::{KeptBytes as _, attachment_fault};
use crate::plan::PlannedMessage;
use crate::plugin::Program;
use crate::program::{Conversation, Start, last_words};

/// How many blank lines a program may write; each is no answer, but shows that it lives.
const BLANK_LINES_MAX: usize = 1_000;

/// A folder that vanishes, for the program to write to, and what was taken over.
#[derive(Debug)]
pub(crate) struct Files {
    theirs: TempDir,
    kept: Kept,
}

impl Files {
    /// The variable of the environment by which a program knows its folder.
    pub(crate) const VARIABLE: &'static str = "DUNLIN_FILES";

    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { theirs: TempDir::new()?, kept: Kept::new()? })
    }

    /// Returns the program's folder.
    pub(crate) fn path(&self) -> &Path {
        self.theirs.path()
    }
}

/// What a plugin's program is asked about.
pub(crate) struct Asking<'a> {
    pub(crate) composer: &'a Composer<'a>,
    /// The mails.
    pub(crate) messages: &'a [&'a PlannedMessage],
    /// What their rules say to the plugin, as JSON.
    pub(crate) settings: &'a str,
    /// A language other than the customers'.
    pub(crate) language: Option<&'a Language>,
}

/// Asks a plugin's program.
pub(crate) async fn of_plugin(asking: &Asking<'_>, name: &str, folders: &mut Vec<Files>) -> BTreeMap<String, Answer> {
    let Asking { composer, messages, settings, .. } = asking;
    let key = |message: &PlannedMessage| composer.key(message).to_string();
    let all = |fault: String| messages.iter().map(|message| (key(message), Err(fault.clone()))).collect();
    let plugin = composer.workspace.plugins.find(name).and_then(|plugin| plugin.attachment.as_ref());
    let Some(program) = plugin else { return all(format!("The plugin `{name}` is not there")) };
    let files = match Files::new() {
        Ok(files) => files,
        Err(error) => return all(format!("There is no place for the files of `{name}`: {error}")),
    };
    let mut start = start(&composer.workspace.root, name, program);
    start.environment.insert(Files::VARIABLE.to_owned(), files.path().into());
    let settings: Value = serde_json::from_str(settings).expect("settings are JSON of our own");
    let mut requests = Requests { asking, settings, left: messages.iter(), untold: BTreeMap::new() };
    let mut answers = answered(name, start, program, &files, &mut requests).await;
    answers.extend(requests.untold);
    folders.push(files);
    let failed = answers.values().filter(|answer| answer.is_err()).count();
    if failed > 0 {
        tracing::warn!(plugin = name, failed, asked = answers.len(), "A plugin did not make all attachments");
    }
    answers
}

/// What a program is told of each mail, made when its turn has come: a statement may be long, and one is in memory at a time.
struct Requests<'a> {
    asking: &'a Asking<'a>,
    settings: Value,
    left: std::slice::Iter<'a, &'a PlannedMessage>,
    /// Mails that have no values, and so are no question, with the reason. They are blocked by it when they are composed.
    untold: BTreeMap<String, Answer>,
}

impl Iterator for Requests<'_> {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let message = self.left.next()?;
            let key = self.asking.composer.key(message).to_string();
            match request(self.asking, message, &self.settings) {
                Ok(request) => return Some((key, request)),
                Err(Blocked { detail, .. }) => drop(self.untold.insert(key, Err(detail))),
            }
        }
    }
}

/// What a program is told of a mail.
fn request(asking: &Asking<'_>, message: &PlannedMessage, settings: &Value) -> Result<Value, Blocked> {
    let Asking { composer, language, .. } = asking;
    let Composer { rules, ledger, plan, .. } = composer;
    let customer = ledger.customer(message.customer);
    let as_of = message.figures_on(plan.as_of);
    let items: Vec<Value> = plan
        .items(message)
        .iter()
        .map(|item| {
            let document = ledger.document(item.document);
            json!({
                "number": document.number.as_str(),
                "customer": ledger.customer(document.customer).id.as_str(),
                "issued_on": document.issued_on.strftime(ISO).to_string(),
                "due_on": document.due_on.map(|day| day.strftime(ISO).to_string()),
                "total": plain(document.total, document.currency),
                "open": plain(ledger.open_on(item.document, as_of), document.currency),
            })
        })
        .collect();
    let mut request = json!({
        "version": PROTOCOL,
        "id": composer.key(message).as_str(),
        "rule": rules.rules[usize::from(message.rule)].id.as_str(),
        "customer": {
            "id": customer.id.as_str(),
            "name": customer.name.as_str(),
            "language": customer.language.as_ref().map(|language| language.as_str()),
        },
        "currency": message.currency.as_str(),
        "total": plain(message.total, message.currency),
        "level": message.level_facts(rules).id.as_str(),
        "as_of": as_of.strftime(ISO).to_string(),
        "items": items,
        "settings": settings,
        "letter": composer.values(*language, message)?,
    });
    if let Some(figures) = composer.figures(message) {
        request["statement"] = statement(ledger, &figures);
    }
    Ok(request)
}

/// Returns what a rule says to a plugin as its program is told it: exact numbers and days as texts.
pub(crate) fn settings_json(settings: &BTreeMap<String, Variable>) -> Value {
    let entry = |(name, value): (&String, &Variable)| (name.clone(), setting_json(value));
    Value::Object(settings.iter().map(entry).collect())
}

fn setting_json(setting: &Variable) -> Value {
    match setting {
        Variable::Nothing => Value::Null,
        Variable::Boolean(is_so) => (*is_so).into(),
        Variable::Integer(number) => (*number).into(),
        Variable::Decimal(number) => number.to_string().into(),
        Variable::Money(money) => money.to_string().into(),
        Variable::Date(day) => day.strftime(ISO).to_string().into(),
        Variable::Text(text) => text.as_str().into(),
        Variable::List(list) => list.iter().map(setting_json).collect(),
        Variable::Map(map) => settings_json(map),
    }
}

/// What a program is told of a statement beside the documents that are open.
fn statement(ledger: &Ledger, figures: &StatementOfAccount) -> Value {
    let amount = |amount| plain(amount, figures.currency);
    let line = |part: &AccountPart, line: &StatementLine| {
        json!({
            "customer": ledger.customer(part.customer).id.as_str(),
            "kind": line.kind.as_str(),
            "number": line.number.as_str(),
            "date": line.date.map(|day| day.strftime(ISO).to_string()),
            "due_on": line.due_on.map(|day| day.strftime(ISO).to_string()),
            "original": amount(line.original),
            "amount": amount(line.amount),
        })
    };
    let lines = figures.accounts.iter().flat_map(|part| part.lines.iter().map(move |own| line(part, own)));
    let claim = figures.claim();
    json!({
        "form": figures.form.as_str(),
        "from": figures.period.from.strftime(ISO).to_string(),
        "to": figures.period.to.strftime(ISO).to_string(),
        "opening": claim.as_ref().and_then(|claim| claim.opening).map(amount),
        "balance": claim.as_ref().map(|claim| amount(claim.balance)),
        "unapplied": claim.as_ref().map(|claim| amount(claim.unapplied)),
        "ages": claim.map(|claim| {
            let age = |(bucket, own): (&Bucket, &Decimal)| json!({ "label": bucket.label(), "amount": amount(*own) });
            figures.buckets.iter().zip(&claim.ages).map(age).collect::<Vec<_>>()
        }),
        "lines": lines.collect::<Vec<_>>(),
    })
}

/// A line that a program answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    #[serde(default)]
    files: Vec<Given>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    content_type: String,
    base64: Option<String>,
    path: Option<String>,
}

/// Asks the program of the plugin `name` about each mail, by id; there is an answer or a fault for every one.
pub(crate) async fn answered(
    name: &str,
    start: Start,
    program: &Program,
    files: &Files,
    requests: impl IntoIterator<Item = (String, Value)>,
) -> BTreeMap<String, Answer> {
    let mut requests = requests.into_iter();
    let mut taker = Taker {
        program,
        files,
        bytes_left: RUN_BYTES_MAX,
        asked: BTreeSet::new(),
        next: None,
        answers: BTreeMap::new(),
        blank_lines: 0,
    };
    let outcome = match Conversation::start(start) {
        Ok((conversation, questions)) => taker.converse(name, conversation, questions, &mut requests).await,
        Err(fault) => Err(Distrust::OfTheRest(fault.to_string())),
    };
    let mut answers = taker.answers;
    let (fault, is_liar) = match outcome {
        Ok(()) => (format!("`{name}` ended before it had answered"), false),
        Err(Distrust::OfTheRest(fault)) => (fault, false),
        Err(Distrust::OfAll(fault)) => (fault, true),
    };
    if is_liar {
        answers.values_mut().for_each(|answer| *answer = Err(fault.clone()));
    }
    let unasked = taker.next.into_iter().chain(requests).map(|(id, _)| id);
    for id in taker.asked.into_iter().chain(unasked) {
        answers.entry(id).or_insert_with(|| Err(fault.clone()));
    }
    answers
}

/// How far a program is believed after a fault.
enum Distrust {
    /// What it has answered stands.
    OfTheRest(String),
    /// Nothing it said stands.
    OfAll(String),
}

struct Taker<'p> {
    program: &'p Program,
    files: &'p Files,
    bytes_left: u64,
    asked: BTreeSet<String>,
    /// The mail to be asked about next.
    next: Option<(String, Value)>,
    answers: BTreeMap<String, Answer>,
    blank_lines: usize,
}

impl Taker<'_> {
    async fn converse(
        &mut self,
        name: &str,
        mut conversation: Conversation,
        questions: crate::program::Questions,
        requests: &mut impl Iterator<Item = (String, Value)>,
    ) -> Result<(), Distrust> {
        let mut questions = Some(questions);
        self.next = requests.next();
        loop {
            if self.next.is_none() {
                questions = None;
            }
            let asker = questions.clone();
            tokio::select! {
                permit = async { asker.expect("asked only while there are questions").reserve_owned().await }, if questions.is_some() => {
                    match (permit, self.next.take()) {
                        (Ok(permit), Some((id, request))) => {
                            let line = serde_json::to_vec(&request).expect("requests are maps with text keys, lists and texts");
                            self.asked.insert(id);
                            drop(permit.send(line));
                            self.next = requests.next();
                        }
                        (Ok(_), None) => {}
                        (Err(_), unasked) => {
                            // It reads no more; what it still says is heard.
                            self.asked.extend(unasked.map(|(id, _)| id));
                            questions = None;
                        }
                    }
                }
                line = conversation.answer() => match line {
                    Ok(Some(line)) => self.take(name, &line)?,
                    Ok(None) => break,
                    Err(fault) => return Err(Distrust::OfTheRest(fault.to_string())),
                },
            }
        }
        drop(questions);
        let ended = conversation.end().await.map_err(|fault| Distrust::OfTheRest(fault.to_string()))?;
        let code = ended.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        match self.asked.len() > self.answers.len() {
            true => {
                let words = last_words(&ended.errors);
                Err(Distrust::OfTheRest(format!("`{name}` ended with {code} before it had answered{words}")))
            }
            false => Ok(()),
        }
    }

    /// Takes one answer over.
    fn take(&mut self, name: &str, line: &[u8]) -> Result<(), Distrust> {
        if line.iter().all(u8::is_ascii_whitespace) {
            self.blank_lines += 1;
            return match self.blank_lines > BLANK_LINES_MAX {
                true => Err(Distrust::OfTheRest(format!("`{name}` wrote too many lines that say nothing"))),
                false => Ok(()),
            };
        }
        let read = serde_json::from_slice::<Line>(line);
        let read = read.map_err(|error| Distrust::OfTheRest(format!("`{name}` answered what is no answer: {error}")))?;
        if !self.asked.contains(&read.id) {
            let id: String = read.id.chars().take(64).collect();
            return Err(Distrust::OfAll(format!("`{name}` answered about {id:?}, which nobody asked")));
        }
        if self.answers.contains_key(&read.id) {
            return Err(Distrust::OfAll(format!("`{name}` answered twice about {:?}", read.id)));
        }
        let id = read.id.clone();
        let answer = self.files_of(name, read);
        self.answers.insert(id, answer);
        Ok(())
    }

    fn files_of(&mut self, name: &str, line: Line) -> Answer {
        if let Some(error) = line.error {
            let error: String = error.chars().take(1_000).collect();
            return Err(format!("`{name}` says: {error}"));
        }
        let most = self.program.count_max as usize;
        if line.files.is_empty() {
            return Err(format!("`{name}` gave no file"));
        }
        if line.files.len() > most {
            return Err(format!("`{name}` gave {} files; at most {most} are taken", line.files.len()));
        }
        let mut left = self.program.bytes_max;
        line.files.into_iter().map(|given| self.file(name, given, &mut left)).collect()
    }

    /// Checks one file and keeps a copy of it.
    fn file(&mut self, program: &str, given: Given, left: &mut u64) -> Result<AttachedFile, String> {
        let Given { name, content_type, base64, path } = given;
        if let Some(fault) = attachment_fault(&name, &content_type) {
            return Err(format!("`{program}` gave a file that cannot be attached: {fault}"));
        }
        let limit = (*left).min(self.bytes_left);
        let taken = match (base64, path) {
            (Some(base64), None) => {
                let contents = STANDARD.decode(base64);
                let contents = contents.map_err(|error| format!("`{program}` gave `{name}` in broken base64: {error}"))?;
                self.files.kept.take(&contents[..], limit)
            }
            (None, Some(path)) => {
                let file = self.open(&path).map_err(|fault| format!("`{program}` gave `{name}`: {fault}"))?;
                self.files.kept.take(file, limit)
            }
            _ => return Err(format!("`{program}` gave `{name}` with neither or both of `base64` and `path`")),
        };
        let taken = taken.map_err(|untaken| match untaken {
            Untaken::TooLarge if limit == *left => format!("`{program}` gave more than {} bytes", self.program.bytes_max),
            Untaken::TooLarge => format!("`{program}` gave more than {RUN_BYTES_MAX} bytes"),
            Untaken::Unreadable(_) | Untaken::Unkept(_) => format!("The attachment `{name}` {untaken}"),
        })?;
        let byte_count = taken.place.byte_count() as u64;
        if byte_count == 0 {
            return Err(format!("`{program}` gave `{name}` without contents"));
        }
        *left -= byte_count;
        self.bytes_left -= byte_count;
        Ok(AttachedFile::new(name, content_type, taken.place))
    }

    /// Opens a file of the program's folder.
    fn open(&self, path: &str) -> Result<File, String> {
        let unreadable = |error: io::Error| format!("`{path}` cannot be read: {error}");
        let folder = self.files.path().canonicalize().map_err(unreadable)?;
        let real = folder.join(path).canonicalize().map_err(unreadable)?;
        if !real.starts_with(&folder) || !real.is_file() {
            return Err(format!("`{path}` is no file of its folder {}", Files::VARIABLE));
        }
        File::open(real).map_err(unreadable)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
