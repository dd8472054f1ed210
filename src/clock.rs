//! The system's clock: the only place that reads it.

use crate::domain::date::Timestamp;
use crate::port::Clock;

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
