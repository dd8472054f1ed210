//! Connections that are kept, reused, closed and bounded.

use std::sync::Arc;
use std::time::Duration;

use dunlin::domain::mailbox::RecipientRole::To;
use dunlin::outbox::attempt::Outcome::{Accepted, Deferred, Refused, Unknown};
use dunlin::outbox::attempt::Stage;
use dunlin::port::{Gate, GateClosed, Pending, Transport as _};
use dunlin::smtp::loopback::Received;
use dunlin::smtp::settings::{Reuse, ServerSettings};
use tokio::sync::{Barrier, Notify};

use crate::house::{BYTES, Door, House, attempt, message, reply, settings, transport};
use crate::scripted::{Close, ENVELOPE, Hear, HearContent, OPENING, PLAIN_OPENING, Peer, Say, Silence, Step, script};

/// One message taken.
fn taken() -> Vec<Step> {
    script(&[&ENVELOPE, &[Say("250 ok\r\n250 ok\r\n354 go on\r\n"), HearContent, Say("250 ok\r\n")]])
}

#[tokio::test]
async fn the_server_gets_the_very_bytes_and_the_connection_is_kept() {
    let mut house = House::start(|_| {}).await;
    let transport = transport(settings(house.port));
    for _ in 0..2 {
        assert_eq!(attempt(&transport, &message(&[("b@c.example", To)]), &Door::open()).await.outcome, Accepted);
        let expected = Received {
            from: "ar@acme.example".to_owned(),
            parameters: format!("SIZE={}", BYTES.len()),
            recipients: vec!["one@customer.example".to_owned(), "b@c.example".to_owned()],
            bytes: BYTES.to_vec(),
            connection: 1,
            is_encrypted: false,
            user: None,
        };
        assert_eq!(house.next().await, expected);
    }
}

#[tokio::test]
async fn the_connection_is_kept_after_a_recipient_was_refused() {
    for pipelining in [true, false] {
        let mut house = House::start(|settings| {
            settings.pipelining = pipelining;
            settings.recipient_rule =
                Arc::new(|address| address.starts_with("gone").then(|| reply(550, Some((5, 1, 1)), "5.1.1 No such user")));
        })
        .await;
        let transport = transport(settings(house.port));
        let mut gone = message(&[]);
        gone.recipients[0].address = "gone@customer.example".into();
        let seen = attempt(&transport, &gone, &Door::open()).await;
        assert_eq!((seen.stage, seen.outcome, seen.code), (Stage::RcptTo, Refused, Some(550)));
        assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Accepted);
        assert_eq!(house.next().await.connection, 1);
    }
}

#[tokio::test]
async fn the_connection_is_kept_after_the_sender_was_refused() {
    for opening in [&OPENING, &PLAIN_OPENING] {
        let [mail, rcpt, data] = ENVELOPE;
        let again =
            [mail, Say("250 ok\r\n"), rcpt, Say("250 ok\r\n"), data, Say("354 go on\r\n"), HearContent, Say("250 ok\r\n")];
        let refused = if opening == &OPENING {
            script(&[&ENVELOPE, &[Say("451 4.7.1 later\r\n503 no\r\n503 no\r\n")], &taken()])
        } else {
            script(&[&[mail, Say("451 4.7.1 later\r\n")], &again])
        };
        let peer = Peer::start(vec![script(&[opening, &refused])]).await;
        let transport = transport(settings(peer.port));
        let seen = attempt(&transport, &message(&[]), &Door::open()).await;
        assert_eq!((seen.stage, seen.outcome, seen.code), (Stage::MailFrom, Deferred, Some(451)));
        assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Accepted);
        peer.assert_played().await;
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_costs_no_attempt() {
    // Closed while idle; closed as MAIL came; said goodbye as MAIL came; timed out in its own words.
    for end in [
        &[Close][..],
        &[Hear("MAIL"), Close],
        &[Hear("MAIL"), Say("421 4.4.2 idle\r\n")],
        &[Hear("MAIL"), Say("451 4.4.2 idle\r\n")],
    ] {
        let peer = Peer::start(vec![script(&[&OPENING, &taken(), end]), script(&[&OPENING, &taken()])]).await;
        let (transport, gate) = (transport(settings(peer.port)), Door::open());
        for _ in 0..2 {
            let seen = attempt(&transport, &message(&[]), &gate).await;
            assert_eq!((seen.outcome, seen.stage, &*seen.fault), (Accepted, Stage::FinalDot, ""), "{end:?}");
        }
        assert_eq!(gate.asked(), 2);
        peer.assert_played().await;
    }
}

#[tokio::test]
async fn a_reused_connection_is_not_tried_again_once_mail_was_answered() {
    let lost = script(&[&OPENING, &taken(), &ENVELOPE, &[Say("250 ok\r\n"), Close]]);
    let peer = Peer::start(vec![lost]).await;
    let transport = transport(settings(peer.port));
    assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Accepted);
    let seen = attempt(&transport, &message(&[]), &Door::open()).await;
    assert_eq!((seen.outcome, seen.stage), (Deferred, Stage::RcptTo));
    peer.assert_played().await;
}

#[tokio::test]
async fn a_connection_with_something_unread_is_never_kept() {
    let glued = script(&[
        &OPENING,
        &ENVELOPE,
        &[Say("250 ok\r\n250 ok\r\n354 go on\r\n"), HearContent, Say("250 ok\r\n250 odd\r\n"), Silence],
    ]);
    let peer = Peer::start(vec![glued, script(&[&OPENING, &taken()])]).await;
    let transport = transport(settings(peer.port));
    // The second must not take `250 odd` for the reply to its MAIL.
    for _ in 0..2 {
        assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Accepted);
    }
    drop(transport);
    peer.assert_played().await;
}

#[tokio::test]
async fn a_connection_serves_its_number_of_messages_and_its_time() {
    let few = Reuse { messages_max: 2, ..Reuse::default() };
    let young = Reuse { age_max: Duration::ZERO, ..Reuse::default() };
    for (reuse, connections) in [(few, [1, 1, 2, 2, 3]), (young, [1, 2, 3, 4, 5])] {
        let mut house = House::start(|_| {}).await;
        let transport = transport(ServerSettings { reuse, ..settings(house.port) });
        let mut seen = vec![];
        for _ in 0..5 {
            assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Accepted);
            seen.push(house.next().await.connection);
        }
        assert_eq!(seen, connections);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_with_a_goodbye() {
    let farewell = [Hear("QUIT"), Say("221 bye\r\n"), Silence];
    let peer = Peer::start(vec![script(&[&OPENING, &taken(), &farewell]); 2]).await;
    let reuse = Reuse { idle: Duration::from_millis(50), ..Reuse::default() };
    let patient = transport(settings(peer.port));
    let impatient = transport(ServerSettings { reuse, ..settings(peer.port) });
    assert_eq!(attempt(&patient, &message(&[]), &Door::open()).await.outcome, Accepted);
    patient.close().await;
    // Nobody closes this one: its time is up by itself.
    assert_eq!(attempt(&impatient, &message(&[]), &Door::open()).await.outcome, Accepted);
    peer.assert_played().await;
}

/// A gate that lets a message pass when `count` of them stand before it.
struct Crowd(Barrier);

impl Gate for Crowd {
    fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>> {
        Box::pin(async {
            self.0.wait().await;
            Ok(())
        })
    }
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed() {
    let mut house = House::start(|_| {}).await;
    let transport = Arc::new(transport(ServerSettings { connections: 3, ..settings(house.port) }));
    // One on each connection, one whose envelope may go ahead, one whose result is being stored.
    assert_eq!(transport.concurrency(), 9);
    // Three must be under way at once for any to pass; a fourth connection would show in its number.
    let crowd = Arc::new(Crowd(Barrier::new(3)));
    let mut under_way = tokio::task::JoinSet::new();
    for _ in 0..9 {
        let (transport, crowd) = (Arc::clone(&transport), Arc::clone(&crowd));
        under_way.spawn(async move { transport.attempt(&message(&[]), &*crowd).await.outcome });
    }
    assert_eq!(under_way.join_all().await, [Accepted; 9]);
    let mut connections = vec![];
    for _ in 0..9 {
        connections.push(house.next().await.connection);
    }
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections, [1, 2, 3]);
}

/// A gate that tells when it was asked, and never answers.
struct Stuck(Notify);

impl Gate for Stuck {
    fn before_dot(&self) -> Pending<'_, Result<(), GateClosed>> {
        Box::pin(async {
            self.0.notify_one();
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn an_attempt_that_is_dropped_closes_its_connection_and_frees_its_place() {
    let mut house = House::start(|_| {}).await;
    let transport = transport(settings(house.port));
    let (stuck, outgoing) = (Stuck(Notify::new()), message(&[]));
    tokio::select! {
        _ = transport.attempt(&outgoing, &stuck) => unreachable!("the gate never answers"),
        () = stuck.0.notified() => {}
    }
    assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Accepted);
    assert_eq!(house.next().await.connection, 2);
}

#[tokio::test]
async fn an_unknown_outcome_spends_the_connection() {
    let lost =
        script(&[&OPENING, &ENVELOPE, &[Say("250 ok\r\n250 ok\r\n354 go on\r\n"), HearContent, Say("garbage\r\n"), Silence]]);
    let peer = Peer::start(vec![lost, script(&[&OPENING, &taken()])]).await;
    let transport = transport(settings(peer.port));
    assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Unknown);
    assert_eq!(attempt(&transport, &message(&[]), &Door::open()).await.outcome, Accepted);
    peer.assert_played().await;
}
