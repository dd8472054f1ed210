//! Who may use a connection of a server, and who comes next: so many seats, and one line in front of them.
//!
//! Whoever has a seat may call the next in the line before its own message has ended, so that the envelope of that one
//! can travel with the final dot, and then hands its connection on together with the seat. A seat is never lost: dropped,
//! wherever that is, it goes to the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::port::Outgoing;
use crate::smtp::deliver::Next;
use crate::smtp::session::Session;

/// The seats of one server and the line in front of them.
pub(crate) struct Line {
    state: Mutex<LineState>,
}

struct LineState {
    free: usize,
    waiting: VecDeque<Waiter>,
}

/// Somebody in the line, with the message that is to be sent.
struct Waiter {
    outgoing: Outgoing,
    call: oneshot::Sender<Call>,
}

/// What comes to the one whose turn it is.
pub(crate) struct Call {
    /// The seat.
    pub(crate) seat: Seat,
    /// A connection handed on with it.
    pub(crate) session: Option<Session>,
}

/// The right to use one connection.
pub(crate) struct Seat {
    line: Arc<Line>,
    /// Who was called to come next.
    next: Option<Waiter>,
    /// The connection that goes to whoever was called.
    session: Option<Session>,
}

impl Line {
    pub(crate) fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(LineState { free: seats, waiting: VecDeque::new() }) })
    }

    /// Waits for a seat, in order. Dropped while it waits, it leaves the line.
    pub(crate) async fn enter(self: &Arc<Self>, outgoing: &Outgoing) -> Call {
        let called = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Call { seat: self.seat(), session: None };
            }
            let (call, called) = oneshot::channel();
            state.waiting.push_back(Waiter { outgoing: outgoing.clone(), call });
            called
        };
        called.await.expect("a waiter is dropped only once it has been called")
    }

    /// Gives a seat to `next`, else to the first in the line, else back.
    fn pass(self: &Arc<Self>, next: Option<Waiter>, session: Option<Session>) {
        let waiter = match next {
            Some(next) => next,
            None => {
                let mut state = self.lock();
                match state.waiting.pop_front() {
                    Some(first) => first,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            }
        };
        // One who has left meanwhile drops the call, and with it the seat, which comes back here.
        drop(waiter.call.send(Call { seat: self.seat(), session }));
    }

    fn seat(self: &Arc<Self>) -> Seat {
        Seat { line: Arc::clone(self), next: None, session: None }
    }

    fn lock(&self) -> MutexGuard<'_, LineState> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Hands the seat on to the one who was called to come next, and the connection with it.
    pub(crate) fn hand_on(mut self, session: Session) {
        self.session = Some(session);
    }
}

impl Next for Seat {
    fn next(&mut self) -> Option<&Outgoing> {
        if self.next.is_none() {
            let mut state = self.line.lock();
            // Whoever has left the line must not take an envelope along.
            while let Some(first) = state.waiting.pop_front() {
                if !first.call.is_closed() {
                    self.next = Some(first);
                    break;
                }
            }
        }
        self.next.as_ref().map(|next| &next.outgoing)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.line.pass(self.next.take(), self.session.take());
    }
}
