//! A server that answers anything at all, a thousand times over: what the attempt says must be true of what the
//! server saw.

use std::time::Duration;

use dunlin::domain::mailbox::RecipientRole::{Cc, To};
use dunlin::outbox::attempt::{Outcome, Stage};
use dunlin::port::Transport as _;
use dunlin::smtp::settings::{Deadlines, ServerSettings};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::house::{Door, message, settings, transport};

/// What the server may do when a reply is due; an empty text closes the connection.
const ANSWERS: [&str; 14] = [
    "250 ok\r\n",
    "250 ok\r\n",
    "250 ok\r\n",
    "250-peer\r\n250 PIPELINING\r\n",
    "354 go on\r\n",
    "354 go on\r\n",
    "220 hello\r\n",
    "421 4.3.2 down\r\n",
    "451 4.3.0 later\r\n",
    "550 5.1.1 no\r\n",
    "530 5.7.0 sign in\r\n",
    "garbage\r\n",
    "250 glued\r\n250 more\r\n",
    "",
];

/// What the server saw of one message.
#[derive(Debug, Default)]
struct Sight {
    /// Bytes of content, the final dot included.
    content_bytes: usize,
    /// The reply to a whole content, where one was sent.
    reply_to_dot: Option<&'static str>,
}

async fn serve(mut stream: TcpStream, answers: Vec<usize>) -> Sight {
    let (mut sight, mut heard, mut is_content) = (Sight::default(), Vec::new(), false);
    for (index, answer) in answers.into_iter().enumerate() {
        if index > 0 {
            let end: &[u8] = if is_content { b"\r\n.\r\n" } else { b"\r\n" };
            let at = loop {
                if let Some(at) = heard.windows(end.len()).position(|window| window == end) {
                    break at + end.len();
                }
                if !matches!(stream.read_buf(&mut heard).await, Ok(1..)) {
                    sight.content_bytes += if is_content { heard.len() } else { 0 };
                    return sight;
                }
            };
            let piece: Vec<u8> = heard.drain(..at).collect();
            if is_content {
                sight.content_bytes = piece.len();
                sight.reply_to_dot = Some(ANSWERS[answer]);
            }
            is_content = piece == b"DATA\r\n" && ANSWERS[answer].starts_with("354");
        }
        if ANSWERS[answer].is_empty() || stream.write_all(ANSWERS[answer].as_bytes()).await.is_err() {
            return sight;
        }
        if sight.reply_to_dot.is_some() {
            return sight;
        }
    }
    sight
}

async fn storm(answers: Vec<usize>) -> Result<(), TestCaseError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0, answers).await });
    // Some answers make both sides wait for each other; a deadline that strikes early only makes more of the cases hard.
    let hasty = ServerSettings { deadlines: Deadlines::all(Duration::from_millis(25)), ..settings(port) };
    let (transport, gate) = (transport(hasty), Door::open());
    let made = transport.attempt(&message(&[("two@c.example", To), ("three@c.example", Cc)]), &gate).await;
    drop(transport);
    let sight = server.await.unwrap();
    let case = format!("{made:?} {sight:?}");
    // The promise: what the server took is never called safe to send again, and what it did not take never sent.
    let is_taken = sight.reply_to_dot.is_some_and(|reply| reply.starts_with('2'));
    if sight.reply_to_dot.is_some_and(|reply| !reply.starts_with(['4', '5'])) {
        prop_assert!(made.outcome == Outcome::Accepted || made.outcome == Outcome::Unknown, "{case}");
    }
    if made.outcome == Outcome::Accepted {
        prop_assert!(is_taken, "{case}");
    }
    if sight.reply_to_dot.is_none() {
        prop_assert!(made.outcome != Outcome::Accepted, "{case}");
    }
    if gate.asked() == 0 || made.stage < Stage::Content {
        prop_assert_eq!(sight.content_bytes, 0, "{}", case);
    }
    if made.outcome == Outcome::Unknown {
        prop_assert_eq!(made.stage, Stage::FinalDot, "{}", case);
    }
    prop_assert!(made.reply.is_some() || made.fault.is_some(), "{case}");
    Ok(())
}

#[test]
fn an_attempt_never_lies_about_what_the_server_saw() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() });
    // Half of the storms begin calmly, so that enough of them come as far as the dot.
    let calm = prop::collection::vec(0..ANSWERS.len(), 1..9);
    let answers = (any::<bool>(), any::<bool>(), calm).prop_map(|(is_calm, is_grouped, mut storm)| {
        let hello = if is_grouped { 3 } else { 0 };
        if is_calm {
            storm.splice(0..0, [6, hello, 0, 0, 0, 0]);
        } else {
            storm.splice(0..0, [6, hello]);
        }
        storm
    });
    runner.run(&answers, |answers| runtime.block_on(storm(answers))).unwrap();
}
