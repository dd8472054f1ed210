//! What becomes of firings that are past: the decision for each, made once, from its age and its rule's policy.
//!
//! Pure: the firings and the present instant are arguments. The daemon stores and acts on what is decided here.

use std::time::Duration;

use crate::domain::date::Timestamp;
use crate::schedule::Firing;

/// How late a firing still counts as on time: a daemon that was busy or restarted for so long missed nothing.
pub const ON_TIME: Duration = Duration::from_secs(5 * 60);
/// How old a missed run may be to be made up for where its rule does not say: 7 days.
pub const MISSED_WITHIN: Duration = Duration::from_secs(7 * 86_400);

/// What becomes of runs that fell due while the daemon was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last of them is made up for, once.
    #[default]
    Latest,
    /// Each is made up for, in order.
    All,
}

impl Missed {
    /// The words a rule may use, in the order of the documentation.
    pub const WORDS: [&str; 3] = ["skip", "latest", "all"];

    /// Returns the word a rule uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }

    /// Reads one of [`Missed::WORDS`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "skip" => Some(Self::Skip),
            "latest" => Some(Self::Latest),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// Why a firing has no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedReason {
    /// The rule leaves missed runs out.
    Skip,
    /// A later firing of the rule is made up for instead.
    Superseded,
    /// It is older than the rule's age limit.
    TooOld,
}

impl MissedReason {
    /// Returns the word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Superseded => "superseded",
            Self::TooOld => "too_old",
        }
    }
}

/// What is to become of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs now.
    Run,
    /// It is left out, with this reason on record.
    Missed(MissedReason),
}

/// Whether the rule has further firings that are past, beyond those at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// The last one at hand is the last one past.
    None,
    /// There are more, so not even the last one at hand is the latest.
    More,
}

/// Decides about the firings of one rule that are past at `now`, given in order of time.
///
/// A firing not older than [`ON_TIME`] runs, except that of several past ones `latest` runs the last alone. An older one is
/// missed: too old where it is older than `within` (`None`: no limit), otherwise as `policy` says.
pub fn fates(
    firings: Vec<Firing>,
    later: Later,
    policy: Missed,
    within: Option<Duration>,
    now: Timestamp,
) -> Vec<(Firing, Fate)> {
    let count = firings.len();
    let decide = |(place, firing): (usize, Firing)| {
        let age = Duration::try_from(now.duration_since(firing.at.timestamp())).unwrap_or_default();
        let is_last = place + 1 == count && later == Later::None;
        let is_on_time = age <= ON_TIME;
        let fate = match policy {
            Missed::Skip if !is_on_time => Fate::Missed(MissedReason::Skip),
            _ if !is_on_time && within.is_some_and(|within| age > within) => Fate::Missed(MissedReason::TooOld),
            Missed::Latest if !is_last => Fate::Missed(MissedReason::Superseded),
            Missed::Skip | Missed::Latest | Missed::All => Fate::Run,
        };
        (firing, fate)
    };
    firings.into_iter().enumerate().map(decide).collect()
}

#[cfg(test)]
mod tests;
