//! `dunlin demo`: the whole job on sample receivables, with a mail server of its own, and the mails to look at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::cli::gallery::{Html, MARK, Picture, page};
use crate::cli::outbox::failed as store_failed;
use crate::cli::plan::{show_declined, show_messages};
use crate::cli::print::{counted, fail, json, out, say};
use crate::cli::send::{composing, deliver, runtime, tell_end, words};
use crate::cli::session::Session;
use crate::cli::{Common, Exit, day};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::domain::ledger::Ledger;
use crate::engine::act::person;
use crate::engine::attach::Attachments;
use crate::engine::compose::Composer;
use crate::engine::demo::{DemoServer, Received, redirect};
use crate::engine::generation::RunGenerations;
use crate::engine::run::{Cause, Counts, Order, commit, counts};
use crate::engine::view::PlanView;
use crate::engine::workspace::Workspace;
use crate::plan::Plan;
use crate::port::Clock;

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where to leave the mails
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    /// Play this day instead of today (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,
}

/// The page in the demo's folder.
const PAGE: &str = "index.html";
/// What it says below its title.
const PAGE_LEAD: &str = "Each mail as the server took it. Click one to open it; the .eml file opens in any mail program.";
/// The demo's database in its folder.
const DATABASE: &str = "dunlin.db";

#[derive(Debug, Serialize)]
struct DemoView {
    run: i64,
    as_of: Date,
    counts: Counts,
    page: String,
    plan: PlanView,
}

pub(crate) fn demo(common: &Common, args: &DemoArgs) -> Exit {
    demonstrate(common, args).unwrap_or_else(|exit| exit)
}

fn demonstrate(common: &Common, args: &DemoArgs) -> Result<Exit, Exit> {
    let mut session = Session::open(common).inspect_err(|_| {
        if !common.workspace.join("config.yaml").exists() {
            say("note: the samples lie in Dunlin's own folder; run `dunlin demo` there, or name it with --workspace DIR");
        }
    })?;
    if session.has_errors {
        return Err(Exit::Problems);
    }
    let folder = clear(&args.out)?;
    let as_of = session.day(args.as_of);
    let (ledger, read_from) = session.ledger_to_send_by(as_of)?;
    let rules = Arc::new(session.workspace.rules.clone());
    if !common.json {
        say(format!(
            "Sample receivables: {}, {}. Rules: {}. Day: {as_of}.",
            counted(ledger.customers().len(), "customer", "customers"),
            counted(ledger.documents().len(), "document", "documents"),
            rules.rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", "),
        ));
    }
    runtime()?.block_on(async {
        let server = DemoServer::start().await.map_err(|error| failed("Cannot start the demo's mail server", &error))?;
        if !common.json {
            say(format!("A mail server of the demo's own listens on 127.0.0.1:{}.\n", server.port));
        }
        redirect(&mut session.workspace, server.port, folder.join(DATABASE).to_string_lossy().into_owned());
        let workspace = Arc::new(session.workspace);
        let parts = workspace.parts(Arc::new(SystemClock)).map_err(|fault| {
            fail(fault.to_string(), fault.hint());
            Exit::Failed
        })?;
        let (report, end) = composing();
        let cause = Cause::Person(person());
        let order = Order {
            rules: rules.clone(),
            only_rule: None,
            only: None,
            ledger: ledger.clone(),
            as_of,
            scheduled_on: as_of,
            cause,
        };
        let committed = commit(&RunGenerations::new(workspace.clone()), workspace.clone(), order, &parts, report).await;
        end();
        let committed = committed.map_err(store_failed)?;
        let report = deliver(&workspace, &parts, as_of, read_from, None).await?;
        let received = server.stop().await;
        let counts = counts(&parts.store, committed.run_id).map_err(|error| {
            fail(error.to_string(), None);
            Exit::Failed
        })?;
        let plan = PlanView::of(&committed.plan, &rules, &ledger);
        let attachments = Attachments::left_out();
        let composer = Composer {
            workspace: &workspace,
            rules: &rules,
            ledger: &ledger,
            plan: &committed.plan,
            now: SystemClock.now(),
            attachments: &attachments,
        };
        let page = write_mails(&folder, &received, &composer, &ledger, &committed.plan)
            .map_err(|error| failed(&format!("Cannot write into {}", folder.display()), &error))?;
        if common.json {
            json(&DemoView { run: committed.run_id, as_of, counts, page: page.display().to_string(), plan });
        } else {
            show_messages(&plan.messages);
            show_declined(&plan.declined, false);
            tell_what_next(&counts, &page, &args.out, &workspace);
        }
        Ok(tell_end(&report))
    })
}

/// Returns the folder, cleared of what an earlier demo left there; a folder that is not a demo's is refused.
fn clear(out: &Path) -> Result<PathBuf, Exit> {
    let cannot = |error: io::Error| failed(&format!("Cannot use {}", out.display()), &error);
    fs::create_dir_all(out).map_err(cannot)?;
    let is_empty = fs::read_dir(out).map_err(cannot)?.next().is_none();
    let is_ours = fs::read_to_string(out.join(PAGE)).is_ok_and(|page| page.contains(MARK));
    if !is_empty && !is_ours {
        fail(format!("{} is not empty and was not left by a demo", out.display()), Some("name another folder with --out DIR"));
        return Err(Exit::Failed);
    }
    for entry in fs::read_dir(out).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        if entry.file_type().map_err(cannot)?.is_file() && entry.file_name().to_str().is_some_and(is_left_by_demo) {
            fs::remove_file(entry.path()).map_err(cannot)?;
        }
    }
    // Written at once, so that a demo that is broken off can be started again.
    fs::write(out.join(PAGE), MARK).map_err(cannot)?;
    out.canonicalize().map_err(cannot)
}

/// Returns whether a demo writes files of this name; people may have put files of their own beside them.
fn is_left_by_demo(name: &str) -> bool {
    let is_database = name.strip_prefix(DATABASE).is_some_and(|rest| ["", "-wal", "-shm", ".lock", ".seal"].contains(&rest));
    // As `write_mails` names them: number, level, customer.
    let mut parts = name.splitn(3, '-');
    let is_number = |part: &str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_mail = parts.next().is_some_and(is_number)
        && parts.nth(1).and_then(|rest| rest.rsplit_once('.')).is_some_and(|(_, ending)| ["eml", "html"].contains(&ending));
    name == PAGE || is_database || is_mail
}

/// Writes each mail as the server took it, with its HTML part and the page over all; returns the page's path.
fn write_mails(
    folder: &Path,
    received: &[Received],
    composer: &Composer<'_>,
    ledger: &Ledger,
    plan: &Plan,
) -> io::Result<PathBuf> {
    let mut pictures = Vec::new();
    for (number, message) in plan.messages.iter().enumerate() {
        let key = composer.key(message);
        let Some(mail) = received.iter().find(|mail| holds_key(&mail.bytes, key.as_str())) else { continue };
        let Ok(composed) = composer.compose(message, &[]) else { continue };
        let customer = ledger.customer(message.customer);
        let level = message.level_facts(composer.rules).id.to_string();
        let name = format!("{:03}-{level}-{}", number + 1, file_word(customer.id.as_str()));
        fs::write(folder.join(format!("{name}.eml")), &mail.bytes)?;
        if let Some(html) = composed.page() {
            fs::write(folder.join(format!("{name}.html")), html)?;
        }
        pictures.push(Picture {
            eml: Some(format!("{name}.eml")),
            html: composed.html.as_ref().map(|_| Html::File(format!("{name}.html"))),
            to: mail.recipients.join(", "),
            customer: customer.name.to_string(),
            level,
            subject: composed.subject,
            text: composed.text,
        });
    }
    let path = folder.join(PAGE);
    let title = format!("Dunlin demo: {} of {}", counted(pictures.len(), "mail", "mails"), plan.as_of);
    fs::write(&path, page(&title, PAGE_LEAD, &pictures))?;
    Ok(path)
}

/// Returns whether the head of `mail` carries this message key.
fn holds_key(mail: &[u8], key: &str) -> bool {
    let head_end = mail.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(mail.len());
    mail[..head_end].windows(key.len()).any(|window| window == key.as_bytes())
}

/// Returns a customer's id with everything that a file name had better not hold replaced.
fn file_word(id: &str) -> String {
    id.chars().take(40).map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect()
}

fn tell_what_next(counts: &Counts, page: &Path, out_dir: &Path, workspace: &Workspace) {
    out(format!("\nRun 1: {}", words(counts.0.iter())));
    out(format!("The mails, each as the server took it: {}", page.display()));
    out("\nWhat next:");
    out(format!("  look at them          open {}/{PAGE} in a browser", out_dir.display()));
    let called = called(std::env::args().next().as_deref());
    out(format!("  see one as text       {called} preview"));
    out(format!("  see what is due       {called} plan"));
    out(format!("  your own receivables  point `ledger` in config.yaml at your CSV export, then `{called} check`"));
    out("  your own server       set `smtp` in config.yaml; with `mode: redirect` all mail goes to you first");
    // The README walks through a reminder.
    let rules = &workspace.rules.rules;
    let rule = rules.iter().find(|rule| rule.reminder().is_some()).or(rules.first()).map_or("rules/", |rule| &rule.file);
    out(format!("  your own rule         copy {rule}; README.md walks through it"));
}

/// Returns how to call the program again, as it was called this time: by its name or path, or through cargo, which
/// builds into `target`.
fn called(program: Option<&str>) -> String {
    let Some(program) = program.filter(|program| !program.is_empty()) else { return "dunlin".to_owned() };
    let folders: Vec<_> = Path::new(program).parent().into_iter().flat_map(Path::iter).collect();
    match folders.iter().any(|folder| *folder == "target") {
        true if folders.last().is_some_and(|folder| *folder == "release") => "cargo run --release --".to_owned(),
        true => "cargo run --".to_owned(),
        false => program.to_owned(),
    }
}

fn failed(what: &str, error: &io::Error) -> Exit {
    fail(format!("{what}: {error}"), None);
    Exit::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_demo_writes_counts_as_left_by_one() {
        for name in [
            "index.html",
            "dunlin.db",
            "dunlin.db-wal",
            "dunlin.db-shm",
            "dunlin.db.lock",
            "001-first-C001.eml",
            "042-2nd-C_1.html",
        ] {
            assert!(is_left_by_demo(name), "{name}");
        }
        for name in [
            "notes.txt",
            "dunlin.db.bak",
            "2026-03-10.eml",
            "001.eml",
            "001-first.eml",
            "001-first-C001.pdf",
            "01-a-b.eml",
            "a01-a-b.eml",
        ] {
            assert!(!is_left_by_demo(name), "{name}");
        }
    }

    #[test]
    fn the_program_is_called_as_it_was_started() {
        for (program, expected) in [
            (None, "dunlin"),
            (Some("dunlin"), "dunlin"),
            (Some("./dunlin"), "./dunlin"),
            (Some("/opt/bin/dunlin"), "/opt/bin/dunlin"),
            (Some("target/release/dunlin"), "cargo run --release --"),
            (Some("/home/a/dunlin/target/debug/dunlin"), "cargo run --"),
        ] {
            assert_eq!(called(program), expected, "{program:?}");
        }
    }
}
