//! Reading the archive back: what has left the database, as far as the chain and a mail's evidence ask for it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::date::Timestamp;
use crate::store::StoreError;
use crate::store::digest::{AttemptFacts, DecisionFacts, Hash, RowsDigester, RunFacts, attempt, decision, run, text_digest};

/// What was read of an archive.
#[derive(Default)]
pub struct Archived {
    /// The names of the files.
    pub files: Vec<String>,
    runs: HashMap<i64, OldRun>,
    decisions: HashMap<i64, RowsDigester>,
    attempts: BTreeMap<i64, Hash>,
    mails: HashMap<i64, Hash>,
}

/// A line of the archive, as far as it is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Run(OldRun),
    Decision(OldDecision),
    Mail(OldMail),
    Firing(serde::de::IgnoredAny),
    Checksum(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct OldRun {
    id: i64,
    started_at: Timestamp,
    as_of: String,
    rule: Option<String>,
    mode: String,
    generation: String,
    person: Option<String>,
    only: Option<String>,
}

#[derive(Deserialize)]
struct OldDecision {
    run: i64,
    rule: String,
    customer: String,
    currency: String,
    document: String,
    verdict: String,
    reason: String,
    mail: Option<i64>,
    yields_to: Option<String>,
    trace: Option<String>,
}

#[derive(Deserialize)]
struct OldMail {
    id: i64,
    eml: String,
    input: Option<String>,
    attempts: Vec<OldAttempt>,
}

#[derive(Deserialize)]
struct OldAttempt {
    /// Archives of earlier releases have none.
    id: Option<i64>,
    server: String,
    started_at: Timestamp,
    duration_ms: i64,
    stage: String,
    outcome: String,
    code: Option<i64>,
    enhanced: Option<String>,
    reply: Option<String>,
    fault: Option<String>,
    recipients_refused: Option<Value>,
}

impl Archived {
    /// Returns whether every file of the archive that the database knows of was read: what is in none of them is nowhere.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_whole(&self, reader: &Connection) -> Result<bool, StoreError> {
        let mut statement = reader.prepare("select file from archive")?;
        let files = statement.query_map((), |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(files.iter().all(|file| self.files.contains(file)))
    }

    /// Reads these files of the archive of a database.
    ///
    /// # Errors
    /// A file cannot be read, or holds what no archive does.
    pub fn read(reader: &Connection, files: &[PathBuf]) -> Result<Self, StoreError> {
        let mut archived = Self::default();
        for path in files {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let mut part = Vec::new();
            for_each_line(reader, path, &mut |line| {
                let line: Line = serde_json::from_str(line).map_err(io::Error::other)?;
                match line {
                    // Only what is closed by its checksum counts: a step that was killed leaves a tail.
                    Line::Checksum(_) => part.drain(..).for_each(|line| archived.take(line)),
                    line => part.push(line),
                }
                Ok(())
            })
            .map_err(|source| StoreError::File { path: path.clone(), source })?;
            archived.files.push(name);
        }
        Ok(archived)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Run(run) => drop(self.runs.insert(run.id, run)),
            Line::Decision(old) => {
                let digest = decision(&DecisionFacts {
                    run_id: old.run,
                    rule_id: &old.rule,
                    customer_id: &old.customer,
                    currency: &old.currency,
                    document: &old.document,
                    verdict: &old.verdict,
                    reason: &old.reason,
                    message_id: old.mail,
                    yields_to: old.yields_to.as_deref(),
                    trace: old.trace.as_deref(),
                });
                let rows = self.decisions.entry(old.run).or_default();
                rows.row(rows.count, Some(&digest));
            }
            Line::Mail(mail) => {
                self.mails.insert(mail.id, text_digest(mail.eml.as_bytes(), mail.input.as_deref()));
                for old in mail.attempts {
                    let Some(id) = old.id else { continue };
                    let refused = old.recipients_refused.as_ref().map(Value::to_string);
                    let digest = attempt(&AttemptFacts {
                        message_id: mail.id,
                        server_id: &old.server,
                        started_at_ms: old.started_at.as_millisecond(),
                        duration_ms: old.duration_ms,
                        stage: &old.stage,
                        outcome: &old.outcome,
                        reply_code: old.code,
                        reply_enhanced: old.enhanced.as_deref(),
                        reply_text: old.reply.as_deref(),
                        fault: old.fault.as_deref(),
                        recipients_refused: refused.as_deref(),
                    });
                    self.attempts.insert(id, digest);
                }
            }
            Line::Firing(_) | Line::Checksum(_) => {}
        }
    }

    /// Returns the digest of a run whose row is here.
    pub(crate) fn run(&self, id: i64, generation: impl Fn(&str) -> Option<Vec<u8>>) -> Option<Hash> {
        let old = self.runs.get(&id)?;
        let facts = RunFacts {
            id,
            as_of: &old.as_of,
            rule_id: old.rule.as_deref(),
            mode: &old.mode,
            generation: &old.generation,
            started_at_ms: old.started_at.as_millisecond(),
            person: old.person.as_deref(),
            only_subject: old.only.as_deref(),
        };
        Some(run(&facts, generation(&old.generation).as_deref()))
    }

    /// Returns the digest over the first decisions of a run, those that are here.
    pub(crate) fn decisions(&self, run_id: i64) -> RowsDigester {
        self.decisions.get(&run_id).cloned().unwrap_or_default()
    }

    pub(crate) fn attempt(&self, id: i64) -> Option<&Hash> {
        self.attempts.get(&id)
    }

    /// Returns the digest of a mail's text with its input.
    pub(crate) fn text(&self, message_id: i64) -> Option<&Hash> {
        self.mails.get(&message_id)
    }
}

/// Returns the files of a database's archive that are in their folder.
///
/// # Errors
/// The database cannot be read.
pub fn files(reader: &Connection, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut statement = reader.prepare("select file from archive order by file")?;
    let names: Vec<String> = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names.into_iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect())
}

/// What the archive has of one mail.
#[derive(Default)]
pub(crate) struct ArchivedMail {
    /// As it was archived, with text and attempts.
    pub(crate) mail: Option<Value>,
    /// The decision that it came of.
    pub(crate) decision: Option<Value>,
}

/// Looks for a mail in these files.
pub(crate) fn find_mail(reader: &Connection, files: &[PathBuf], id: i64) -> Result<ArchivedMail, StoreError> {
    let mut found = ArchivedMail::default();
    let (head, named) = (format!("{{\"mail\":{{\"id\":{id},"), format!("\"mail\":{id},"));
    for path in files {
        for_each_line(reader, path, &mut |line| {
            let kind = if line.starts_with(&head) {
                "mail"
            } else if line.starts_with("{\"decision\"") && line.contains(&named) {
                "decision"
            } else {
                return Ok(());
            };
            let mut value: Value = serde_json::from_str(line).map_err(io::Error::other)?;
            let inner = value.get_mut(kind).map(Value::take);
            match kind {
                "mail" => found.mail = inner,
                _ => found.decision = inner.filter(|inner| inner["mail"] == id),
            }
            Ok(())
        })
        .map_err(|source| StoreError::File { path: path.clone(), source })?;
    }
    Ok(found)
}

/// Hands each line of a file to `take`, as far as the database says that the file goes, where it knows the file as it is.
fn for_each_line(reader: &Connection, path: &Path, take: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let known = reader.query_row("select bytes from archive where file = ?1", (name,), |row| row.get::<_, i64>(0));
    let file = File::open(path)?;
    // Shorter than it was left: one that was put away, and begun anew since.
    let bytes = known.ok().map(i64::unsigned_abs).filter(|bytes| file.metadata().is_ok_and(|file| file.len() >= *bytes));
    let mut lines = BufReader::new(file.take(bytes.unwrap_or(u64::MAX)));
    let (mut line, mut number) = (String::new(), 0_u64);
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        take(line.trim_end()).map_err(|error| io::Error::other(format!("line {number}: {error}")))?;
    }
}
