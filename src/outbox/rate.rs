//! How many messages may go in a time, through a server or from a sender: `60/min`. Pure: the present time is an argument.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::domain::date::Timestamp;

/// The largest number a rate may name; it bounds what a [`SendLog`] remembers.
pub const COUNT_MAX: u32 = 1_000_000;

/// The span that a rate speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// `s`
    Second,
    /// `min`
    Minute,
    /// `h`
    Hour,
    /// `day`: 24 hours.
    Day,
}

impl Window {
    /// Returns its length.
    pub fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        })
    }
}

/// At most so many messages in any window of that length, wherever it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: u32,
    window: Window,
}

/// A text that is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateFault {
    /// No `count/window`, or a window that does not exist.
    #[error("{0:?} is not a rate; write 60/min, 10/s, 1000/h or 10000/day")]
    Form(String),
    /// Zero, or beyond [`COUNT_MAX`].
    #[error("{0:?} is no usable rate; the number goes from 1 to {COUNT_MAX}")]
    Count(String),
}

impl Rate {
    /// Reads `60/min`; the windows are `s`, `min`, `h` and `day`.
    ///
    /// # Errors
    /// [`RateFault`].
    pub fn parse(text: &str) -> Result<Self, RateFault> {
        let form = || RateFault::Form(text.to_owned());
        let (count, window) = text.split_once('/').ok_or_else(form)?;
        let window = match window.trim() {
            "s" => Window::Second,
            "min" => Window::Minute,
            "h" => Window::Hour,
            "day" => Window::Day,
            _ => return Err(form()),
        };
        let digits = count.trim();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        let count = digits.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
        Ok(Self { count: count.ok_or_else(|| RateFault::Count(text.to_owned()))?, window })
    }

    /// Returns how many messages.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Returns the window in which.
    pub fn window(self) -> Window {
        self.window
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.window {
            Window::Second => "s",
            Window::Minute => "min",
            Window::Hour => "h",
            Window::Day => "day",
        };
        write!(f, "{}/{window}", self.count)
    }
}

/// When the next message may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// Then, if nothing else ends before.
    At(Timestamp),
    /// Not before one that is under way has ended.
    OnceOneEnds,
}

/// When messages went, as far back as the rates look; so that all rates hold in every window, not on average.
///
/// Nobody knows at which moment between its MAIL and the reply to its final dot a server counts a message. So one that
/// is under way counts in every window, and one that has ended counts from its end: whichever moment the server picks,
/// no window holds more than its count.
#[derive(Clone, Debug)]
pub struct SendLog {
    rates: Vec<Rate>,
    under_way: usize,
    ended: VecDeque<Timestamp>,
    ended_max: usize,
}

impl SendLog {
    /// Returns a log that holds `rates`, and knows that messages ended at the times `recent` before `now`, in any order.
    ///
    /// A time after `now` comes from a clock that was put back; it counts as `now`.
    pub fn new(rates: Vec<Rate>, mut recent: Vec<Timestamp>, now: Timestamp) -> Self {
        let ended_max = rates.iter().map(|rate| rate.count as usize).max().unwrap_or(0);
        recent.iter_mut().for_each(|at| *at = (*at).min(now));
        recent.sort_unstable();
        let ended = recent.split_off(recent.len().saturating_sub(ended_max)).into();
        Self { rates, under_way: 0, ended, ended_max }
    }

    /// Returns when the next message may begin, being asked at `now`.
    pub fn next(&self, now: Timestamp) -> Turn {
        let mut free_at = now;
        for rate in &self.rates {
            let Some(left) = (rate.count as usize).checked_sub(self.under_way).filter(|left| *left > 0) else {
                return Turn::OnceOneEnds;
            };
            if let Some(place) = self.ended.len().checked_sub(left) {
                // The last of the calendar's instants is as good as never.
                free_at = free_at.max(self.ended[place].checked_add(rate.window.length()).unwrap_or(Timestamp::MAX));
            }
        }
        if free_at <= now { Turn::Now } else { Turn::At(free_at) }
    }

    /// Records that a message begins.
    pub fn begin(&mut self) {
        self.under_way += 1;
    }

    /// Records that one that had begun ends at `at`.
    pub fn end(&mut self, at: Timestamp) {
        self.cancel();
        if self.ended_max == 0 {
            return;
        }
        if self.ended.len() == self.ended_max {
            self.ended.pop_front();
        }
        // Kept in order even if the clock is not.
        self.ended.push_back(self.ended.back().map_or(at, |last| at.max(*last)));
    }

    /// Records that one that had begun ends without the server having heard of it: it counts no more.
    pub fn cancel(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn rates(texts: &[&str]) -> Vec<Rate> {
        texts.iter().map(|text| Rate::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_rate_has_one_spelling() {
        for text in ["1/s", "60/min", "1000/h", "10000/day", "1000000/day"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Rate::parse(" 60 / min ").unwrap(), Rate { count: 60, window: Window::Minute });
        for text in ["", "60", "/min", "60/", "60/minute", "-1/s", "+1/s", "1.5/s", "x/s", "1/2/s"] {
            assert_eq!(Rate::parse(text), Err(RateFault::Form(text.to_owned())));
        }
        for text in ["0/s", "1000001/day", "99999999999999999999/s"] {
            assert_eq!(Rate::parse(text), Err(RateFault::Count(text.to_owned())));
        }
    }

    #[test]
    fn what_was_sent_before_a_restart_still_counts() {
        let log = SendLog::new(rates(&["2/min", "3/h"]), vec![at(50_000), at(0), at(40_000)], at(55_000));
        assert_eq!(log.next(at(55_000)), Turn::At(at(3_600_000)));
        let log = SendLog::new(rates(&["2/min"]), vec![at(50_000), at(0), at(40_000)], at(55_000));
        assert_eq!(log.next(at(55_000)), Turn::At(at(100_000)));
        assert_eq!(log.next(at(100_000)), Turn::Now);
    }

    #[test]
    fn a_clock_put_back_delays_one_window_at_most() {
        let log = SendLog::new(rates(&["1/min"]), vec![at(86_400_000)], at(0));
        assert_eq!(log.next(at(0)), Turn::At(at(60_000)));
    }

    #[test]
    fn what_is_under_way_counts_and_what_was_never_heard_of_does_not() {
        let mut log = SendLog::new(rates(&["2/min"]), vec![], at(0));
        log.begin();
        log.begin();
        assert_eq!(log.next(at(70_000)), Turn::OnceOneEnds);
        log.cancel();
        assert_eq!(log.next(at(70_000)), Turn::Now);
        log.begin();
        log.end(at(70_000));
        log.end(at(90_000));
        assert_eq!(log.next(at(100_000)), Turn::At(at(130_000)));
    }

    #[test]
    fn without_a_rate_nothing_waits_and_nothing_is_kept() {
        let mut log = SendLog::new(vec![], vec![at(0)], at(0));
        log.begin();
        assert_eq!(log.next(at(1)), Turn::Now);
        log.end(at(1));
        assert_eq!((log.next(at(1)), log.ended.len()), (Turn::Now, 0));
    }

    proptest! {
        /// Several at once, each as long as it likes; the server counts each at any moment between beginning and end.
        #[test]
        fn no_window_ever_holds_more_than_its_count(
            sendings in prop::collection::vec((0u64..400, 0u64..3_000, 0u64..100), 1..150), per_second in 1usize..5, per_minute in 1usize..20,
        ) {
            let mut log = SendLog::new(rates(&[&format!("{per_second}/s"), &format!("{per_minute}/min")]), vec![], at(0));
            let (mut now, mut counted) = (at(0), vec![]);
            let mut ends: std::collections::BinaryHeap<std::cmp::Reverse<Timestamp>> = Default::default();
            for (pause, length, share) in sendings {
                now += Duration::from_millis(pause);
                loop {
                    while let Some(std::cmp::Reverse(end)) = ends.peek().copied().filter(|end| end.0 <= now) {
                        ends.pop();
                        log.end(end);
                    }
                    let next_end = ends.peek().map(|end| end.0);
                    now = match (log.next(now), next_end) {
                        (Turn::Now, _) => break,
                        (Turn::At(then), Some(end)) => then.min(end),
                        (Turn::At(then), None) => then,
                        (Turn::OnceOneEnds, end) => end.expect("something is under way"),
                    };
                }
                log.begin();
                ends.push(std::cmp::Reverse(now + Duration::from_millis(length)));
                counted.push((now + Duration::from_millis(length * share / 100)).as_millisecond());
            }
            counted.sort_unstable();
            for (count, length) in [(per_second, 1_000), (per_minute, 60_000)] {
                for (index, first) in counted.iter().enumerate() {
                    let in_window = counted[index..].iter().take_while(|one| **one < first + length).count();
                    prop_assert!(in_window <= count, "{in_window} in {length} ms from {first}");
                }
            }
        }
    }
}
