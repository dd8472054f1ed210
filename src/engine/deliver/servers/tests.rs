//! The breakers: what a server says, who is sent what to it afterwards, and when.

use super::*;
use crate::outbox::attempt::Reply;
use crate::outbox::retry::Entry;
use crate::port::{Gate, Outgoing, Pending};

/// A server that is asked nothing here.
struct Named(ServerId);

impl Transport for Named {
    fn server(&self) -> &ServerId {
        &self.0
    }

    fn concurrency(&self) -> usize {
        8
    }

    fn attempt<'a>(&'a self, _: &'a Outgoing, _: &'a dyn Gate) -> Pending<'a, Attempt> {
        unreachable!("nothing is sent here")
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

/// The senders `ar`, with a server of its own and a second one, and `hr`, with the second alone.
struct House {
    transports: Vec<Arc<dyn Transport>>,
    routes: BTreeMap<SenderId, Vec<ServerId>>,
    policy: RetryPolicy,
}

impl House {
    fn new() -> Self {
        let id = ServerId::new;
        Self {
            transports: vec![Arc::new(Named(id("first"))), Arc::new(Named(id("second")))],
            routes: BTreeMap::from([
                (SenderId::new("ar"), vec![id("first"), id("second")]),
                (SenderId::new("hr"), vec![id("second")]),
            ]),
            policy: RetryPolicy::default(),
        }
    }

    fn servers(&self) -> Servers<'_> {
        Servers::new(&self.transports, &self.routes, &self.policy)
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn choose(servers: &Servers<'_>, sender: &str, now: Timestamp) -> Choice {
    servers.choose(&SenderId::new(sender), now, &BTreeSet::new())
}

/// Has a message of a sender end at a server with this code, text and outcome.
fn end(servers: &mut Servers<'_>, place: usize, (id, sender): (i64, &str), stage: Stage, reply: (u16, &str), now: Timestamp) {
    let outcome = match reply.0 {
        250 => Outcome::Accepted,
        400..500 => Outcome::Deferred,
        _ => Outcome::ServerFault,
    };
    end_as(servers, place, (id, sender), (stage, outcome), reply, now);
}

fn end_as(
    servers: &mut Servers<'_>,
    place: usize,
    (id, sender): (i64, &str),
    (stage, outcome): (Stage, Outcome),
    reply: (u16, &str),
    now: Timestamp,
) {
    let attempt = Attempt {
        server: servers.id(place).clone(),
        started_at: now,
        duration: Duration::ZERO,
        stage,
        outcome,
        reply: Some(Reply { code: reply.0, enhanced: None, text: reply.1.to_owned() }),
        fault: None,
        recipients_refused: vec![],
    };
    let entry = Entry { queued_at: now, attempt_count: 0, give_up_after: None, spread: 0 };
    let message = Queued { id, run_id: 1, sender_id: SenderId::new(sender), entry };
    servers.learn(place, &message, &attempt, now);
}

const TAKEN: (u16, &str) = (250, "taken");
const NO_SERVICE: (u16, &str) = (554, "No service");
const TOO_MUCH: (u16, &str) = (454, "Throttling failure: Maximum sending rate exceeded.");

#[test]
fn a_server_that_is_sent_too_much_rests_twice_as_long_each_time_and_one_mail_alone_closes_the_breaker() {
    let house = House::new();
    let mut servers = house.servers();
    let mut now = 0;
    for rest in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
        end(&mut servers, 1, (1, "hr"), Stage::FinalDot, TOO_MUCH, at(now));
        // What was under way beside it fails too, and is the same failure.
        end(&mut servers, 1, (2, "hr"), Stage::FinalDot, TOO_MUCH, at(now));
        assert_eq!(choose(&servers, "hr", at(now + rest - 1)), Choice::Rests(at(now + rest)));
        now += rest;
        assert_eq!(choose(&servers, "hr", at(now)), Choice::Server(1));
        servers.begin(1);
        assert_eq!(choose(&servers, "hr", at(now)), Choice::Full, "one alone");
        servers.end(1);
    }
    end(&mut servers, 1, (1, "hr"), Stage::FinalDot, TAKEN, at(now));
    servers.begin(1);
    assert_eq!(choose(&servers, "hr", at(now)), Choice::Server(1));
    end(&mut servers, 1, (3, "hr"), Stage::FinalDot, TOO_MUCH, at(now));
    assert_eq!(choose(&servers, "hr", at(now)), Choice::Rests(at(now + 60)), "it begins anew");
}

#[test]
fn a_server_that_hangs_up_is_believed_to_mean_us_after_three_messages_in_a_row() {
    let house = House::new();
    let mut servers = house.servers();
    let goodbye = (421, "Shutting down");
    for id in [1, 2] {
        end(&mut servers, 0, (id, "ar"), Stage::RcptTo, goodbye, at(0));
        assert_eq!(choose(&servers, "ar", at(0)), Choice::Server(0));
    }
    end(&mut servers, 0, (3, "ar"), Stage::FinalDot, TAKEN, at(0));
    for id in [4, 5, 6] {
        assert_eq!(choose(&servers, "ar", at(0)), Choice::Server(0), "one was taken between");
        end(&mut servers, 0, (id, "ar"), Stage::RcptTo, goodbye, at(0));
    }
    assert_eq!(choose(&servers, "ar", at(0)), Choice::Server(1));
}

#[test]
fn a_server_that_takes_nothing_from_us_is_tried_again_with_one_mail_while_others_go_on() {
    let house = House::new();
    let mut servers = house.servers();
    assert_eq!((servers.faults(), servers.next_try()), (vec![], None));
    end(&mut servers, 0, (1, "ar"), Stage::Greeting, NO_SERVICE, at(0));
    let told = vec![(ServerId::new("first"), "554 No service".to_owned())];
    let first_change = servers.change_count();
    assert_eq!((servers.faults(), servers.next_try(), first_change), (told.clone(), Some(at(300)), 1));
    // What was on its way there meanwhile proves nothing.
    end(&mut servers, 0, (2, "ar"), Stage::FinalDot, TAKEN, at(1));
    servers.try_again(at(299));
    assert_eq!((choose(&servers, "ar", at(299)), servers.faults()), (Choice::Server(1), told.clone()));

    servers.try_again(at(300));
    assert_eq!(choose(&servers, "ar", at(300)), Choice::Server(0));
    assert_eq!((servers.faults(), servers.next_try()), (told.clone(), None), "told until it takes something");
    servers.begin(0);
    assert_eq!(choose(&servers, "ar", at(300)), Choice::Full, "one alone");
    servers.end(0);
    end(&mut servers, 0, (1, "ar"), Stage::Greeting, NO_SERVICE, at(300));
    assert_eq!((choose(&servers, "ar", at(599)), servers.next_try()), (Choice::Server(1), Some(at(600))));
    assert_eq!(servers.change_count(), first_change, "it is the same fault");

    servers.try_again(at(600));
    end(&mut servers, 0, (1, "ar"), Stage::FinalDot, TAKEN, at(600));
    assert_eq!((choose(&servers, "ar", at(600)), servers.faults(), servers.change_count()), (Choice::Server(0), vec![], 2));
}

#[test]
fn a_sender_that_a_server_does_not_want_is_tried_again_there_too_and_others_are_not_held_up() {
    let house = House::new();
    let mut servers = house.servers();
    let not_yours = (550, "You may not send as this sender");
    for id in [1, 2, 3] {
        assert_eq!(choose(&servers, "hr", at(0)), Choice::Server(1));
        end(&mut servers, 1, (id, "hr"), Stage::MailFrom, not_yours, at(0));
    }
    assert_eq!(choose(&servers, "hr", at(0)), Choice::None);
    end(&mut servers, 1, (9, "ar"), Stage::FinalDot, TAKEN, at(1));
    let told = vec![(ServerId::new("second"), "from sender `hr`: 550 You may not send as this sender".to_owned())];
    assert_eq!((choose(&servers, "hr", at(1)), servers.faults()), (Choice::None, told.clone()));

    servers.try_again(at(300));
    assert_eq!(choose(&servers, "hr", at(300)), Choice::Server(1));
    end(&mut servers, 1, (1, "hr"), Stage::MailFrom, not_yours, at(300));
    assert_eq!((choose(&servers, "hr", at(300)), servers.faults()), (Choice::None, told));
    servers.try_again(at(600));
    end(&mut servers, 1, (1, "hr"), Stage::FinalDot, TAKEN, at(600));
    assert_eq!((choose(&servers, "hr", at(600)), servers.faults()), (Choice::Server(1), vec![]));
}

#[test]
fn one_answer_is_enough_where_the_account_is_meant_and_nothing_else_can_be() {
    for (reply, retry) in [
        ((554, "Message rejected: Sending suspended for this account."), 300),
        ((550, "Daily user sending limit exceeded."), 3_600),
        ((454, "Throttling failure: Daily message quota exceeded."), 3_600),
    ] {
        let house = House::new();
        let mut servers = house.servers();
        let outcome = Outcome::ServerFault;
        end_as(&mut servers, 1, (1, "hr"), (Stage::FinalDot, outcome), reply, at(0));
        assert_eq!((choose(&servers, "hr", at(0)), servers.next_try()), (Choice::None, Some(at(retry))), "{reply:?}");
        assert_eq!(choose(&servers, "ar", at(0)), Choice::Server(0));
    }
}
