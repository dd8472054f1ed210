//! The demo's own world: the workspace's rules on its sample ledger, with a mail server on this machine that keeps
//! what it gets.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{Mode, Server};
use crate::domain::id::ServerId;
use crate::engine::workspace::Workspace;
use crate::outbox::attempt::Reply;
use crate::smtp::loopback::{LoopbackSettings, bind, serve};

pub use crate::smtp::loopback::Received;
use crate::smtp::settings::Security;

/// The name of the demo's server in attempts.
const SERVER: &str = "demo";

/// The local part of an address that the demo's server refuses, so that a refusal can be seen.
const REFUSED_LOCAL_PART: &str = "gone@";

/// A real SMTP server on a loopback port that the system chooses.
pub struct DemoServer {
    /// Its port.
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl DemoServer {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = bind().await?;
        let port = listener.local_addr()?.port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let keep = received.clone();
        let mut settings = LoopbackSettings::new(move |message| {
            keep.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        });
        settings.recipient_rule = Arc::new(|address: &str| {
            let is_refused = address.starts_with(REFUSED_LOCAL_PART);
            is_refused.then(|| Reply { code: 550, enhanced: Some((5, 1, 1)), text: "5.1.1 No such mailbox".into() })
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, settings, async {
            drop(stopped.await);
        }));
        Ok(Self { port, received, stop, served })
    }

    /// Stops it and returns what it has taken, in order.
    pub async fn stop(self) -> Vec<Received> {
        drop(self.stop);
        if let Err(error) = self.served.await {
            tracing::error!(%error, "The demo's server ended in a panic");
        }
        std::mem::take(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Turns every sender of the workspace to the demo's server, and the database into the demo's folder.
pub fn redirect(workspace: &mut Workspace, port: u16, database: String) {
    let id = ServerId::new(SERVER);
    for sender in &mut workspace.config.senders {
        sender.servers = vec![id.clone()];
    }
    workspace.config.servers = vec![Server {
        id,
        host: "127.0.0.1".into(),
        port,
        security: Security::None,
        auth: None,
        rates: Vec::new(),
        connections: 3,
        allow_plaintext: false,
        ca_file: None,
        hello_name: None,
        pipelining: true,
        size: 35_000_000,
        reuse: crate::smtp::settings::Reuse::default(),
        replaces: Vec::new(),
    }];
    // Nobody out there looks up the demo's mails.
    workspace.config.dkim = Vec::new();
    workspace.config.mode = Mode::Live;
    // The demo's own, made anew each time.
    workspace.away = None;
    workspace.config.database = database;
}
