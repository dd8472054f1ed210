//! Alerts: persons are told when something begins to need them, once, and when it is over.
//!
//! What needs a person is a reason of health ([`crate::engine::status::ReasonKind`]); nothing else is told, and every reason is. `watch`
//! looks at the reasons beside the daemon's loop, `book` knows which of them have begun and ended and what was told of
//! it, `text` writes it for people. It goes by mail and by a plugin's program, each by itself: one that fails holds up neither the
//! other nor any run. What is told holds nothing of a customer, like the health page.

mod book;
mod mail;
mod text;
mod watch;

use serde::Serialize;

use crate::engine::programs::{PROTOCOL, ProgramError, start, tell};
use crate::engine::workspace::Workspace;

pub use crate::engine::alert::mail::Mailer;
pub use crate::engine::alert::watch::{AlertBell, AlertWatch};

/// The longest title, in characters; the rest is cut.
const TITLE_CHARACTERS_MAX: usize = 200;
/// The longest detail, in characters; the rest is cut.
const DETAIL_CHARACTERS_MAX: usize = 4_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertSeverity {
    /// It was bad and is over.
    Info,
    /// Something waits for a person.
    Warning,
    /// The daemon does not do its work.
    Error,
}

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// How bad it is.
    pub severity: AlertSeverity,
    /// What it is, in a few words.
    pub title: String,
    /// What to know and do.
    pub detail: String,
}

#[derive(Serialize)]
struct Request<'a> {
    version: u32,
    alert: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    severity: AlertSeverity,
    title: String,
    detail: String,
    workspace: &'a str,
}

/// Tells a person by the plugin that config.yaml names and waits until its program has ended; does nothing where it names none.
///
/// # Errors
/// The program could not be run, or says that it failed.
pub async fn tell_now(workspace: &Workspace, alert: &Alert) -> Result<(), ProgramError> {
    let Some((plugin, program)) = workspace.alert_plugin() else { return Ok(()) };
    let cut = |text: &str, most| text.chars().take(most).collect::<String>();
    let request = Request {
        version: PROTOCOL,
        alert: Shown {
            severity: alert.severity,
            title: cut(&alert.title, TITLE_CHARACTERS_MAX),
            detail: cut(&alert.detail, DETAIL_CHARACTERS_MAX),
            workspace: &workspace.config.instance,
        },
    };
    let told = tell(start(&workspace.root, plugin, program), &request).await?;
    match told.ended.code {
        Some(0) => Ok(()),
        code => Err(ProgramError::Failed {
            program: program.command.first().cloned().unwrap_or_default(),
            code,
            errors: told.ended.errors,
        }),
    }
}
