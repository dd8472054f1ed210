//! `dunlin smtp test`: opens a connection to each server and says every step; on request a mail goes from a sender to itself.

use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::cli::print::{counted, fail, json, out};
use crate::cli::send::runtime;
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::clock::SystemClock;
use crate::domain::id::ServerId;
use crate::domain::mailbox::Sender;
use crate::domain::problem::nearest;
use crate::engine::server_test::{CERTIFICATE_DAYS_LEFT, ServerTest, test_server};
use crate::engine::workspace::Workspace;
use crate::port::Clock;

#[derive(Args, Debug)]
pub(crate) struct SmtpArgs {
    #[command(subcommand)]
    verb: SmtpVerb,
}

#[derive(Debug, Subcommand)]
enum SmtpVerb {
    /// Connect to servers, open TLS and sign in, and say each step with its time; nothing is sent unless asked for
    Test {
        /// Only these servers, by their names in config.yaml; all without
        #[arg(value_name = "SERVER")]
        servers: Vec<String>,
        /// Send a mail too, from the sender to its own address
        #[arg(long)]
        send: bool,
        /// Which sender sends; without, the first that names the server
        #[arg(long, value_name = "SENDER", requires = "send")]
        from: Option<String>,
    },
}

pub(crate) fn smtp(common: &Common, args: &SmtpArgs) -> Exit {
    let SmtpVerb::Test { servers, send, from } = &args.verb;
    test(common, servers, *send, from.as_deref()).unwrap_or_else(|exit| exit)
}

fn test(common: &Common, asked: &[String], is_sending: bool, from: Option<&str>) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let workspace = &session.workspace;
    let servers = chosen(workspace, asked)?;
    let sender = from.map(|id| sender(workspace, id)).transpose()?;
    let runtime = runtime()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut failed = 0;
    for id in &servers {
        let sender = match (is_sending, sender) {
            (false, _) => None,
            (true, Some(sender)) => Some(sender),
            (true, None) => Some(sender_of(workspace, id)?),
        };
        let found = runtime.block_on(test_server(workspace, id, sender, &clock));
        let found = found.expect("the servers were chosen among those there are");
        failed += usize::from(!found.is_ok);
        if common.json { json(&found) } else { tell(&found) }
    }
    if failed == 0 {
        return Ok(Exit::Done);
    }
    fail(format!("{} of {} failed", failed, counted(servers.len(), "server", "servers")), None);
    Ok(Exit::Failed)
}

fn chosen(workspace: &Workspace, asked: &[String]) -> Result<Vec<ServerId>, Exit> {
    let there = || workspace.config.servers.iter().map(|server| server.id.clone());
    if asked.is_empty() {
        return Ok(there().collect());
    }
    let mut chosen = Vec::new();
    let mut is_any_missing = false;
    for name in asked {
        match there().find(|id| id.as_str() == name) {
            Some(id) if !chosen.contains(&id) => chosen.push(id),
            Some(_) => {}
            None => {
                is_any_missing = true;
                unknown("server", name, &there().map(|id| id.to_string()).collect::<Vec<_>>());
            }
        }
    }
    if is_any_missing { Err(Exit::Failed) } else { Ok(chosen) }
}

fn sender<'w>(workspace: &'w Workspace, name: &str) -> Result<&'w Sender, Exit> {
    let senders = &workspace.config.senders;
    senders.iter().find(|sender| sender.id.as_str() == name).ok_or_else(|| {
        unknown("sender", name, &senders.iter().map(|sender| sender.id.to_string()).collect::<Vec<_>>());
        Exit::Failed
    })
}

fn sender_of<'w>(workspace: &'w Workspace, server: &ServerId) -> Result<&'w Sender, Exit> {
    workspace.config.senders.iter().find(|sender| sender.servers.contains(server)).ok_or_else(|| {
        fail(format!("No sender names the server `{server}`"), Some("say with --from which sender is to try it"));
        Exit::Failed
    })
}

fn unknown(what: &str, name: &str, there: &[String]) {
    let hint = match nearest(name, there.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", there.join(", ")),
    };
    fail(format!("config.yaml has no {what} `{name}`"), Some(&hint));
}

fn tell(test: &ServerTest) {
    let ServerTest { server, endpoint, security, .. } = test;
    out(format!("{server}: {endpoint}, security {security}"));
    for step in &test.steps {
        let mark = if step.is_ok { "ok    " } else { "FAILED" };
        out(format!("  {mark} {:<11} {:>6} ms  {}", step.step, step.took_ms, step.words));
        if let Some(certificate) = step.certificate.as_ref().filter(|found| found.days_left < CERTIFICATE_DAYS_LEFT) {
            let words = match certificate.days_left {
                ..0 => "the certificate is over".to_owned(),
                days => format!("the certificate ends in {}", counted(days.unsigned_abs() as usize, "day", "days")),
            };
            out(format!("         note: {words}"));
        }
    }
    if let Some(diagnosis) = test.diagnosis {
        out(format!("  {}", diagnosis.meaning));
        out(format!("  next: {}", diagnosis.next_step));
    }
    if test.is_ok
        && let Some(sender) = &test.sender
    {
        out(format!("  the server has taken a mail of `{sender}` to itself; look whether it arrived, and not among the spam"));
    }
}
