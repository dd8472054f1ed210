//! The transport for one server: so many connections at once, kept for the next message while they are clean.
//!
//! A connection belongs to one attempt at a time, by value: when the attempt's future is dropped, so is the
//! connection. Only one that is known to be clean is ever kept; any other is closed.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::domain::date::Timestamp;
use crate::domain::id::ServerId;
use crate::outbox::attempt::Attempt;
use crate::port::{Clock, Gate, Outgoing, Pending, Transport};
use crate::smtp::session::{Condition, Ending, Session};
use crate::smtp::settings::{CONNECTIONS_MAX, Security, ServerSettings};
use crate::smtp::throttle::Throttle;
use crate::smtp::tls::{TlsFault, TlsSetup};

/// Sends messages through one SMTP server.
pub struct SmtpTransport {
    settings: Arc<ServerSettings>,
    tls: Option<TlsSetup>,
    clock: Arc<dyn Clock>,
    throttle: Throttle,
    places: Semaphore,
    idle: Arc<IdleConnections>,
}

impl SmtpTransport {
    /// Returns a transport for the server of `settings`; connects to nothing yet.
    ///
    /// `recent` are the times of the last attempts through this server, in any order, so that its rates hold across
    /// a restart.
    ///
    /// # Errors
    /// [`TlsFault`]: an unreadable CA file, a host that no certificate can name.
    pub fn new(settings: ServerSettings, recent: Vec<Timestamp>, clock: Arc<dyn Clock>) -> Result<Self, TlsFault> {
        let tls = match settings.security {
            Security::None => None,
            Security::Implicit | Security::StartTls | Security::Opportunistic => Some(TlsSetup::new(&settings)?),
        };
        Ok(Self {
            throttle: Throttle::new(settings.rates.clone(), recent, clock.now()),
            places: Semaphore::new(settings.connections.clamp(1, CONNECTIONS_MAX)),
            idle: Arc::new(IdleConnections { idle_max: settings.reuse.idle, state: Mutex::default() }),
            settings: Arc::new(settings),
            tls,
            clock,
        })
    }

    async fn attempt(&self, outgoing: &Outgoing, gate: &dyn Gate) -> Attempt {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        self.throttle.wait().await;
        let (started_at, began) = (self.clock.now(), Instant::now());
        let Ending { stage, outcome, reply, fault, recipients_refused } = self.send(outgoing, gate).await;
        let server = self.settings.id.clone();
        let duration = began.elapsed();
        tracing::debug!(server_id = %server, stage = stage.as_str(), outcome = outcome.as_str(), ?duration, "An attempt ended");
        Attempt { server, started_at, duration, stage, outcome, reply, fault, recipients_refused }
    }

    async fn send(&self, outgoing: &Outgoing, gate: &dyn Gate) -> Ending {
        while let Some(mut session) = self.idle.take() {
            if !session.is_reusable().await {
                retire(session);
                continue;
            }
            let ending = session.deliver(outgoing, gate).await;
            if session.condition == Condition::Spent && !session.is_mail_answered {
                // The server had closed it meanwhile, and has seen nothing of the message: a new one costs nothing.
                break;
            }
            self.settle(session).await;
            return ending;
        }
        match Session::open(&self.settings, self.tls.as_ref()).await {
            Ok(mut session) => {
                let ending = session.deliver(outgoing, gate).await;
                self.settle(session).await;
                ending
            }
            Err(ending) => ending,
        }
    }

    async fn settle(&self, mut session: Session) {
        if session.is_reusable().await {
            self.idle.keep(session);
        } else {
            retire(session);
        }
    }
}

impl Transport for SmtpTransport {
    fn server(&self) -> &ServerId {
        &self.settings.id
    }

    fn concurrency(&self) -> usize {
        self.settings.connections.clamp(1, CONNECTIONS_MAX)
    }

    fn attempt<'a>(&'a self, outgoing: &'a Outgoing, gate: &'a dyn Gate) -> Pending<'a, Attempt> {
        Box::pin(self.attempt(outgoing, gate))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            let mut farewells = tokio::task::JoinSet::new();
            while let Some(session) = self.idle.take() {
                farewells.spawn(session.quit());
            }
            farewells.join_all().await;
        })
    }
}

/// Closes a connection that takes no more messages; the goodbye of a clean one holds no attempt up.
fn retire(session: Session) {
    if session.condition == Condition::Clean {
        tokio::spawn(session.quit());
    }
}

/// Clean connections that wait for a message.
struct IdleConnections {
    idle_max: Duration,
    state: Mutex<IdleState>,
}

#[derive(Default)]
struct IdleState {
    /// The longest idle first.
    sessions: Vec<(Session, Instant)>,
    is_watched: bool,
}

impl IdleConnections {
    /// Takes the connection used last, which is the likeliest to be still open.
    fn take(&self) -> Option<Session> {
        self.lock().sessions.pop().map(|(session, _)| session)
    }

    /// Keeps `session` for `idle_max`; one task watches over all that are kept, while any are.
    fn keep(self: &Arc<Self>, session: Session) {
        let mut state = self.lock();
        state.sessions.push((session, Instant::now() + self.idle_max));
        if !std::mem::replace(&mut state.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, IdleState> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes out what has been idle too long; returns when to look again, or `None` where nothing is left.
    fn expired(&self, now: Instant) -> (Vec<Session>, Option<Instant>) {
        let mut state = self.lock();
        let first_alive = state.sessions.iter().position(|(_, until)| *until > now).unwrap_or(state.sessions.len());
        let expired = state.sessions.drain(..first_alive).map(|(session, _)| session).collect();
        let next = state.sessions.first().map(|(_, until)| *until);
        state.is_watched = next.is_some();
        (expired, next)
    }
}

/// Closes connections as they have been idle too long; ends with the last of them, or with the transport.
async fn watch(idle: Weak<IdleConnections>) {
    loop {
        let Some(connections) = idle.upgrade() else { return };
        let (expired, next) = connections.expired(Instant::now());
        drop(connections);
        for session in expired {
            tokio::spawn(session.quit());
        }
        match next {
            Some(next) => sleep_until(next).await,
            None => return,
        }
    }
}
