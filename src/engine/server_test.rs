//! Trying the servers of config.yaml without a run: connect, TLS, sign in, and a mail of a sender to itself if wanted.
//!
//! It speaks the transport's own dialogue and leaves nothing in the outbox. No secret is in what it tells.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::config::SystemSecrets;
use crate::domain::date::Timestamp;
use crate::domain::id::ServerId;
use crate::domain::mailbox::Sender;
use crate::engine::compose;
use crate::engine::workspace::Workspace;
use crate::message::test_mail;
use crate::outbox::attempt::{Outcome, Reply};
use crate::outbox::diagnosis::{Diagnosis, diagnose};
use crate::port::{Clock, Outgoing};
use crate::smtp::certificate::Certificate;
use crate::smtp::probe::{ProbeEnd, Probed, probe};
use crate::smtp::witness::Seen;

/// How close the end of a certificate may be before that is said.
pub const CERTIFICATE_DAYS_LEFT: i64 = 14;

/// What trying one server showed.
#[derive(Clone, Debug, Serialize)]
pub struct ServerTest {
    /// The server's key in config.yaml.
    pub server: String,
    /// `host:port`.
    pub endpoint: String,
    /// Config.yaml's word for how the connection is protected.
    pub security: &'static str,
    /// The profile a mail was sent from, and to.
    pub sender: Option<String>,
    /// Whether everything that was tried worked.
    pub is_ok: bool,
    /// What was done, in order; the last is the one that failed, if one did.
    pub steps: Vec<TestStep>,
    /// What the failure means, where that is known.
    pub diagnosis: Option<Diagnosis>,
}

/// One step of a test.
#[derive(Clone, Debug, Serialize)]
pub struct TestStep {
    /// Which one.
    pub step: &'static str,
    /// Whether it worked.
    pub is_ok: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was learned, or what went wrong.
    pub words: String,
    /// The certificate that the server showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateView>,
    /// The lines of the reply to EHLO.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateView {
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// What it is good for.
    pub names: Vec<String>,
    /// The first moment it is good for.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
    /// Whole days until then; below zero where it is over.
    pub days_left: i64,
}

impl CertificateView {
    fn new(certificate: Certificate, now: Timestamp) -> Self {
        let Certificate { subject, issuer, names, not_before, not_after } = certificate;
        let days_left = not_after.duration_since(now).as_secs().div_euclid(86_400);
        Self { subject, issuer, names, not_before, not_after, days_left }
    }
}

/// Tries the server `id` of the workspace; hands it a mail of `sender` to itself, if one is given.
///
/// `None` where there is no such server.
pub async fn test_server(
    workspace: &Workspace,
    id: &ServerId,
    sender: Option<&Sender>,
    clock: &Arc<dyn Clock>,
) -> Option<ServerTest> {
    let now = clock.now();
    let server = workspace.config.servers.iter().find(|server| server.id == *id)?;
    let mut test = ServerTest {
        server: id.to_string(),
        endpoint: format!("{}:{}", server.host, server.port),
        security: server.security.as_str(),
        sender: sender.map(|sender| sender.id.to_string()),
        is_ok: false,
        steps: Vec::new(),
        diagnosis: None,
    };
    let settings = match server.settings(&workspace.root, &SystemSecrets, clock) {
        Ok(settings) => settings,
        Err(problem) => {
            test.steps.push(TestStep::failed("config", Duration::ZERO, problem.to_string()));
            return Some(test);
        }
    };
    let mail = match sender.map(|sender| outgoing(workspace, sender, id, now)).transpose() {
        Ok(mail) => mail,
        Err(fault) => {
            test.steps.push(TestStep::failed("mail", Duration::ZERO, fault));
            return Some(test);
        }
    };
    match probe(settings, mail.as_ref()).await {
        Err(fault) => test.steps.push(TestStep::failed("tls", Duration::ZERO, fault.to_string())),
        Ok(probed) => test.take(probed, now),
    }
    Some(test)
}

fn outgoing(workspace: &Workspace, sender: &Sender, server: &ServerId, now: Timestamp) -> Result<Outgoing, String> {
    let local = now.to_zoned(workspace.config.time_zone.zone().clone());
    let composed = test_mail(sender, server, &local).map_err(|fault| fault.to_string())?;
    // As any mail of the sender: whoever looks at what arrived sees whether the signature is good.
    let signing = workspace.signing().map_err(|fault| fault.to_string())?;
    Ok(signing.signed(&sender.id, server, compose::outgoing(composed)))
}

impl ServerTest {
    fn take(&mut self, probed: Probed, now: Timestamp) {
        let Probed { sights, end, last_took } = probed;
        for (seen, took) in sights {
            self.steps.extend(TestStep::of(seen, took, now));
        }
        match end {
            ProbeEnd::Ready => self.is_ok = true,
            ProbeEnd::Taken(reply) => {
                self.is_ok = true;
                self.steps.push(TestStep::done("mail", last_took, reply_words(&reply)));
            }
            ProbeEnd::Failed { stage, outcome, reply, fault } => {
                let enhanced = reply.as_ref().and_then(|reply| reply.enhanced);
                let enhanced = enhanced.map(|(class, subject, detail)| format!("{class}.{subject}.{detail}"));
                let text = reply.as_ref().map(|reply| reply.text.as_str()).or(fault.as_deref()).unwrap_or_default();
                self.diagnosis = diagnose(Some(stage), reply.as_ref().map(|reply| reply.code), enhanced.as_deref(), text);
                let words = match (&reply, &fault) {
                    (_, Some(fault)) => fault.clone(),
                    (Some(reply), None) => format!("The server said {}", reply_words(reply)),
                    (None, None) => outcome.as_str().to_owned(),
                };
                // A mail that may have arrived is not told as one that did not.
                let words = if outcome == Outcome::Unknown { format!("{words}; the mail may have arrived") } else { words };
                self.steps.push(TestStep::failed(stage.as_str(), last_took, words));
            }
        }
    }
}

impl TestStep {
    fn done(step: &'static str, took: Duration, words: String) -> Self {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { step, is_ok: true, took_ms, words, certificate: None, extensions: Vec::new() }
    }

    fn failed(step: &'static str, took: Duration, words: String) -> Self {
        Self { is_ok: false, ..Self::done(step, took, words) }
    }

    /// Returns the step behind what was seen; `None` for a certificate that cannot be read, which nothing can be told of.
    fn of(seen: Seen, took: Duration, now: Timestamp) -> Option<Self> {
        Some(match seen {
            Seen::Addresses(addresses) => {
                let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                Self::done("dns", took, all.join(", "))
            }
            Seen::Connected(peer) => Self::done("connect", took, peer.to_string()),
            Seen::Certificate(der) => {
                let certificate = CertificateView::new(Certificate::read(&der)?, now);
                let words = format!(
                    "for {}, issued by {}, good from {} to {}",
                    some(&certificate.subject, &certificate.names.join(", ")),
                    some(&certificate.issuer, "nobody named"),
                    day(certificate.not_before),
                    day(certificate.not_after),
                );
                Self { certificate: Some(certificate), ..Self::done("certificate", took, words) }
            }
            Seen::Protected { version, cipher } => Self::done("tls", took, format!("{version}, {cipher}")),
            Seen::Greeted(text) => Self::done("greeting", took, one_line(&text)),
            Seen::Offered(extensions) => {
                let words = if extensions.is_empty() { "no extensions".to_owned() } else { extensions.join(", ") };
                Self { extensions, ..Self::done("hello", took, words) }
            }
            Seen::SignedIn(mechanism) => Self::done("auth", took, format!("signed in by {mechanism}")),
        })
    }
}

fn some<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.is_empty() { otherwise } else { text }
}

fn reply_words(reply: &Reply) -> String {
    format!("{} {}", reply.code, one_line(&reply.text))
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
