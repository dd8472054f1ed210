//! What a person may decide about a message: in which states, and where it leads.

use crate::outbox::state::State;

/// The reason of a copy while it is queued. That it is one, and so nobody's plan that a re-check could contradict, is on record beside.
pub const RESENT: &str = "resent";

/// A person's decision about a message that the program cannot, or no longer shall, decide about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intervention {
    /// Its steps are free again, so that the next run decides and composes anew. Of an `unknown` message the person
    /// vouches that it did not arrive.
    Renew,
    /// It is not wanted; its items go on to their next level when that level's day comes.
    Cancel,
    /// The person knows that it arrived.
    Accept,
    /// The customer needs it once more: a copy goes, and the message itself stays what it is.
    Resend,
}

impl Intervention {
    /// Every intervention.
    pub const ALL: [Self; 4] = [Self::Renew, Self::Cancel, Self::Accept, Self::Resend];

    /// Returns the word the commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Cancel => "cancel",
            Self::Accept => "accept",
            Self::Resend => "resend",
        }
    }

    /// Returns the states it can be applied in.
    ///
    /// `blocked`, `exhausted` and `withdrawn` messages hold no step: the next run composes them anew as it is. What is
    /// `sending` or `accepted` may have left, or has.
    pub fn states(self) -> &'static [State] {
        match self {
            Self::Renew => &[State::Waiting, State::Queued, State::Refused, State::Unknown, State::Cancelled],
            Self::Cancel => &[State::Waiting, State::Queued, State::Refused, State::Unknown],
            Self::Accept => &[State::Unknown],
            Self::Resend => &[State::Accepted],
        }
    }

    /// Returns the state it leads to; `None` where the message stays as it is, and a copy of it goes.
    pub fn next(self) -> Option<State> {
        match self {
            Self::Renew => Some(State::Withdrawn),
            Self::Cancel => Some(State::Cancelled),
            Self::Accept => Some(State::Accepted),
            Self::Resend => None,
        }
    }

    /// Returns the reason the message keeps, or its copy.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Renew => "renewed",
            Self::Cancel | Self::Accept => "by_person",
            Self::Resend => RESENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_who_knows_moves_what_may_have_left() {
        let moves: Vec<String> = State::ALL
            .into_iter()
            .map(|state| {
                let words = Intervention::ALL.into_iter().filter(|verb| verb.states().contains(&state));
                format!("{}: {}", state.as_str(), words.map(Intervention::as_str).collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(
            moves,
            [
                "blocked: ",
                "waiting: renew cancel",
                "queued: renew cancel",
                "sending: ",
                "accepted: resend",
                "refused: renew cancel",
                "exhausted: ",
                "unknown: renew cancel accept",
                "withdrawn: ",
                "cancelled: renew",
            ]
        );
    }

    #[test]
    fn what_is_renewed_can_be_replaced_and_what_is_closed_cannot() {
        let replaceable: Vec<_> =
            Intervention::ALL.into_iter().filter_map(Intervention::next).map(|next| (next, next.is_replaceable())).collect();
        assert_eq!(replaceable, [(State::Withdrawn, true), (State::Cancelled, false), (State::Accepted, false)]);
    }
}
