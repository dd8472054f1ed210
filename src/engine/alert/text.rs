//! What persons are told, in words: what began, what is over, what to do, where to look.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::domain::date::Timestamp;
use crate::domain::hex::hexadecimal;
use crate::engine::alert::book::{Entry, Untold};
use crate::engine::alert::{Alert, AlertSeverity};
use crate::engine::status::Health;
use crate::engine::workspace::Workspace;

/// How many things are told one by one; the rest is counted.
const TOLD_MAX: usize = 20;

/// Returns what to tell.
pub(crate) fn alert(workspace: &Workspace, untold: &Untold) -> Alert {
    let Untold { begun, ended, standing } = untold;
    let severity = match begun.iter().map(|entry| entry.kind.health()).max() {
        None => AlertSeverity::Info,
        Some(Health::Failing) => AlertSeverity::Error,
        Some(_) => AlertSeverity::Warning,
    };
    let title = match (begun.first(), ended.first()) {
        (Some(first), _) => format!("Needs you: {}{}", headline(first), more(begun.len() + ended.len())),
        (None, Some(first)) => format!("Over: {}{}", headline(first), more(ended.len())),
        (None, None) => String::new(),
    };
    let mut detail = String::new();
    part(&mut detail, "Needs you now:", begun, |text, entry| {
        let advice = entry.kind.advice();
        line(text, &format!("* {}", entry.row.words));
        line(text, &format!("  since {}", time(workspace, entry.row.began_at)));
        line(text, &format!("  {}", advice.meaning));
        line(text, &format!("  What to do: {}", advice.remedy));
    });
    part(&mut detail, "Over:", ended, |text, entry| {
        line(text, &format!("* {}", entry.row.words));
        let until = entry.row.ended_at.map_or_else(String::new, |at| format!(" to {}", time(workspace, at)));
        line(text, &format!("  from {}{until}", time(workspace, entry.row.began_at)));
    });
    part(&mut detail, "Still standing, as told before:", standing, |text, entry| {
        line(text, &format!("* {} (since {})", entry.row.words, time(workspace, entry.row.began_at)));
    });
    line(&mut detail, "\nWhere to look: `dunlin runs` and `dunlin outbox` on that machine, and the log of the daemon.");
    if let Some(listen) = workspace.config.daemon.listen.filter(|listen| listen.port() != 0) {
        line(&mut detail, &format!("The health page, from that machine alone: http://{listen}/"));
    }
    Alert { severity, title, detail: detail.trim_start().to_owned() }
}

/// Returns a key of what is told: the same things make the same mail, whoever sends it again.
pub(crate) fn key(workspace: &Workspace, untold: &Untold) -> String {
    let mut hash = Sha256::new();
    hash.update(workspace.config.instance.as_bytes());
    for (half, entries) in [("begin", &untold.begun), ("end", &untold.ended)] {
        for entry in entries {
            let name = format!("\0{half}\0{}\0{}\0{}", entry.kind.as_str(), entry.row.about, entry.row.began_at.as_millisecond());
            hash.update(name.as_bytes());
        }
    }
    hexadecimal(&hash.finalize()[..16])
}

/// Returns what it is in a few words: `a rule is paused (overdue)`.
fn headline(entry: &Entry) -> String {
    match entry.row.about.as_str() {
        "" => entry.kind.title().to_owned(),
        about => format!("{} ({about})", entry.kind.title()),
    }
}

fn more(count: usize) -> String {
    if count > 1 { format!(", and {} more", count - 1) } else { String::new() }
}

fn part(text: &mut String, title: &str, entries: &[Entry], one: impl Fn(&mut String, &Entry)) {
    if entries.is_empty() {
        return;
    }
    line(text, &format!("\n{title}\n"));
    entries.iter().take(TOLD_MAX).for_each(|entry| one(text, entry));
    if entries.len() > TOLD_MAX {
        line(text, &format!("* and {} more", entries.len() - TOLD_MAX));
    }
}

/// Returns an instant by the clock of the workspace, to the minute.
fn time(workspace: &Workspace, at: Timestamp) -> String {
    let zone = workspace.config.time_zone.zone().clone();
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("writing to a String cannot fail");
}
