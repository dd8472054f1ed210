//! The daemon's door: acts come in over the socket beside the database, and answers go back.
//!
//! Faces use it from both sides: the daemon opens it, a command knocks. What is asked is performed in `engine::act`.

use std::path::Path;
use std::time::Duration;

use crate::control::{ControlError, Listener, Responder, ask, socket_path};
use crate::engine::act::{Act, Answer, person};

pub use crate::control::ControlError as DoorFault;

/// How long a command waits for the daemon to perform an act: a run over a million invoices is decided in that time.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Where acts come in; closed when it is dropped.
#[derive(Debug)]
pub struct Door(Listener);

/// An act that somebody asks for.
#[derive(Debug)]
pub struct Asked {
    /// What.
    pub act: Act,
    /// Who, as it is to be recorded.
    pub person: String,
    responder: Responder,
}

impl Door {
    /// Opens the door of a database. Whoever does so holds the database's lock.
    ///
    /// # Errors
    /// Another daemon is there, or the system refuses.
    pub fn open(database: &Path) -> Result<Self, DoorFault> {
        Ok(Self(Listener::bind(&socket_path(database))?))
    }

    /// Returns the next act that is asked for; what is no act is turned down here. May be cancelled without losing one.
    pub async fn next(&mut self) -> Asked {
        loop {
            let (request, responder) = self.0.accept().await;
            match serde_json::from_value(request.body) {
                Ok(act) => return Asked { act, person: request.person, responder },
                Err(error) => {
                    let message = format!("The daemon does not know what was asked: {error}");
                    let hint = Some("command and daemon are of different releases; restart the daemon".to_owned());
                    // In a task, so that a caller that does not take its answer holds up nobody.
                    tokio::spawn(respond(responder, Answer::Failed { message, hint }));
                }
            }
        }
    }
}

impl Asked {
    /// Answers. A caller that has gone away misses the answer; what was done stays done.
    pub async fn answer(self, answer: Answer) {
        respond(self.responder, answer).await;
    }
}

async fn respond(responder: Responder, answer: Answer) {
    let answer = serde_json::to_value(answer).expect("maps with text keys, lists, texts and numbers");
    if let Err(error) = responder.answer(&answer).await {
        tracing::warn!(%error, "An answer did not reach the command that had asked");
    }
}

/// Asks the daemon of a database to perform an act; `None` where no daemon runs.
///
/// # Errors
/// The daemon did not answer: whether it did what was asked is not known then.
pub async fn knock(database: &Path, act: &Act, patience: Duration) -> Result<Option<Answer>, DoorFault> {
    let path = socket_path(database);
    let body = serde_json::to_value(act).expect("maps with text keys, lists, texts and numbers");
    match ask(&path, &person(), &body, patience).await {
        Ok(answer) => {
            let text = answer.to_string();
            let garbled = || ControlError::Garbled { path, text: text.chars().take(60).collect() };
            serde_json::from_value(answer).map(Some).map_err(|_| garbled())
        }
        Err(fault) if fault.is_unheard() => Ok(None),
        Err(fault) => Err(fault),
    }
}
