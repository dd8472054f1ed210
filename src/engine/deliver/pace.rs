//! How fast messages may go: the rates of every server and every sender, over all that is under way and was sent before.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use crate::domain::date::Timestamp;
use crate::domain::id::{SenderId, ServerId};
use crate::outbox::attempt::{Attempt, Stage};
use crate::outbox::rate::{Rate, SendLog, Turn};
use crate::store::StoreError;
use crate::store::outbox::{Handed, recently_handed};

/// The rates in force.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// What each server may be handed.
    pub servers: BTreeMap<ServerId, Vec<Rate>>,
    /// What each sender may send, through whatever server.
    pub senders: BTreeMap<SenderId, Vec<Rate>>,
}

impl Rates {
    fn longest_window(&self) -> Option<Duration> {
        self.servers.values().chain(self.senders.values()).flatten().map(|rate| rate.window().length()).max()
    }
}

/// Keeps to the rates. Time is taken from a clock that cannot be put back.
pub(crate) struct Pace {
    servers: BTreeMap<ServerId, SendLog>,
    senders: BTreeMap<SenderId, SendLog>,
    began: Instant,
    began_at: Timestamp,
}

impl Pace {
    /// Reads what went in the last of the longest window, so that rates hold across a restart.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn new(rates: &Rates, connection: &Connection, now: Timestamp) -> Result<Self, StoreError> {
        let since = rates.longest_window().map(|window| now.saturating_sub(window).unwrap_or(Timestamp::MIN));
        let handed = since.map_or(Ok(Vec::new()), |since| recently_handed(connection, rates.servers.keys(), since))?;
        // A crash cut off what was under way, and no attempt tells through which server: it counts for each.
        let is_of = |one: &Handed, server: &ServerId| one.server.as_ref().is_none_or(|own| own == server);
        let log = |rates: &[Rate], of: &dyn Fn(&Handed) -> bool| {
            SendLog::new(rates.to_vec(), handed.iter().filter(|one| of(one)).map(|one| one.at).collect(), now)
        };
        let servers = rates.servers.iter().map(|(id, rates)| (id.clone(), log(rates, &|one| is_of(one, id))));
        let senders = rates.senders.iter().map(|(id, rates)| (id.clone(), log(rates, &|one| one.sender == *id)));
        Ok(Self { servers: servers.collect(), senders: senders.collect(), began: Instant::now(), began_at: now })
    }

    /// Returns whether the next message of `sender` may go through `server`, or how long to wait; `Duration::MAX` stands
    /// for "until one that is under way has ended".
    pub(crate) fn wait(&self, server: &ServerId, sender: &SenderId) -> Option<Duration> {
        let now = self.now();
        let logs = [self.servers.get(server), self.senders.get(sender)];
        logs.into_iter()
            .flatten()
            .filter_map(|log| match log.next(now) {
                Turn::Now => None,
                Turn::At(then) => Some(then.duration_since(now).unsigned_abs()),
                Turn::OnceOneEnds => Some(Duration::MAX),
            })
            .max()
    }

    /// Counts a message that begins.
    pub(crate) fn begin(&mut self, server: &ServerId, sender: &SenderId) {
        self.logs(server, sender).for_each(SendLog::begin);
    }

    /// Counts its end; one that the server has not heard of counts no more. `None`: nobody knows how far it came.
    pub(crate) fn end(&mut self, server: &ServerId, sender: &SenderId, attempt: Option<&Attempt>) {
        let now = self.now();
        let is_unheard = attempt.is_some_and(|attempt| attempt.stage < Stage::MailFrom);
        self.logs(server, sender).for_each(|log| if is_unheard { log.cancel() } else { log.end(now) });
    }

    fn logs(&mut self, server: &ServerId, sender: &SenderId) -> impl Iterator<Item = &mut SendLog> {
        self.servers.get_mut(server).into_iter().chain(self.senders.get_mut(sender))
    }

    fn now(&self) -> Timestamp {
        self.began_at.checked_add(self.began.elapsed()).unwrap_or(Timestamp::MAX)
    }
}
