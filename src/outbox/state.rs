//! The states of a message: one word each in code, SQL, commands and pages.

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It could not be composed; its reason says why. The next run tries again.
    Blocked,
    /// Composed; its run waits for a person, or composes only.
    Waiting,
    /// To be sent, now or at its next attempt.
    Queued,
    /// Recorded as about to leave: from here on a crash makes it `unknown`.
    Sending,
    /// The server answered 2yz to the final dot.
    Accepted,
    /// The server refused it for good.
    Refused,
    /// Attempts or time ran out; it never left.
    Exhausted,
    /// The connection was lost after the dot; a person decides.
    Unknown,
    /// Found no longer due just before sending, or given back to the next run by a person.
    Withdrawn,
    /// Closed by a person as not wanted.
    Cancelled,
}

impl State {
    /// Every state, in the order of a message's life.
    pub const ALL: [Self; 10] = [
        Self::Blocked,
        Self::Waiting,
        Self::Queued,
        Self::Sending,
        Self::Accepted,
        Self::Refused,
        Self::Exhausted,
        Self::Unknown,
        Self::Withdrawn,
        Self::Cancelled,
    ];

    /// Returns the word the store and the commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Unknown => "unknown",
            Self::Withdrawn => "withdrawn",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Returns whether it is certain that the message never left and nothing is under way: a later run may compose
    /// a message with the same key anew, in this one's place.
    pub fn is_replaceable(self) -> bool {
        matches!(self, Self::Blocked | Self::Exhausted | Self::Withdrawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("sent"), None);
    }

    #[test]
    fn nothing_that_may_have_left_is_ever_replaced() {
        for state in
            [State::Sending, State::Accepted, State::Unknown, State::Queued, State::Waiting, State::Refused, State::Cancelled]
        {
            assert!(!state.is_replaceable(), "{state:?}");
        }
    }
}
