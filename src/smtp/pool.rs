//! The transport for one server: so many connections at once, kept for the next message while they are clean.
//!
//! A connection belongs to one attempt at a time, by value: when the attempt's future is dropped, so is the
//! connection. Only one that is known to be clean is ever kept; one that is ahead goes to the attempt whose envelope it
//! carries; any other is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::domain::id::ServerId;
use crate::outbox::attempt::Attempt;
use crate::port::{Clock, Gate, Outgoing, Pending, Transport};
use crate::smtp::deliver::{Next, is_out_of_step};
use crate::smtp::line::{Call, Line, Seat};
use crate::smtp::session::{Condition, Ending, Session};
use crate::smtp::settings::{CONNECTIONS_MAX, Proof, ServerSettings};
use crate::smtp::tls::{TlsFault, TlsSetup};
use crate::smtp::witness::Unwatched;

/// Sends messages through one SMTP server.
pub struct SmtpTransport {
    settings: Arc<ServerSettings>,
    tls: Option<TlsSetup>,
    clock: Arc<dyn Clock>,
    line: Arc<Line>,
    idle: Arc<IdleConnections>,
    /// Whether the server has lost its place when the next envelope came with a final dot: it gets no more of them.
    is_out_of_step: AtomicBool,
}

impl SmtpTransport {
    /// Returns a transport for the server of `settings`; connects to nothing yet.
    ///
    /// # Errors
    /// [`TlsFault`]: an unreadable CA file, a host that no certificate can name.
    pub fn new(settings: ServerSettings, clock: Arc<dyn Clock>) -> Result<Self, TlsFault> {
        let tls = TlsSetup::of(&settings)?;
        Ok(Self {
            line: Line::new(connections(&settings)),
            idle: Arc::new(IdleConnections { idle_max: settings.reuse.idle, state: Mutex::default() }),
            is_out_of_step: AtomicBool::new(false),
            settings: Arc::new(settings),
            tls,
            clock,
        })
    }

    async fn attempt(&self, outgoing: &Outgoing, gate: &dyn Gate) -> Attempt {
        let call = self.line.enter(outgoing).await;
        let (started_at, began) = (self.clock.now(), Instant::now());
        let Ending { stage, outcome, reply, fault, recipients_refused } = self.send(call, outgoing, gate).await;
        let server = self.settings.id.clone();
        let duration = began.elapsed();
        tracing::debug!(server_id = %server, stage = stage.as_str(), outcome = outcome.as_str(), ?duration, "An attempt ended");
        Attempt { server, started_at, duration, stage, outcome, reply, fault, recipients_refused }
    }

    async fn send(&self, call: Call, outgoing: &Outgoing, gate: &dyn Gate) -> Ending {
        let Call { mut seat, session: mut given } = call;
        while let Some(mut session) = given.take().or_else(|| self.idle.take()) {
            let is_ahead = session.condition == Condition::Ahead;
            if !is_ahead && !session.is_reusable().await {
                retire(session);
                continue;
            }
            let ending = self.deliver(&mut session, outgoing, gate, &mut seat).await;
            if session.condition == Condition::Spent && !session.is_mail_answered {
                // The server had closed it meanwhile, and has seen nothing of the message: a new one costs nothing.
                if is_ahead && ending.reply.as_ref().is_none_or(is_out_of_step) {
                    self.send_one_thing_at_a_time(&ending);
                }
                break;
            }
            self.settle(session, seat).await;
            return ending;
        }
        match Session::open(&self.settings, self.tls.as_ref(), &mut Unwatched).await {
            Ok(mut session) => {
                let ending = self.deliver(&mut session, outgoing, gate, &mut seat).await;
                self.settle(session, seat).await;
                ending
            }
            Err(ending) => ending,
        }
    }

    async fn deliver(&self, session: &mut Session, outgoing: &Outgoing, gate: &dyn Gate, seat: &mut Seat) -> Ending {
        let next: &mut dyn Next = if self.is_out_of_step.load(Ordering::Relaxed) { &mut Nobody } else { seat };
        session.deliver(outgoing, gate, next).await
    }

    /// Sends no more envelopes ahead to a server that cannot take them.
    fn send_one_thing_at_a_time(&self, ending: &Ending) {
        if !self.is_out_of_step.swap(true, Ordering::Relaxed) {
            let (server_id, reply) = (&self.settings.id, ending.reply.as_ref().map(|reply| reply.code));
            tracing::warn!(%server_id, reply, fault = ending.fault, "The server does not take an envelope with the final dot before it");
        }
    }

    /// Keeps a connection, hands it on, or closes it.
    async fn settle(&self, mut session: Session, seat: Seat) {
        if session.condition == Condition::Ahead {
            seat.hand_on(session);
        } else if session.is_reusable().await {
            // Before the seat goes to the next, who looks for it.
            self.idle.keep(session);
        } else {
            retire(session);
        }
    }
}

/// Nobody comes next.
pub(crate) struct Nobody;

impl Next for Nobody {
    fn next(&mut self) -> Option<&Outgoing> {
        None
    }
}

impl Transport for SmtpTransport {
    fn server(&self) -> &ServerId {
        &self.settings.id
    }

    fn concurrency_at_first(&self) -> usize {
        connections(&self.settings)
    }

    /// For each connection one message on it, one in the line, whose envelope can go ahead, and one whose result is on
    /// its way to the disk.
    fn concurrency(&self) -> usize {
        3 * connections(&self.settings)
    }

    fn attempt<'a>(&'a self, outgoing: &'a Outgoing, gate: &'a dyn Gate) -> Pending<'a, Attempt> {
        Box::pin(self.attempt(outgoing, gate))
    }

    fn concern(&self) -> Option<String> {
        match &self.settings.auth.as_ref()?.proof {
            Proof::Token(source) => source.concern(),
            Proof::Password(_) => None,
        }
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

/// Returns how many connections may be open at once.
fn connections(settings: &ServerSettings) -> usize {
    settings.connections.clamp(1, CONNECTIONS_MAX)
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
