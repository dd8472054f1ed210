//! One connection to a server, looked at step by step: what was learned, how long each step took, where it ended.
//!
//! The dialogue is the transport's own (`session`, `deliver`); nothing here speaks SMTP. What is handed over besides is
//! the caller's affair: a probe records nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::attempt::{Outcome, Reply, Stage};
use crate::port::{Gate, GateClosed, Outgoing, Pending};
use crate::smtp::pool::Nobody;
use crate::smtp::session::{Condition, Ending, Session};
use crate::smtp::settings::ServerSettings;
use crate::smtp::tls::{TlsFault, TlsSetup};
use crate::smtp::witness::{Seen, Witness};

/// What a probe found.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What was seen on the way, with the time since what was seen before.
    pub sights: Vec<(Seen, Duration)>,
    /// How it ended.
    pub end: ProbeEnd,
    /// How long the last step took, whether it failed or was the handing over of a mail.
    pub last_took: Duration,
}

/// How a probe ended.
#[derive(Clone, Debug)]
pub enum ProbeEnd {
    /// Mail could have been sent.
    Ready,
    /// The server took the mail.
    Taken(Reply),
    /// It went no further.
    Failed {
        /// Where.
        stage: Stage,
        /// What an attempt to send would have been called.
        outcome: Outcome,
        /// The reply that decided, if one did.
        reply: Option<Reply>,
        /// What went wrong where no reply tells.
        fault: Option<String>,
    },
}

/// Opens one connection, hands `mail` over if there is one, and says goodbye.
///
/// # Errors
/// [`TlsFault`]: nothing could be tried.
pub async fn probe(settings: ServerSettings, mail: Option<&Outgoing>) -> Result<Probed, TlsFault> {
    let tls = TlsSetup::of(&settings)?;
    let mut diary = Diary { sights: vec![], since: Instant::now() };
    let opened = Session::open(&Arc::new(settings), tls.as_ref(), &mut diary).await;
    let end = match (opened, mail) {
        (Err(ending), _) => ended(ending),
        (Ok(session), None) => {
            diary.since = Instant::now();
            session.quit().await;
            ProbeEnd::Ready
        }
        (Ok(mut session), Some(mail)) => {
            let ending = session.deliver(mail, &OpenGate, &mut Nobody).await;
            let end = ended(ending);
            let took = diary.since.elapsed();
            if session.condition == Condition::Clean {
                session.quit().await;
            }
            return Ok(Probed { sights: diary.sights, end, last_took: took });
        }
    };
    Ok(Probed { sights: diary.sights, end, last_took: diary.since.elapsed() })
}

fn ended(ending: Ending) -> ProbeEnd {
    let Ending { stage, outcome, reply, fault, .. } = ending;
    match (outcome, reply) {
        (Outcome::Accepted, Some(reply)) => ProbeEnd::Taken(reply),
        (_, reply) => ProbeEnd::Failed { stage, outcome, reply, fault },
    }
}

/// Writes down what it sees, and when.
struct Diary {
    sights: Vec<(Seen, Duration)>,
    since: Instant,
}

impl Witness for Diary {
    fn sees(&mut self, seen: Seen) {
        let now = Instant::now();
        self.sights.push((seen, now - self.since));
        self.since = now;
    }
}

/// The gate of a mail that is in no outbox.
struct OpenGate;

impl Gate for OpenGate {
    fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
