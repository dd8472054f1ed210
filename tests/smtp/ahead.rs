//! The envelope of the next message travels with the final dot of this one: one round trip a message, and no doubt
//! about either of the two when something breaks between them.

use dunlin::outbox::attempt::Outcome::{self, Accepted, Deferred, Refused, Unknown};
use dunlin::outbox::attempt::Stage;
use dunlin::port::Transport as _;
use dunlin::smtp::pool::SmtpTransport;

use crate::house::{Door, attempt, message, settings, transport};
use crate::scripted::{Close, ENVELOPE, Hear, HearContent, OPENING, Peer, Say, Step, script};

/// What the server says to an envelope.
const TAKES: Step = Say("250 ok\r\n250 ok\r\n354 go on\r\n");
/// A whole message on a fresh connection, and the goodbye.
const ALONE: [Step; 7] = [ENVELOPE[0], ENVELOPE[1], ENVELOPE[2], TAKES, HearContent, Say("250 taken\r\n"), Hear("QUIT")];

/// The opening and the first message, with the envelope of the second behind its final dot.
fn first_with_second_ahead() -> Vec<Step> {
    script(&[&OPENING, &ENVELOPE, &[TAKES, HearContent], &ENVELOPE])
}

/// Makes two attempts at once over one connection.
async fn two(transport: &SmtpTransport) -> [Outcome; 2] {
    let (outgoing, open) = (message(&[]), Door::open());
    let (first, second) = tokio::join!(attempt(transport, &outgoing, &open), attempt(transport, &outgoing, &open));
    [first.outcome, second.outcome]
}

#[tokio::test]
async fn a_message_costs_one_round_trip() {
    let rest = [Say("250 taken\r\n250 ok\r\n250 ok\r\n354 go on\r\n"), HearContent, Say("250 taken\r\n"), Hear("QUIT")];
    let peer = Peer::start(vec![script(&[&first_with_second_ahead(), &rest])]).await;
    let transport = transport(settings(peer.port));
    assert_eq!(two(&transport).await, [Accepted, Accepted]);
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn what_is_said_to_the_one_is_not_said_to_the_other() {
    let rest = [
        Say("554 5.7.1 spam\r\n250 ok\r\n"),
        Say("550 5.1.1 nobody\r\n554 no\r\n"),
        Hear("RSET"),
        Say("250 ok\r\n"),
        Hear("QUIT"),
    ];
    let peer = Peer::start(vec![script(&[&first_with_second_ahead(), &rest])]).await;
    let transport = transport(settings(peer.port));
    let (outgoing, open) = (message(&[]), Door::open());
    let (first, second) = tokio::join!(attempt(&transport, &outgoing, &open), attempt(&transport, &outgoing, &open));
    assert_eq!((first.outcome, first.stage), (Refused, Stage::FinalDot));
    assert_eq!((second.outcome, second.stage), (Refused, Stage::RcptTo));
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn a_connection_lost_after_the_dot_leaves_one_unknown_and_the_other_free_to_go() {
    let peer = Peer::start(vec![script(&[&first_with_second_ahead(), &[Close]]), script(&[&OPENING, &ALONE])]).await;
    let transport = transport(settings(peer.port));
    assert_eq!(two(&transport).await, [Unknown, Accepted]);
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn a_goodbye_after_the_dot_costs_the_next_nothing() {
    let goodbye = [Say("421 4.3.2 shutting down\r\n"), Close];
    let peer = Peer::start(vec![script(&[&first_with_second_ahead(), &goodbye]), script(&[&OPENING, &ALONE])]).await;
    let transport = transport(settings(peer.port));
    assert_eq!(two(&transport).await, [Deferred, Accepted]);
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn a_server_that_loses_its_place_gets_one_thing_at_a_time() {
    let lost = [Say("250 taken\r\n503 5.5.1 sequence\r\n"), Close];
    // Two more at once: the second envelope waits until the first message is taken.
    let twice = script(&[&OPENING, &ALONE[..6], &ENVELOPE, &[TAKES, HearContent, Say("250 taken\r\n")], &ENVELOPE, &ALONE[3..]]);
    let peer = Peer::start(vec![script(&[&first_with_second_ahead(), &lost]), twice]).await;
    let transport = transport(settings(peer.port));
    assert_eq!(two(&transport).await, [Accepted, Accepted]);
    assert_eq!(two(&transport).await, [Accepted, Accepted]);
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn no_envelope_goes_ahead_over_a_connection_that_has_had_its_number() {
    let peer = Peer::start(vec![script(&[&OPENING, &ALONE]), script(&[&OPENING, &ALONE])]).await;
    let mut bounded = settings(peer.port);
    bounded.reuse.messages_max = 1;
    let transport = transport(bounded);
    assert_eq!(two(&transport).await, [Accepted, Accepted]);
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn nothing_travels_in_groups_where_the_operator_says_so() {
    let [mail, rcpt, data] = ENVELOPE;
    let ok = Say("250 ok\r\n");
    let one = [mail, ok, rcpt, ok, data, Say("354 go on\r\n"), HearContent, ok];
    let peer = Peer::start(vec![script(&[&OPENING, &one, &one, &[Hear("QUIT")]])]).await;
    let mut plain = settings(peer.port);
    plain.pipelining = false;
    let transport = transport(plain);
    assert_eq!(two(&transport).await, [Accepted, Accepted]);
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn one_who_has_left_the_line_takes_no_envelope_along() {
    let peer = Peer::start(vec![script(&[&OPENING, &ALONE])]).await;
    let transport = transport(settings(peer.port));
    let (outgoing, open) = (message(&[]), Door::open());
    let first = attempt(&transport, &outgoing, &open);
    tokio::pin!(first);
    {
        let second = attempt(&transport, &outgoing, &open);
        tokio::pin!(second);
        // Each is asked once: the first takes the seat, the second stands in the line, and then is dropped.
        tokio::select! { biased; _ = &mut first => unreachable!(), _ = &mut second => unreachable!(), () = std::future::ready(()) => {} }
    }
    assert_eq!(first.await.outcome, Accepted);
    transport.close().await;
    peer.assert_played().await;
}

#[tokio::test]
async fn a_message_given_up_after_its_envelope_went_ahead_closes_the_connection() {
    let peer = Peer::start(vec![
        script(&[&first_with_second_ahead(), &[Say("250 taken\r\n"), crate::scripted::Silence]]),
        script(&[&OPENING, &ALONE]),
    ])
    .await;
    let transport = transport(settings(peer.port));
    let (outgoing, open) = (message(&[]), Door::open());
    {
        let second = attempt(&transport, &outgoing, &open);
        tokio::pin!(second);
        let first = attempt(&transport, &outgoing, &open);
        tokio::pin!(first);
        tokio::select! { biased; first = &mut first => assert_eq!(first.outcome, Accepted), _ = &mut second => unreachable!("nobody answers it") }
    }
    assert_eq!(attempt(&transport, &outgoing, &open).await.outcome, Accepted);
    transport.close().await;
    peer.assert_played().await;
}
