//! Evidence of one mail: all that is recorded of it in one ZIP, with a manifest of hashes, to be given out of the house.
//!
//! The same record gives the same bytes: its times are those of the record, and nothing in it is of the hour of the export. What
//! is not there is named with the reason, never left out in silence.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::domain::date::Timestamp;
use crate::domain::hex::hexadecimal;
use crate::engine::workspace::Workspace;
use crate::rule::check::revision;
use crate::store::evidence::{Evidence, EvidenceText, evidence, find};
use crate::store::{StoreError, archived, open_current_reader, plain_hash};

/// What an auditor reads first.
const README: &str = include_str!("evidence/README.txt");

/// A pack, ready to be written.
#[derive(Clone, Debug)]
pub struct Pack {
    /// The mail's id.
    pub id: i64,
    /// The ZIP.
    pub bytes: Vec<u8>,
    /// The names of the files in it.
    pub files: Vec<String>,
    /// What is not in it.
    pub missing: Vec<Missing>,
}

/// Something that is not in a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Makes the pack of the mail that is `named`: by its id, its key or its Message-ID. What has left the database is looked for in
/// these files of the archive, or else in those that are in their folder. `None` where there is no such mail.
///
/// # Errors
/// The database or a file of the archive cannot be read.
pub fn pack(workspace: &Workspace, named: &str, archive: &[PathBuf]) -> Result<Option<Pack>, StoreError> {
    let Some(reader) = open_current_reader(&workspace.database_path())? else { return Ok(None) };
    let Some(id) = find(&reader, named)? else { return Ok(None) };
    let files = match &workspace.config.retention {
        Some(retention) if archive.is_empty() => archived::files(&reader, &workspace.root.join(&retention.archive))?,
        _ => archive.to_vec(),
    };
    Ok(evidence(&reader, id, &files)?.map(|evidence| packed(id, evidence)))
}

fn packed(id: i64, mut evidence: Evidence) -> Pack {
    let missing = missing(&evidence);
    let mut files: Vec<(String, Vec<u8>)> = vec![("README.txt".into(), README.into())];
    let mut add = |name: &str, bytes: Vec<u8>| files.push((name.to_owned(), bytes));
    if let Some(bytes) = evidence.bytes.take() {
        add("message.eml", bytes);
    }
    let message = json!({
        "message": evidence.message, "recipients": evidence.recipients, "items": evidence.items, "files": evidence.files,
    });
    add("message.json", pretty(&message));
    if let Some(input) = evidence.input.take() {
        // As it was stored, so that its hash can be made anew.
        add("input.json", input.into_bytes());
    }
    add("decision.json", pretty(&Value::from(std::mem::take(&mut evidence.decisions))));
    let run = json!({
        "run": evidence.run, "firing": evidence.firing, "link": evidence.link, "link_behind_attempts": evidence.attempts_link,
    });
    add("run.json", pretty(&run));
    add("attempts.json", pretty(&Value::from(std::mem::take(&mut evidence.attempts))));
    add("acts.json", pretty(&Value::from(std::mem::take(&mut evidence.acts))));
    let (rule, script) = rule_files(&evidence);
    for text in &mut evidence.texts {
        if let Some(bytes) = text.bytes.take() {
            add(&format!("texts/{}", text.path), bytes);
        }
    }
    let listed = |(name, bytes): &(String, Vec<u8>)| json!({ "file": name, "bytes": bytes.len(), "sha256": hexadecimal(&plain_hash(bytes)) });
    let text = |text: &EvidenceText| json!({ "path": text.path, "sha256": text.hash, "kept": text.is_kept });
    let manifest = json!({
        "program": "dunlin",
        "version": env!("CARGO_PKG_VERSION"),
        "instance": evidence.instance,
        "database": evidence.database_id,
        "message": { "id": id, "key": evidence.message["message_key"], "message_id": evidence.message["header_id"] },
        "rule": { "file": rule, "script": script, "revision": evidence.message["rule_revision"] },
        "link": evidence.link.as_ref().map(|link| link["hash"].clone()),
        "files": files.iter().map(listed).collect::<Vec<_>>(),
        "generation": {
            "id": evidence.run.get("generation"), "texts": evidence.texts.iter().map(text).collect::<Vec<_>>(),
        },
        "missing": missing,
    });
    files.push(("manifest.json".into(), pretty(&manifest)));
    let at = evidence.run.get("started_at").and_then(Value::as_str).and_then(|at| at.parse().ok());
    let bytes = zipped(&files, at.unwrap_or(Timestamp::UNIX_EPOCH));
    Pack { id, bytes, files: files.into_iter().map(|(name, _)| name).collect(), missing }
}

/// Returns the paths of the rule and its script among the texts: those that its revision is the hash of.
fn rule_files(evidence: &Evidence) -> (Option<String>, Option<String>) {
    let wanted = evidence.message["rule_revision"].as_str().unwrap_or_default();
    let of = |ending: &str| -> Vec<(&EvidenceText, &str)> {
        let texts = evidence.texts.iter().filter(|text| text.path.starts_with("rules/") && text.path.ends_with(ending));
        texts.filter_map(|text| Some((text, std::str::from_utf8(text.bytes.as_deref()?).ok()?))).collect()
    };
    let scripts = of(".rhai");
    for (rule, words) in of(".yaml") {
        if revision(words, "") == wanted {
            return (Some(rule.path.clone()), None);
        }
        if let Some((script, _)) = scripts.iter().find(|(_, script)| revision(words, script) == wanted) {
            return (Some(rule.path.clone()), Some(script.path.clone()));
        }
    }
    (None, None)
}

fn missing(evidence: &Evidence) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut add = |what: &str, why: &str| missing.push(Missing { what: what.to_owned(), why: why.to_owned() });
    let is_old = evidence.message["digest"].is_null();
    const OLDER: &str = "the mail is of a release that did not keep it";
    match (&evidence.bytes, evidence.is_archived) {
        (None, true) => {
            add("message.eml", "it is in an archive that is not at hand (--archive)");
            add("input.json", "it is in an archive that is not at hand (--archive)");
            add("attempts", "they are in an archive that is not at hand (--archive)");
        }
        (None, false) => add("message.eml", "the mail was blocked, and so never composed"),
        (Some(_), _) if evidence.input.is_none() => add("input.json", OLDER),
        (Some(_), _) => {}
    }
    if evidence.decisions.is_empty() && evidence.message["is_copy"] == 1 {
        add("decision", "the mail is a copy that a person asked for; acts.json tells who, its first one has the decision");
    } else if evidence.decisions.is_empty() {
        add("decision", "it is in an archive that is not at hand (--archive)");
    }
    if evidence.texts.is_empty() {
        add("texts", OLDER);
    }
    for text in &evidence.texts {
        match (text.is_kept, &text.bytes) {
            (false, _) => add(&text.path, "only its hash is kept: it may hold a secret, or is a program"),
            (true, None) => add(&text.path, "it is not in the database, though it should be: `dunlin verify`"),
            (true, Some(_)) => {}
        }
    }
    if evidence.link.is_none() {
        let why = if is_old { "the mail is older than the chain" } else { "no link covers it yet; the next run makes one" };
        add("link", why);
    }
    if !evidence.attempts.is_empty() && evidence.attempts_link.is_none() {
        add("link_behind_attempts", "no link covers its last attempt yet; the next run or end of sending makes one");
    }
    missing
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(value).expect("JSON can be written");
    text.push('\n');
    text.into_bytes()
}

/// Returns a ZIP of these files, stored as they are, each with this time.
fn zipped(files: &[(String, Vec<u8>)], at: Timestamp) -> Vec<u8> {
    let day = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let (year, month, date) = (day.year().unsigned_abs(), day.month().unsigned_abs(), day.day().unsigned_abs());
    let (hour, minute, second) = (day.hour().unsigned_abs(), day.minute().unsigned_abs(), day.second().unsigned_abs());
    // What a ZIP has no year for gets the first that it has.
    let time = DateTime::from_date_and_time(year, month, date, hour, minute, second).unwrap_or_default();
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(time)
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let started = zip.start_file(name.as_str(), options).and_then(|()| zip.write_all(bytes).map_err(Into::into));
        started.expect("memory takes files of at most some megabytes, each under a name of its own");
    }
    zip.finish().expect("memory takes the end too").into_inner()
}

#[cfg(test)]
mod tests;
