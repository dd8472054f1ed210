//! What the tests share: a message, a gate, settings, and a running loopback server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dunlin::domain::date::Timestamp;
use dunlin::domain::id::ServerId;
use dunlin::domain::mailbox::{Recipient, RecipientRole};
use dunlin::outbox::attempt::{Outcome, Reply, Stage};
use dunlin::port::{Clock, Gate, GateClosed, Outgoing, Pending, Transport as _};
use dunlin::smtp::loopback::{self, LoopbackSettings, Received};
use dunlin::smtp::pool::SmtpTransport;
use dunlin::smtp::settings::{Deadlines, Security, ServerSettings};
use tokio::sync::{mpsc, oneshot};

/// Noon on a leap day, for ever.
pub struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2028-02-29T12:00:00Z".parse().unwrap()
    }
}

/// A gate that opens or not, and counts how often it was asked.
pub struct Door {
    pub answer: Result<(), GateClosed>,
    pub asked: AtomicUsize,
}

impl Door {
    pub fn open() -> Self {
        Self { answer: Ok(()), asked: AtomicUsize::new(0) }
    }

    pub fn closed() -> Self {
        Self { answer: Err(GateClosed("disk full".to_owned())), asked: AtomicUsize::new(0) }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Gate for Door {
    fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.answer.clone()))
    }
}

pub const BYTES: &[u8] = b"Subject: Reminder\r\n\r\n.Please pay\r\n.\r\n";

/// A message to `one@customer.example`, and those given besides.
pub fn message(others: &[(&str, RecipientRole)]) -> Outgoing {
    let first = [("one@customer.example", RecipientRole::To)];
    let recipients = first.iter().chain(others).map(|(address, role)| Recipient { address: (*address).into(), role: *role });
    Outgoing {
        envelope_from: "ar@acme.example".into(),
        recipients: recipients.collect(),
        signatures: vec![],
        bytes: BYTES.into(),
    }
}

/// Settings for a server on this machine, in plain text, with no time to lose.
pub fn settings(port: u16) -> ServerSettings {
    ServerSettings {
        security: Security::None,
        deadlines: Deadlines::all(Duration::from_secs(5)),
        ..ServerSettings::new(ServerId::new("primary"), "127.0.0.1", port)
    }
}

pub fn transport(settings: ServerSettings) -> SmtpTransport {
    SmtpTransport::new(settings, Arc::new(Noon)).unwrap()
}

pub fn reply(code: u16, enhanced: Option<(u8, u16, u16)>, text: &str) -> Reply {
    Reply { code, enhanced, text: text.to_owned() }
}

/// What the tests look at in an attempt; a fault by its beginning.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub stage: Stage,
    pub outcome: Outcome,
    pub code: Option<u16>,
    pub fault: String,
}

/// Makes one attempt, and returns what the tests look at.
pub async fn attempt(transport: &SmtpTransport, message: &Outgoing, gate: &Door) -> Seen {
    let made = transport.attempt(message, gate).await;
    Seen {
        stage: made.stage,
        outcome: made.outcome,
        code: made.reply.map(|reply| reply.code),
        fault: made.fault.unwrap_or_default(),
    }
}

/// A loopback server and what it took.
pub struct House {
    pub port: u16,
    pub received: mpsc::UnboundedReceiver<Received>,
    _stop: oneshot::Sender<()>,
}

impl House {
    pub async fn start(change: impl FnOnce(&mut LoopbackSettings)) -> Self {
        let (tell, received) = mpsc::unbounded_channel();
        let mut settings = LoopbackSettings::new(move |message| tell.send(message).unwrap_or_default());
        change(&mut settings);
        let listener = loopback::bind().await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        // A sender that is dropped stops the server as well.
        tokio::spawn(loopback::serve(listener, settings, async move { drop(stopped.await) }));
        Self { port, received, _stop: stop }
    }

    pub async fn next(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }
}
