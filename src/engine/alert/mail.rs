//! Alerts by mail: straight to the servers of one sender, past the outbox.
//!
//! The outbox is what alerts are about: it stands still where the ledger or the store does, and a long queue is before every mail in
//! it. So an alert goes by itself, and no rule, customer or contact gap knows of it. A server that takes nothing from us is not asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use compact_str::CompactString;
use thiserror::Error;

use crate::config::Mode;
use crate::domain::date::Timestamp;
use crate::domain::mailbox::{Recipient, RecipientRole, Sender};
use crate::engine::alert::Alert;
use crate::engine::compose::{outgoing, with_original_recipients};
use crate::engine::signing::Signing;
use crate::engine::workspace::Workspace;
use crate::message::{ComposeFault, PlainMail, plain_mail};
use crate::outbox::attempt::{Attempt, Outcome};
use crate::port::{Gate, GateClosed, Pending, Transport};

/// How long one server may take over an alert; its rate counts too.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);

/// What alerts are mailed with: the servers, and the keys that mails are signed with.
#[derive(Clone, Default)]
pub struct Mailer {
    /// One for every server.
    pub transports: Vec<Arc<dyn Transport>>,
    /// The keys.
    pub signing: Arc<Signing>,
}

/// Why an alert could not be mailed.
#[derive(Debug, Error)]
pub(crate) enum MailFault {
    /// It could not be written.
    #[error(transparent)]
    Compose(#[from] ComposeFault),
    /// No server took it.
    #[error("No server took it: {}", .0.join("; "))]
    NoServer(Vec<String>),
}

/// Who alerts are from and go to in the mode that is in force; `None`: nobody is written to.
pub(crate) fn addresses(workspace: &Workspace) -> Option<(&Sender, Vec<CompactString>)> {
    let config = &workspace.config;
    let to = match &config.mode {
        _ if config.alerts.to.is_empty() => return None,
        Mode::Live => config.alerts.to.clone(),
        Mode::Redirect(redirect) => vec![redirect.to.clone()],
        Mode::Dry => return None,
    };
    let named = config.alerts.from.as_ref();
    let sender = config.senders.iter().find(|sender| named.is_some_and(|(id, _)| *id == sender.id));
    Some((sender.or(config.senders.first())?, to))
}

/// Mails an alert by the first server of the sender that takes it; those in `faulty` are left out.
///
/// # Errors
/// Why it did not go. A connection that broke after the final dot is none: it may well have arrived.
pub(crate) async fn send(
    workspace: &Workspace,
    mailer: &Mailer,
    faulty: &BTreeSet<String>,
    key: &str,
    alert: &Alert,
    now: Timestamp,
) -> Result<(), MailFault> {
    let Some((sender, to)) = addresses(workspace) else { return Ok(()) };
    let recipient = |address: &CompactString| Recipient { address: address.clone(), role: RecipientRole::To };
    let recipients: Vec<Recipient> = to.iter().map(recipient).collect();
    let date = now.to_zoned(workspace.config.time_zone.zone().clone());
    let subject = format!("[Dunlin {}] {}", workspace.config.instance, alert.title);
    let mail = PlainMail { key, sender, recipients: &recipients, subject: &subject, text: &alert.detail, date: &date };
    let mut composed = plain_mail(&mail)?;
    if let Mode::Redirect { .. } = workspace.config.mode {
        let meant: Vec<Recipient> = workspace.config.alerts.to.iter().map(recipient).collect();
        composed.bytes = with_original_recipients(&meant, composed.bytes);
    }
    let outgoing = outgoing(composed);
    let mut faults = Vec::new();
    for server in &sender.servers {
        let Some(transport) = mailer.transports.iter().find(|transport| transport.server() == server) else { continue };
        if faulty.contains(server.as_str()) {
            faults.push(format!("{server} takes nothing from us"));
            continue;
        }
        let gate = OpenGate::default();
        let signed = mailer.signing.signed(&sender.id, server, outgoing.clone());
        let outcome = match tokio::time::timeout(ATTEMPT_TIMEOUT, transport.attempt(&signed, &gate)).await {
            Ok(Attempt { outcome: Outcome::Accepted | Outcome::Unknown, .. }) => return Ok(()),
            Ok(Attempt { reply: Some(reply), .. }) => format!("{} {}", reply.code, reply.text),
            Ok(Attempt { fault, stage, .. }) => fault.unwrap_or_else(|| stage.as_str().to_owned()),
            // Its content may have left: it is not sent again by the next one.
            Err(_) if gate.is_passed() => return Ok(()),
            Err(_) => format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs()),
        };
        faults.push(format!("{server}: {outcome}"));
    }
    Err(MailFault::NoServer(faults))
}

/// A gate that lets everything through and knows that it did. That an alert went is written down after it: told twice is better than
/// never.
#[derive(Debug, Default)]
struct OpenGate(AtomicBool);

impl OpenGate {
    fn is_passed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Gate for OpenGate {
    fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>> {
        self.0.store(true, Ordering::SeqCst);
        Box::pin(async { Ok(()) })
    }
}
