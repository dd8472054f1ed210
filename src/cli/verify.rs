//! `dunlin verify`: whether the record is as it was written.

use std::path::PathBuf;

use clap::Args;

use crate::cli::outbox::failed;
use crate::cli::print::{counted, fail, json, keep_whole, out, table};
use crate::cli::session::{Session, bar};
use crate::cli::{Common, Exit};
use crate::engine::care::{Verified, verify as verified};

/// How many digits of a hash are too few to tell it from others.
const DIGITS_MIN: usize = 8;

#[derive(Args, Debug)]
#[command(
    after_help = "It goes through the chain from its first link to its last and holds every run, decision, mail, attempt, act \
    and text against it. Note the hash that it prints elsewhere, where nobody who may write to the database can change it: \
    `--expect` then shows that all up to there is still as it was. It changes nothing, and a daemon may run meanwhile."
)]
pub(crate) struct VerifyArgs {
    /// A file of the archive, where they are not in the archive's folder any more; may be given several times
    #[arg(long, value_name = "FILE")]
    archive: Vec<PathBuf>,
    /// A hash that was noted before, or its beginning: it must be in the chain
    #[arg(long, value_name = "HASH", value_parser = hash)]
    expect: Option<String>,
}

fn hash(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('…').to_lowercase();
    let is_hash = (DIGITS_MIN..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(text) } else { Err(format!("write {DIGITS_MIN} to 64 hexadecimal digits, as `dunlin verify` prints them")) }
}

pub(crate) fn verify(common: &Common, args: &VerifyArgs) -> Exit {
    verifying(common, args).unwrap_or_else(|exit| exit)
}

fn verifying(common: &Common, args: &VerifyArgs) -> Result<Exit, Exit> {
    let session = Session::quiet(common)?;
    let bar = bar("Verifying", "{pos} of {len} links");
    let found = verified(&session.workspace, &args.archive, args.expect.as_deref(), &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let Some(found) = found.map_err(failed)? else {
        fail("There is no database yet, and so no chain", None);
        return Ok(Exit::Failed);
    };
    if common.json {
        json(&found);
    } else {
        tell(&found);
    }
    if found.faults.is_empty() {
        return Ok(Exit::Done);
    }
    let count = found.faults.len() + found.faults_left_out as usize;
    fail(
        format!("The record is not as it was written: {}", counted(count, "fault", "faults")),
        Some("keep the file as it is; an earlier backup shows what stood there: docs/operating.md, \"Evidence and the chain\""),
    );
    Ok(Exit::Failed)
}

fn tell(found: &Verified) {
    let Some(hash) = &found.hash else {
        if found.faults.is_empty() {
            out("The chain has not begun: it does with the next run");
        }
        return faults(found);
    };
    faults(found);
    let counts = [
        counted(found.runs as usize, "run", "runs"),
        counted(found.messages as usize, "message", "messages"),
        counted(found.attempts as usize, "attempt", "attempts"),
    ];
    let day = |at: Option<crate::domain::date::Timestamp>| at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d").to_string());
    let (head, days) = (if found.faults.is_empty() { "All right" } else { "Looked at" }, (day(found.from), day(found.until)));
    out(format!("{head}: {}, from {} to {}; chain ends in {hash}", counts.join(", "), days.0, days.1));
    if let Some(at) = found.expected_at {
        out(format!("  the noted hash is in the chain, of {}", at.strftime("%Y-%m-%d %H:%M UTC")));
    }
    let since = found.since_last_link;
    if since.attempts + since.acts + since.copies > 0 {
        let counts = [
            counted(since.attempts as usize, "attempt", "attempts"),
            counted(since.acts as usize, "act", "acts"),
            counted(since.copies as usize, "copy", "copies"),
        ];
        out(format!("  since the last link: {}; the next one covers them", counts.join(", ")));
    }
    let before = found.before_chain;
    if before.runs + before.messages > 0 {
        let counts =
            [counted(before.runs as usize, "run", "runs"), counted(before.messages as usize, "message", "messages")].join(", ");
        out(format!("  older than the chain, and not in it: {counts}"));
    }
    let away = found.not_at_hand;
    let parts = [
        (away.runs, "run", "runs"),
        (away.decisions, "run's decisions", "runs' decisions"),
        (away.texts, "text", "texts"),
        (away.attempts, "attempt", "attempts"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, ..)| *count > 0).map(|(count, one, many)| counted(*count as usize, one, many)).collect();
    if !parts.is_empty() {
        out(format!("  not checked, since an archive is not at hand (--archive): {}", parts.join(", ")));
    }
}

fn faults(found: &Verified) {
    if found.faults.is_empty() {
        return;
    }
    let mut rows = table(&["What", "Where", "Expected", "Found"]);
    for fault in &found.faults {
        rows.add_row([&fault.what, &fault.place, &fault.expected, &fault.found]);
    }
    keep_whole(&mut rows, &[0]);
    out(rows.to_string());
    if found.faults_left_out > 0 {
        out(format!("and {} more", found.faults_left_out));
    }
}
