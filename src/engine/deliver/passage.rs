//! The moment after which a mail may have left: one flag a mail, which the gate and a stop both want to set.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::engine::deliver::Recheck;
use crate::port::{Clock, Gate, GateClosed, Pending};
use crate::store::{Store, StoreError};

/// Where one mail stands at its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// The gate has not been asked: nothing has left, and a stop may end the attempt.
    Before,
    /// A stop came first; the gate stays shut.
    Stopped,
    /// The gate was asked first: the attempt must be waited for.
    Through,
    /// The message was no longer queued when the gate was asked (withdrawn meanwhile): nothing has left.
    Gone,
    /// The database was locked when the gate was asked, or the message must be planned again first: nothing has left, and it
    /// may be tried again.
    Busy,
    /// The attempt ended before the gate; its result is being stored.
    Ended,
}

/// The flag, safe between the attempt's thread and the one that stops it.
#[derive(Debug, Default)]
pub(crate) struct PassageFlag(AtomicU8);

impl PassageFlag {
    pub(crate) fn get(&self) -> Passage {
        match self.0.load(Ordering::SeqCst) {
            0 => Passage::Before,
            1 => Passage::Stopped,
            2 => Passage::Through,
            3 => Passage::Gone,
            4 => Passage::Busy,
            _ => Passage::Ended,
        }
    }

    /// Moves on from `Before`, and returns whether that was where it stood.
    pub(crate) fn leave_before(&self, to: Passage) -> bool {
        self.0.compare_exchange(0, to as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn set(&self, to: Passage) {
        self.0.store(to as u8, Ordering::SeqCst);
    }
}

/// The permission for the final dot of one message, given once `sending` is on disk.
pub(crate) struct StoreGate<'s> {
    pub(crate) store: &'s Store,
    pub(crate) clock: &'s dyn Clock,
    pub(crate) recheck: &'s dyn Recheck,
    pub(crate) passage: &'s PassageFlag,
    pub(crate) id: i64,
}

impl Gate for StoreGate<'_> {
    fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>> {
        Box::pin(async {
            if !self.passage.leave_before(Passage::Through) {
                return Err(GateClosed("sending is being stopped".to_owned()));
            }
            let now = self.clock.now();
            // It may have waited long for its turn at the server.
            if self.recheck.is_due(now) {
                self.passage.set(Passage::Busy);
                return Err(GateClosed("what it was planned on is too old by now".to_owned()));
            }
            match self.store.record_sending(self.id, now).await {
                Ok(()) => Ok(()),
                Err(StoreError::NotQueued { .. }) => {
                    self.passage.set(Passage::Gone);
                    Err(GateClosed("the message was withdrawn meanwhile".to_owned()))
                }
                Err(StoreError::Busy) => {
                    self.passage.set(Passage::Busy);
                    Err(GateClosed(StoreError::Busy.to_string()))
                }
                Err(error) => Err(GateClosed(error.to_string())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_first_decides() {
        for (first, second) in [(Passage::Through, Passage::Stopped), (Passage::Stopped, Passage::Through)] {
            let flag = PassageFlag::default();
            assert_eq!(flag.get(), Passage::Before);
            assert!(flag.leave_before(first));
            assert!(!flag.leave_before(second));
            assert_eq!(flag.get(), first);
        }
    }
}
