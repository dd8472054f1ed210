//! A connection that fails at each stage, and what the attempt says of it.

use std::time::Duration;

use dunlin::domain::mailbox::RecipientRole::{Bcc, Cc, To};
use dunlin::outbox::attempt::Outcome::{self, Accepted, Deferred, NotRecorded, Refused, ServerFault, Unknown, Unsuited};
use dunlin::outbox::attempt::Stage;
use dunlin::port::Transport as _;
use dunlin::smtp::settings::Deadlines;

use crate::house::{Door, Seen, attempt, message, reply, settings, transport};
use crate::scripted::{
    Close, ENVELOPE, Hear, HearBytes, HearContent, OPENING, PLAIN_OPENING, Pause, Peer, Reset, Say, Silence, Step, script,
};

const GO_ON: Step = Say("250 ok\r\n250 ok\r\n354 go on\r\n");

/// Stage, outcome, code, the fault's beginning, and how often the gate was asked.
type Expected<'a> = (Stage, Outcome, Option<u16>, &'a str, usize);

/// Plays `script`, makes one attempt, and compares.
async fn check(name: &str, script: Vec<Step>, expected: Expected<'_>) {
    let peer = Peer::start(vec![script]).await;
    let (gate, transport) = (Door::open(), transport(settings(peer.port)));
    let seen = attempt(&transport, &message(&[]), &gate).await;
    let (stage, outcome, code, fault, asked) = expected;
    let matched = seen.fault.get(..fault.len()).unwrap_or(&seen.fault).to_owned();
    let compared = Seen { fault: matched, ..seen };
    assert_eq!((compared, gate.asked()), (Seen { stage, outcome, code, fault: fault.to_owned() }, asked), "{name}");
    drop(transport);
    peer.assert_played().await;
}

#[tokio::test]
async fn a_connection_dropped_before_the_dot_can_be_tried_again() {
    let closed = "The server closed the connection";
    let cases: Vec<(&str, Vec<Step>, Expected<'_>)> = vec![
        ("no greeting", vec![Close], (Stage::Greeting, Deferred, None, closed, 0)),
        ("half a greeting", vec![Say("220 pe"), Close], (Stage::Greeting, Deferred, None, closed, 0)),
        ("no EHLO", vec![Say("220 peer\r\n"), Hear("EHLO"), Close], (Stage::Hello, Deferred, None, closed, 0)),
        (
            "half an EHLO",
            vec![Say("220 peer\r\n"), Hear("EHLO"), Say("250-peer\r\n250"), Close],
            (Stage::Hello, Deferred, None, closed, 0),
        ),
        ("no MAIL", script(&[&OPENING, &ENVELOPE, &[Close]]), (Stage::MailFrom, Deferred, None, closed, 0)),
        ("no RCPT", script(&[&OPENING, &ENVELOPE, &[Say("250 ok\r\n"), Close]]), (Stage::RcptTo, Deferred, None, closed, 0)),
        (
            "no DATA",
            script(&[&OPENING, &ENVELOPE, &[Say("250 ok\r\n250 ok\r\n"), Close]]),
            (Stage::Data, Deferred, None, closed, 0),
        ),
        (
            "after the 354",
            script(&[&OPENING, &ENVELOPE, &[Say("250 ok\r\n250 ok\r\n354 go on\r\n421 4.3.2 down\r\n"), Close]]),
            (Stage::Data, Deferred, Some(421), "", 1),
        ),
        ("reset", script(&[&OPENING, &ENVELOPE, &[Reset]]), (Stage::MailFrom, Deferred, None, "The connection failed", 0)),
    ];
    for (name, script, expected) in cases {
        check(name, script, expected).await;
    }
}

#[tokio::test]
async fn a_connection_dropped_after_the_dot_leaves_the_outcome_unknown() {
    let sent = |last: &[Step]| script(&[&OPENING, &ENVELOPE, &[GO_ON, HearContent], last]);
    for (name, last, fault, code) in [
        ("closed", &[Close][..], "The server closed the connection", None),
        ("reset", &[Reset], "The connection failed", None),
        ("half a reply", &[Say("250 2.0.0 Ok"), Close], "The server closed the connection", None),
        ("garbage", &[Say("\0\0\0\r\n"), Close], "The server's line \"\\0\\0\\0\" is not an SMTP reply", None),
        ("neither yes nor no", &[Say("354 what?\r\n"), Close], "The server's reply 354 to the final dot", Some(354)),
    ] {
        check(name, sent(last), (Stage::FinalDot, Unknown, code, fault, 1)).await;
    }
}

#[tokio::test]
async fn the_reply_to_the_dot_decides() {
    for (line, outcome, code) in [
        ("250 2.0.0 queued\r\n", Accepted, 250),
        ("250-queued\r\n250 as 1\r\n", Accepted, 250),
        ("250 queued\r\n421 4.4.2 glued\r\n", Accepted, 250),
        ("451 4.3.0 later\r\n", Deferred, 451),
        ("421 4.3.2 down\r\n", Deferred, 421),
        ("554 5.7.1 spam\r\n", Refused, 554),
        ("550 5.7.515 your domain\r\n", ServerFault, 550),
    ] {
        let script = script(&[&OPENING, &ENVELOPE, &[GO_ON, HearContent, Say(line), Close]]);
        check(line, script, (Stage::FinalDot, outcome, Some(code), "", 1)).await;
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_from_us_is_no_fault_of_the_message() {
    let refused = |line| script(&[&OPENING, &ENVELOPE, &[Say(line), Close]]);
    let cases: Vec<(&str, Vec<Step>, Expected<'_>)> = vec![
        ("greeting 554", vec![Say("554 no\r\n"), Close], (Stage::Greeting, ServerFault, Some(554), "", 0)),
        ("greeting 421", vec![Say("421 busy\r\n"), Close], (Stage::Greeting, Deferred, Some(421), "", 0)),
        ("MAIL 530", refused("530 5.7.0 Sign in\r\n503 no\r\n503 no\r\n"), (Stage::MailFrom, ServerFault, Some(530), "", 0)),
        ("MAIL 421", refused("421 4.3.2 down\r\n"), (Stage::MailFrom, Deferred, Some(421), "", 0)),
        ("MAIL 550, and gone", refused("550 5.1.0 no\r\n"), (Stage::MailFrom, Refused, Some(550), "", 0)),
        (
            "RCPT relay",
            refused("250 ok\r\n554 5.7.1 Relay access denied\r\n503 no\r\n"),
            (Stage::RcptTo, ServerFault, Some(554), "", 0),
        ),
        ("RCPT 421 glued", refused("250 ok\r\n421 4.7.0 enough\r\n"), (Stage::RcptTo, Deferred, Some(421), "", 0)),
        (
            "garbage",
            vec![Say("HTTP/1.1 400 Bad Request\r\n")],
            (Stage::Greeting, Deferred, None, "The server's line \"HTTP/1.1 400 Bad Request\" is not an SMTP reply", 0),
        ),
        (
            "a 250 to DATA",
            refused("250 ok\r\n250 ok\r\n250 ok\r\n"),
            (Stage::Data, Deferred, Some(250), "The server's reply 250 makes no sense at this stage", 0),
        ),
        (
            "TLS on a plain port",
            vec![Say("\u{16}\u{3}\u{1}"), Silence],
            (
                Stage::Greeting,
                ServerFault,
                None,
                "The server began TLS where a reply in plain text was expected: the port wants TLS from the first byte",
                0,
            ),
        ),
    ];
    for (name, script, expected) in cases {
        check(name, script, expected).await;
    }
}

#[tokio::test]
async fn nothing_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let seen = attempt(&transport(settings(port)), &message(&[]), &Door::open()).await;
    let fault = format!("No connection to \"127.0.0.1:{port}\": 127.0.0.1:{port}: ");
    assert_eq!((seen.stage, seen.outcome, seen.fault.starts_with(&fault)), (Stage::Connect, Deferred, true), "{}", seen.fault);
}

#[tokio::test]
async fn every_stage_has_its_deadline() {
    let sent = |last: &[Step]| script(&[&OPENING, &ENVELOPE, last]);
    let cases = [
        (vec![Silence], Stage::Greeting, Deferred),
        (vec![Say("220 peer\r\n"), Hear("EHLO"), Silence], Stage::Hello, Deferred),
        (sent(&[Silence]), Stage::MailFrom, Deferred),
        (sent(&[Say("250 ok\r\n"), Silence]), Stage::RcptTo, Deferred),
        (sent(&[Say("250 ok\r\n250 ok\r\n"), Silence]), Stage::Data, Deferred),
        (sent(&[GO_ON, HearContent, Silence]), Stage::FinalDot, Unknown),
        (sent(&[GO_ON, HearContent, Say("250-never"), Silence]), Stage::FinalDot, Unknown),
    ];
    for (script, stage, outcome) in cases {
        let peer = Peer::start(vec![script]).await;
        let deadlines = Deadlines::all(Duration::from_millis(150));
        let transport = transport(dunlin::smtp::settings::ServerSettings { deadlines, ..settings(peer.port) });
        let seen = attempt(&transport, &message(&[]), &Door::open()).await;
        assert_eq!((seen.stage, seen.outcome), (stage, outcome));
        assert!(seen.fault.starts_with("The server did not answer within 150ms"), "{}", seen.fault);
        peer.assert_played().await;
    }
}

#[tokio::test]
async fn a_message_that_is_not_read_has_a_deadline_and_has_not_left() {
    let peer = Peer::start(vec![script(&[&OPENING, &ENVELOPE, &[GO_ON, HearBytes(1000), Pause(1_000)]])]).await;
    let deadlines = Deadlines::all(Duration::from_millis(500));
    let transport = transport(dunlin::smtp::settings::ServerSettings { deadlines, ..settings(peer.port) });
    let seen = attempt(&transport, &large_message(), &Door::open()).await;
    assert_eq!((seen.stage, seen.outcome), (Stage::Content, Deferred));
    assert!(seen.fault.starts_with("The server did not answer within 500ms"), "{}", seen.fault);
    peer.assert_played().await;
}

#[tokio::test]
async fn the_wait_for_the_last_reply_begins_with_the_dot_however_long_the_message_took() {
    let large = large_message();
    let (slowly, rest) = (Pause(1_200), large.bytes.len() - 1_000);
    let slow = [GO_ON, HearBytes(1_000), slowly, HearBytes(rest), HearContent, slowly, Say("250 taken\r\n")];
    let peer = Peer::start(vec![script(&[&OPENING, &ENVELOPE, &slow])]).await;
    let deadlines = Deadlines::all(Duration::from_secs(2));
    let transport = transport(dunlin::smtp::settings::ServerSettings { deadlines, ..settings(peer.port) });
    let seen = attempt(&transport, &large, &Door::open()).await;
    assert_eq!((seen.stage, seen.outcome, seen.code), (Stage::FinalDot, Accepted, Some(250)), "{}", seen.fault);
    drop(transport);
    peer.assert_played().await;
}

/// More than the two sockets hold, so that the client is still writing while the peer does not read.
fn large_message() -> dunlin::port::Outgoing {
    let mut large = message(&[]);
    large.bytes = [b"Subject: large\r\n\r\n".as_slice(), &b"0123456789abcdef\r\n".repeat(500_000)].concat().into();
    large
}

#[tokio::test]
async fn a_message_cut_off_before_its_end_has_not_left() {
    // More than the two sockets hold, so that the client is still writing when the peer breaks off.
    let mut large = message(&[]);
    large.bytes = [b"Subject: large\r\n\r\n".as_slice(), &b"0123456789abcdef\r\n".repeat(2_000_000)].concat().into();
    let peer = Peer::start(vec![script(&[&OPENING, &ENVELOPE, &[GO_ON, HearBytes(1000), Reset]])]).await;
    let seen = attempt(&transport(settings(peer.port)), &large, &Door::open()).await;
    assert_eq!((seen.stage, seen.outcome, seen.code), (Stage::Content, Deferred, None));
    peer.assert_played().await;
}

#[tokio::test]
async fn a_refusal_that_comes_before_the_dot_is_the_reply_to_it() {
    let mut large = message(&[]);
    large.bytes = [b"Subject: large\r\n\r\n".as_slice(), &b"0123456789abcdef\r\n".repeat(500_000)].concat().into();
    let early = [GO_ON, HearBytes(1000), Say("552 5.3.4 too big\r\n"), HearContent];
    let peer = Peer::start(vec![script(&[&OPENING, &ENVELOPE, &early])]).await;
    let seen = attempt(&transport(settings(peer.port)), &large, &Door::open()).await;
    assert_eq!((seen.stage, seen.outcome, seen.code), (Stage::FinalDot, Refused, Some(552)));
    peer.assert_played().await;
}

#[tokio::test]
async fn a_closed_gate_sends_nothing_of_the_message() {
    let peer = Peer::start(vec![script(&[&OPENING, &ENVELOPE, &[GO_ON, Silence]])]).await;
    let gate = Door::closed();
    let seen = attempt(&transport(settings(peer.port)), &message(&[]), &gate).await;
    let fault = "Nothing was sent, since it could not be recorded: disk full".to_owned();
    assert_eq!((seen, gate.asked()), (Seen { stage: Stage::Data, outcome: NotRecorded, code: None, fault }, 1));
    peer.assert_played().await;
}

#[tokio::test]
async fn without_pipelining_each_command_waits_for_its_reply() {
    let [mail, rcpt, data] = ENVELOPE;
    let steps = [mail, Say("250 ok\r\n"), rcpt, Say("250 ok\r\n"), data, Say("354 go on\r\n"), HearContent, Say("250 ok\r\n")];
    check("in steps", script(&[&PLAIN_OPENING, &steps]), (Stage::FinalDot, Accepted, Some(250), "", 1)).await;
}

#[tokio::test]
async fn an_old_server_is_greeted_with_helo() {
    let opening = [Say("220 old\r\n"), Hear("EHLO"), Say("502 what?\r\n"), Hear("HELO [127.0.0.1]"), Say("250 old\r\n")];
    let [mail, rcpt, data] = ENVELOPE;
    let steps = [mail, Say("250 ok\r\n"), rcpt, Say("250 ok\r\n"), data, Say("354 go on\r\n"), HearContent, Say("250 ok\r\n")];
    check("HELO", script(&[&opening, &steps]), (Stage::FinalDot, Accepted, Some(250), "", 1)).await;
}

#[tokio::test]
async fn extensions_are_understood_in_lower_case() {
    let opening = [Say("220 peer\r\n"), Hear("EHLO"), Say("250-peer\r\n250-pipelining\r\n250 size 1000\r\n")];
    let envelope = [Hear("MAIL FROM:<ar@acme.example> SIZE=37"), Hear("RCPT"), Hear("DATA")];
    let rest = [GO_ON, HearContent, Say("250 ok\r\n")];
    check("lower case", script(&[&opening, &envelope, &rest]), (Stage::FinalDot, Accepted, Some(250), "", 1)).await;
}

#[tokio::test]
async fn a_message_too_big_for_the_server_is_not_offered() {
    let opening = [Say("220 peer\r\n"), Hear("EHLO"), Say("250-peer\r\n250 SIZE 36\r\n")];
    let fault = "The message has 37 bytes and the server takes 36 at most; attach fewer or smaller documents";
    check("SIZE", opening.to_vec(), (Stage::MailFrom, Unsuited, None, fault, 0)).await;
}

#[tokio::test]
async fn letters_beyond_ascii_need_a_server_that_takes_them() {
    let say = |offer| [Say("220 peer\r\n"), Hear("EHLO"), Say(offer)];
    let (with, without) = ("250-peer\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n", "250-peer\r\n250 PIPELINING\r\n");
    let [_, _, data] = ENVELOPE;
    for (from, bytes, mail, fault) in [
        (
            "jörg@acme.example",
            "Subject: x\r\n\r\nx\r\n",
            "MAIL FROM:<jörg@acme.example> SMTPUTF8\r\n",
            "Letters beyond ASCII, which the server does not take (no SMTPUTF8): jörg@acme.example",
        ),
        (
            "ar@acme.example",
            "Subject: ü\r\n\r\nx\r\n",
            "MAIL FROM:<ar@acme.example> BODY=8BITMIME SMTPUTF8\r\n",
            "Letters beyond ASCII, which the server does not take (no SMTPUTF8): The header",
        ),
        (
            "ar@acme.example",
            "Subject: x\r\n\r\nü\r\n",
            "MAIL FROM:<ar@acme.example> BODY=8BITMIME\r\n",
            "The message has bytes beyond",
        ),
    ] {
        let mut outgoing = message(&[]);
        (outgoing.envelope_from, outgoing.bytes) = (from.into(), bytes.as_bytes().into());
        let taken = script(&[&say(with), &[Hear(mail), Hear("RCPT"), data, GO_ON, HearContent, Say("250 ok\r\n")]]);
        let peer = Peer::start(vec![taken, say(without).to_vec()]).await;
        let seen = attempt(&transport(settings(peer.port)), &outgoing, &Door::open()).await;
        assert_eq!((seen.stage, seen.outcome), (Stage::FinalDot, Accepted), "{mail}");
        let seen = attempt(&transport(settings(peer.port)), &outgoing, &Door::open()).await;
        assert_eq!((seen.stage, seen.outcome), (Stage::MailFrom, Unsuited), "{mail}");
        assert!(seen.fault.starts_with(fault), "{}", seen.fault);
        peer.assert_played().await;
    }
}

#[tokio::test]
async fn a_blind_copy_in_letters_that_a_server_does_not_take_is_left_out_and_said() {
    let refused = vec![(
        "jörg@archive.example".into(),
        reply(553, Some((5, 6, 7)), "5.6.7 Not offered: the server takes no letters beyond ASCII in an address (no SMTPUTF8)"),
    )];
    let others = [("jörg@archive.example", Bcc)];
    let taken = script(&[&OPENING, &ENVELOPE, &[GO_ON, HearContent, Say("250 ok\r\n")]]);
    let peer = Peer::start(vec![taken, OPENING.to_vec()]).await;
    let made = transport(settings(peer.port)).attempt(&message(&others), &Door::open()).await;
    assert_eq!((made.outcome, made.recipients_refused), (Accepted, refused));
    // Where nobody it is addressed to is left, it does not go at all.
    let mut outgoing = message(&others);
    outgoing.recipients[0].address = "rené@customer.example".into();
    let seen = attempt(&transport(settings(peer.port)), &outgoing, &Door::open()).await;
    let fault = "Letters beyond ASCII, which the server does not take (no SMTPUTF8): rené@customer.example, jörg@archive.example";
    assert_eq!(seen, Seen { stage: Stage::MailFrom, outcome: Unsuited, code: None, fault: fault.to_owned() });
    peer.assert_played().await;
}

#[tokio::test]
async fn a_message_that_could_smuggle_another_is_refused() {
    let mut outgoing = message(&[]);
    outgoing.bytes = b"Subject: x\r\n\r\nx\n.\nMAIL FROM:<a@b.example>\r\n"[..].into();
    let peer = Peer::start(vec![OPENING.to_vec()]).await;
    let seen = attempt(&transport(settings(peer.port)), &outgoing, &Door::open()).await;
    let fault = "The message holds a lone CR or LF, which no server may be sent".to_owned();
    assert_eq!(seen, Seen { stage: Stage::MailFrom, outcome: Refused, code: None, fault });
    peer.assert_played().await;
}

#[tokio::test]
async fn recipients_are_weighed_together() {
    let rcpts = [Hear("MAIL"), Hear("RCPT TO:<one@"), Hear("RCPT TO:<two@"), Hear("DATA")];
    let no_user = || reply(550, Some((5, 1, 1)), "5.1.1 none");
    let one = || ("one@customer.example".into(), no_user());
    let two = || ("two@customer.example".into(), no_user());
    let cases = [
        // (role of the second, replies, rest of the script, outcome, stage, refused)
        (
            To,
            "250 ok\r\n250 ok\r\n550 5.1.1 none\r\n354 go\r\n",
            &[HearContent, Say("250 ok\r\n")][..],
            Accepted,
            Stage::FinalDot,
            vec![two()],
        ),
        (
            To,
            "250 ok\r\n550 5.1.1 none\r\n250 ok\r\n354 go\r\n",
            &[HearContent, Say("250 ok\r\n")],
            Accepted,
            Stage::FinalDot,
            vec![one()],
        ),
        (
            Bcc,
            "250 ok\r\n250 ok\r\n550 5.1.1 none\r\n354 go\r\n",
            &[HearContent, Say("451 no\r\n")],
            Deferred,
            Stage::FinalDot,
            vec![two()],
        ),
        // Nobody it is addressed to is left: the copy must not go alone, and the 354 is answered by closing.
        (Cc, "250 ok\r\n550 5.1.1 none\r\n250 ok\r\n354 go\r\n", &[Silence], Refused, Stage::RcptTo, vec![one()]),
        (To, "250 ok\r\n550 5.1.1 none\r\n550 5.1.1 none\r\n354 go\r\n", &[Silence], Refused, Stage::RcptTo, vec![one(), two()]),
        (
            To,
            "250 ok\r\n550 5.1.1 none\r\n550 5.1.1 none\r\n554 no\r\n",
            &[Hear("RSET"), Say("250 ok\r\n")],
            Refused,
            Stage::RcptTo,
            vec![one(), two()],
        ),
        // One deferred holds up all.
        (Bcc, "250 ok\r\n250 ok\r\n452 4.2.2 full\r\n354 go\r\n", &[Silence], Deferred, Stage::RcptTo, vec![]),
        (
            To,
            "250 ok\r\n550 5.1.1 none\r\n452 4.2.2 full\r\n503 no\r\n",
            &[Hear("RSET"), Say("250 ok\r\n")],
            Deferred,
            Stage::RcptTo,
            vec![one()],
        ),
    ];
    for (role, replies, rest, outcome, stage, refused) in cases {
        let peer = Peer::start(vec![script(&[&OPENING, &rcpts, &[Say(replies)], rest])]).await;
        let (transport, gate) = (transport(settings(peer.port)), Door::open());
        let made = transport.attempt(&message(&[("two@customer.example", role)]), &gate).await;
        assert_eq!((made.outcome, made.stage, made.recipients_refused), (outcome, stage, refused), "{role:?} {replies:?}");
        assert_eq!(gate.asked(), usize::from(stage == Stage::FinalDot), "{role:?} {replies:?}");
        drop(transport);
        peer.assert_played().await;
    }
}
