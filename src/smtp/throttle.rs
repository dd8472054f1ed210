//! Waits until a server's rates allow the next message. The arithmetic is in [`crate::smtp::rate`].

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::domain::date::Timestamp;
use crate::smtp::rate::{Rate, SendLog};

/// Lets messages through at a server's rates, in the order in which they asked.
#[derive(Debug)]
pub struct Throttle {
    log: Mutex<SendLog>,
    began: Instant,
    began_at: Timestamp,
}

impl Throttle {
    /// Returns a throttle for `rates` that knows of the messages sent at the times `recent` before `now`.
    ///
    /// From here on time is taken from a clock that cannot be put back.
    pub fn new(rates: Vec<Rate>, recent: Vec<Timestamp>, now: Timestamp) -> Self {
        Self { log: Mutex::new(SendLog::new(rates, recent, now)), began: Instant::now(), began_at: now }
    }

    /// Returns when one message may leave, and counts it. Dropped while it waits, it counts nothing.
    pub async fn wait(&self) {
        // The first in the line waits with the lock, and the others wait for the lock, which is handed on in order.
        let mut log = self.log.lock().await;
        loop {
            let now = self.began_at.checked_add(self.began.elapsed()).unwrap_or(Timestamp::MAX);
            let wait = log.next_at(now).duration_since(now);
            if wait.is_zero() {
                return log.record(now);
            }
            sleep(wait.unsigned_abs()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn throttle(rate: &str, recent: &[i64]) -> Throttle {
        let recent = recent.iter().map(|second| Timestamp::from_second(*second).unwrap()).collect();
        Throttle::new(vec![Rate::parse(rate).unwrap()], recent, Timestamp::from_second(1_000).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_message_waits_for_its_window() {
        let (throttle, began) = (throttle("2/min", &[990]), Instant::now());
        let mut left = vec![];
        for _ in 0..4 {
            throttle.wait().await;
            left.push(began.elapsed().as_secs());
        }
        assert_eq!(left, [0, 50, 60, 110]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_leaves_the_line_takes_no_place() {
        let (throttle, began) = (throttle("1/min", &[1_000]), Instant::now());
        let gone = tokio::time::timeout(Duration::from_secs(30), throttle.wait()).await;
        assert!(gone.is_err());
        throttle.wait().await;
        assert_eq!(began.elapsed().as_secs(), 60);
    }
}
