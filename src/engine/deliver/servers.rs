//! What a delivery comes to know of its servers: who has room, who rests, who takes nothing from us.
//!
//! Each server has a breaker. It opens (the server rests, and no message's attempts are spent on it) when it cannot be
//! reached, when it hangs up on several messages in a row, or when it says that we send too much. After the rest one
//! message alone is tried; taken, it closes the breaker.
//!
//! A server that takes nothing from us as we are needs a person. While a delivery goes on with other servers, such a one is
//! tried again now and then, with one message alone, since nobody tells us when it is mended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::date::Timestamp;
use crate::domain::id::{SenderId, ServerId};
use crate::outbox::attempt::{Attempt, Outcome, Stage};
use crate::outbox::retry::{RetryPolicy, wait};
use crate::port::Transport;
use crate::smtp::verdict::{is_about_account, is_over_for_today, is_throttling};
use crate::store::outbox::Queued;

/// How many messages of one sender a server must turn away as not ours to send, with none taken between,
/// before it is believed to mean the sender and not the one recipient.
const DOUBTS_MAX: usize = 3;

/// How many messages in a row a server must hang up on, with none taken between, before it is believed to mean them all.
const STUMBLES_MAX: u32 = 3;
/// When a server that took nothing from us is tried again.
pub(crate) const FAULT_RETRY_AFTER: Duration = Duration::from_secs(300);
/// The same where it says that we have sent all we may in a day; what was sent a day ago counts no more.
pub(crate) const SPENT_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// The first rest of a server that says we send too much; each further one is twice as long.
const THROTTLED_REST: Duration = Duration::from_secs(60);
/// The longest of these rests.
const THROTTLED_REST_MAX: Duration = Duration::from_secs(3_600);

/// What went wrong with a server rather than with a message, before the message could have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server had not heard of the message.
    Unreachable,
    /// It hung up, or fell silent, in the middle of the dialogue.
    Stumbled,
    /// It says that we send too much.
    Throttled,
}

impl Trouble {
    /// Returns what an attempt tells of the server.
    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        let is_goodbye = attempt.reply.as_ref().is_none_or(|reply| reply.code == 421);
        match (attempt.outcome, attempt.stage) {
            (Outcome::Deferred, stage) if attempt.reply.as_ref().is_some_and(|reply| is_throttling(stage, reply)) => {
                Some(Self::Throttled)
            }
            (Outcome::Deferred, stage) if stage < Stage::MailFrom => Some(Self::Unreachable),
            (Outcome::Deferred, stage) if stage < Stage::FinalDot && is_goodbye => Some(Self::Stumbled),
            _ => None,
        }
    }
}

/// A server as far as this delivery has come to know it.
struct Server {
    transport: Arc<dyn Transport>,
    under_way: usize,
    /// How often in a row the breaker opened.
    failure_count: u32,
    /// Whether it has taken a message in this delivery.
    has_accepted: bool,
    /// On how many messages in a row it hung up.
    stumble_count: u32,
    rests_until: Option<Timestamp>,
    /// Why it takes nothing from anybody here.
    fault: Option<Fault>,
    doubts: BTreeMap<SenderId, Doubt>,
}

/// Why a server takes nothing from us.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    words: String,
    /// When it is tried again; `None`: it is being tried.
    retry_at: Option<Timestamp>,
}

impl Fault {
    fn new(attempt: &Attempt, now: Timestamp) -> Self {
        let words = words(attempt);
        let rest = if is_over_for_today(&words) { SPENT_RETRY_AFTER } else { FAULT_RETRY_AFTER };
        Self { words, retry_at: now.saturating_add(rest).ok() }
    }

    fn stands(&self) -> bool {
        self.retry_at.is_some()
    }
}

/// What speaks for a server that takes nothing from one sender.
struct Doubt {
    /// The messages that were turned away as not ours to send, with none taken since.
    messages: BTreeSet<i64>,
    /// What it said last.
    fault: Fault,
    /// Whether that leaves no doubt: the account is suspended, or may send no more today.
    is_certain: bool,
}

impl Doubt {
    fn is_enough(&self) -> bool {
        self.is_certain || self.messages.len() >= DOUBTS_MAX
    }
}

impl Server {
    fn is_faulty(&self, sender: &SenderId) -> bool {
        self.fault.as_ref().is_some_and(Fault::stands) || self.doubts_of(sender).is_some_and(Fault::stands)
    }

    /// Returns why it takes nothing from a sender, where it is believed to mean the sender.
    fn doubts_of(&self, sender: &SenderId) -> Option<&Fault> {
        self.doubts.get(sender).filter(|doubt| doubt.is_enough()).map(|doubt| &doubt.fault)
    }

    /// Returns what is held against it, tried again or not.
    fn faults_mut(&mut self) -> impl Iterator<Item = &mut Fault> {
        let doubts = self.doubts.values_mut().filter(|doubt| doubt.is_enough());
        self.fault.iter_mut().chain(doubts.map(|doubt| &mut doubt.fault))
    }

    /// Returns how many messages may be under way: one alone until it has shown that it is well again, and none in the
    /// line until it has taken one.
    fn room(&self) -> usize {
        match (self.failure_count, self.has_accepted) {
            (0, true) => self.transport.concurrency(),
            (0, false) => self.transport.concurrency_at_first(),
            _ => 1,
        }
    }

    /// Opens the breaker for `rest`.
    fn open(&mut self, rest: Duration, now: Timestamp) {
        self.failure_count += 1;
        self.stumble_count = 0;
        self.rests_until = now.saturating_add(rest).ok();
    }

    fn is_usable(&self, sender: &SenderId, now: Timestamp) -> bool {
        !self.is_faulty(sender) && self.rests_until.is_none_or(|until| until <= now)
    }
}

/// The server a message is to go through now, or why none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This one has room.
    Server(usize),
    /// The one to use has no room at the moment.
    Full,
    /// All that are left rest, the first until then.
    Rests(Timestamp),
    /// None is left without a person.
    None,
}

/// Whether a sender has servers that have not seen a message yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// One may be tried now.
    Now,
    /// All that are left rest.
    Later,
    /// None is left without a person.
    None,
}

/// All servers of a delivery and the order in which each sender tries them.
pub(crate) struct Servers<'d> {
    list: Vec<Server>,
    routes: &'d BTreeMap<SenderId, Vec<ServerId>>,
    policy: &'d RetryPolicy,
    /// How often what [`Servers::faults`] returns has changed.
    change_count: u64,
}

impl<'d> Servers<'d> {
    pub(crate) fn new(
        transports: &[Arc<dyn Transport>],
        routes: &'d BTreeMap<SenderId, Vec<ServerId>>,
        policy: &'d RetryPolicy,
    ) -> Self {
        let server = |transport: &Arc<dyn Transport>| Server {
            transport: transport.clone(),
            under_way: 0,
            failure_count: 0,
            has_accepted: false,
            stumble_count: 0,
            rests_until: None,
            fault: None,
            doubts: BTreeMap::new(),
        };
        Self { list: transports.iter().map(server).collect(), routes, policy, change_count: 0 }
    }

    /// Returns the senders that have servers.
    pub(crate) fn senders(&self) -> impl Iterator<Item = &'d SenderId> + use<'d> {
        self.routes.keys()
    }

    /// Chooses the server for a message of `sender`, passing over those that turned it away.
    pub(crate) fn choose(&self, sender: &SenderId, now: Timestamp, turned_away: &BTreeSet<usize>) -> Choice {
        let mut choice = Choice::None;
        for place in self.places(sender).filter(|place| !turned_away.contains(place)) {
            let server = &self.list[place];
            if server.is_usable(sender, now) {
                let has_room = server.under_way < server.room();
                return if has_room { Choice::Server(place) } else { Choice::Full };
            }
            if let (false, Some(until)) = (server.is_faulty(sender), server.rests_until) {
                choice = match choice {
                    Choice::Rests(other) => Choice::Rests(other.min(until)),
                    _ => Choice::Rests(until),
                };
            }
        }
        choice
    }

    /// Returns what the sender has beside the servers at these places.
    pub(crate) fn others(&self, sender: &SenderId, tried: &BTreeSet<usize>, now: Timestamp) -> Others {
        let others: Vec<&Server> =
            self.places(sender).filter(|place| !tried.contains(place)).map(|place| &self.list[place]).collect();
        if others.iter().any(|server| server.is_usable(sender, now)) {
            Others::Now
        } else if others.iter().any(|server| !server.is_faulty(sender)) {
            Others::Later
        } else {
            Others::None
        }
    }

    /// Returns whether the server at `place` is at fault or rests.
    pub(crate) fn takes_nothing(&self, place: usize, now: Timestamp) -> bool {
        let server = &self.list[place];
        server.fault.as_ref().is_some_and(Fault::stands) || server.rests_until.is_some_and(|until| until > now)
    }

    /// Returns the id of the server at `place`.
    pub(crate) fn id(&self, place: usize) -> &ServerId {
        self.list[place].transport.server()
    }

    /// Takes a place at a server and returns its transport.
    pub(crate) fn begin(&mut self, place: usize) -> Arc<dyn Transport> {
        self.list[place].under_way += 1;
        self.list[place].transport.clone()
    }

    /// Gives the place back.
    pub(crate) fn end(&mut self, place: usize) {
        self.list[place].under_way -= 1;
    }

    /// Learns from an attempt that has ended.
    pub(crate) fn learn(&mut self, place: usize, message: &Queued, attempt: &Attempt, now: Timestamp) {
        let sender = &message.sender_id;
        let policy = self.policy;
        let server = &mut self.list[place];
        let id = server.transport.server();
        match attempt.outcome {
            Outcome::ServerFault if attempt.stage >= Stage::MailFrom => {
                let fault = Fault::new(attempt, now);
                let doubt = server.doubts.entry(sender.clone()).or_insert_with(|| Doubt {
                    messages: BTreeSet::new(),
                    fault: fault.clone(),
                    is_certain: false,
                });
                let was_enough = doubt.is_enough();
                doubt.is_certain |= attempt.reply.as_ref().is_some_and(is_about_account);
                doubt.fault = fault;
                doubt.messages.insert(message.id);
                if doubt.is_enough() && !was_enough {
                    let fault = &doubt.fault.words;
                    tracing::error!(server_id = %id, sender_id = %sender, fault, "A server takes nothing from a sender");
                    self.change_count += 1;
                }
            }
            Outcome::ServerFault => {
                if server.fault.is_none() {
                    tracing::error!(server_id = %id, fault = words(attempt), "A server takes nothing from us; a person must act");
                    self.change_count += 1;
                }
                server.fault = Some(Fault::new(attempt, now));
            }
            outcome => match Trouble::of(attempt) {
                // Attempts that failed side by side are one failure.
                Some(_) if server.rests_until.is_some_and(|until| until > now) => {}
                Some(Trouble::Stumbled) if server.failure_count == 0 && server.stumble_count + 1 < STUMBLES_MAX => {
                    server.stumble_count += 1;
                }
                Some(Trouble::Throttled) => {
                    let rest = THROTTLED_REST.saturating_mul(1 << server.failure_count.min(6)).min(THROTTLED_REST_MAX);
                    tracing::warn!(server_id = %id, fault = words(attempt), ?rest, "A server says that it is sent too much; it rests");
                    server.open(rest, now);
                }
                Some(Trouble::Unreachable | Trouble::Stumbled) => {
                    tracing::warn!(server_id = %id, fault = words(attempt), "A server cannot be reached; it rests");
                    server.open(wait(server.failure_count, policy), now);
                }
                None => {
                    server.failure_count = 0;
                    server.stumble_count = 0;
                    server.rests_until = None;
                    // What was under way when it turned against us does not tell that it is well again.
                    if server.fault.take_if(|fault| !fault.stands()).is_some() {
                        self.change_count += 1;
                    }
                    if outcome == Outcome::Accepted {
                        server.has_accepted = true;
                        let doubted = server.doubts.remove(sender);
                        if doubted.is_some_and(|doubt| doubt.is_enough()) {
                            self.change_count += 1;
                        }
                    }
                }
            },
        }
    }

    /// Lets servers be tried again, with one message alone, whose fault is old enough.
    pub(crate) fn try_again(&mut self, now: Timestamp) {
        for server in &mut self.list {
            let mut is_tried = false;
            for fault in server.faults_mut().filter(|fault| fault.retry_at.is_some_and(|at| at <= now)) {
                (fault.retry_at, is_tried) = (None, true);
            }
            if is_tried {
                server.failure_count = server.failure_count.max(1);
                server.rests_until = None;
            }
        }
    }

    /// Returns when the next server is to be tried again, if one is at fault.
    pub(crate) fn next_try(&mut self) -> Option<Timestamp> {
        self.list.iter_mut().flat_map(Server::faults_mut).filter_map(|fault| fault.retry_at).min()
    }

    /// Returns how often what [`Servers::faults`] returns has changed.
    pub(crate) fn change_count(&self) -> u64 {
        self.change_count
    }

    /// Returns the servers that took nothing from us, or from one of our senders, and why.
    pub(crate) fn faults(&self) -> Vec<(ServerId, String)> {
        let mut faults = Vec::new();
        for server in &self.list {
            let id = server.transport.server();
            faults.extend(server.fault.iter().map(|fault| (id.clone(), fault.words.clone())));
            let doubted = server.doubts.keys().filter_map(|sender| Some((sender, server.doubts_of(sender)?)));
            faults.extend(doubted.map(|(sender, fault)| (id.clone(), format!("from sender `{sender}`: {}", fault.words))));
        }
        faults
    }

    fn places(&self, sender: &SenderId) -> impl Iterator<Item = usize> {
        let ids = self.routes.get(sender).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.list.iter().position(|server| server.transport.server() == id))
    }
}

/// Returns what the server said, or what went wrong where it said nothing.
fn words(attempt: &Attempt) -> String {
    match (&attempt.reply, &attempt.fault) {
        (Some(reply), _) => format!("{} {}", reply.code, reply.text),
        (None, Some(fault)) => fault.clone(),
        (None, None) => attempt.stage.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests;
