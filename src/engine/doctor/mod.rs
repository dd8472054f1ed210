//! Looking at everything that a new operator gets wrong: the files and the machine, the mail servers, the senders' domains.
//!
//! It changes nothing and sends no mail; servers are connected to and signed in at, DNS is asked. What could not be found
//! out is told as unknown and never as a fault. Nothing it tells holds a secret or a customer's data.

mod domains;
mod machine;
mod servers;
mod signed;

use std::sync::Arc;

use serde::Serialize;

use crate::engine::workspace::Workspace;
use crate::port::Clock;

pub use crate::dns::resolver::Resolver;

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It could not be found out.
    Unknown,
    /// Worth knowing; mails go all the same.
    Note,
    /// Mails will not go, will not arrive, or a secret lies open.
    Fault,
}

impl Level {
    /// Returns the word the command and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Note => "note",
            Self::Fault => "fault",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What kind of thing it is: `server`, `spf`.
    pub area: &'static str,
    /// Which one: a server's key, a domain, a file; empty where there is one only.
    pub about: String,
    /// What was found.
    pub what: String,
    /// Why it matters; empty where it is as it should be.
    pub why: String,
    /// What to do next; empty where nothing is to be done.
    pub next_step: String,
}

impl Finding {
    fn new(level: Level, area: &'static str, about: &str, what: impl Into<String>) -> Self {
        Self { level, area, about: about.to_owned(), what: what.into(), why: String::new(), next_step: String::new() }
    }

    fn ok(area: &'static str, about: &str, what: impl Into<String>) -> Self {
        Self::new(Level::Ok, area, about, what)
    }

    fn because(mut self, why: impl Into<String>, next_step: impl Into<String>) -> Self {
        (self.why, self.next_step) = (why.into(), next_step.into());
        self
    }
}

/// What is asked about the senders' domains, and whom.
#[derive(Clone, Copy, Debug)]
pub struct DomainAsk<'a> {
    /// Who is asked.
    pub resolver: &'a Resolver,
    /// Under which selectors a DKIM key must stand, besides our own and those of known providers.
    pub selectors: &'a [String],
}

/// Looks at everything; hands each finding to `tell` as it is made, since servers and DNS may take their time.
pub async fn examine(
    workspace: &Workspace,
    asking: &DomainAsk<'_>,
    clock: &Arc<dyn Clock>,
    tell: &mut (dyn FnMut(Finding) + Send),
) {
    machine::examine(workspace, clock.now()).into_iter().for_each(&mut *tell);
    for server in &workspace.config.servers {
        servers::examine(workspace, server, clock).await.into_iter().for_each(&mut *tell);
    }
    for (domain, senders) in domains::of(workspace) {
        domains::examine(workspace, asking, &domain, &senders).await.into_iter().for_each(&mut *tell);
    }
}
