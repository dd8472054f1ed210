//! The loopback server's own manners: what it takes, what it refuses, and when it stops.

use std::sync::Arc;

use dunlin::smtp::loopback::{self, LINE_BYTES_MAX, LoopbackSettings, RECIPIENTS_MAX};
use dunlin::smtp::settings::ServerSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::house::{Door, House, attempt, message, settings, transport};

/// Sends `text` whole, closes that side, and returns the codes of all replies.
async fn codes(port: u16, text: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    replies.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).map(|line| line[..3].to_owned()).collect()
}

#[tokio::test]
async fn commands_out_of_order_are_refused_and_a_group_is_answered_in_order() {
    let mut house = House::start(|_| {}).await;
    for (text, expected) in [
        ("DATA\r\nRCPT TO:<a@b.example>\r\nNOOP\r\n", vec!["220", "554", "503", "250"]),
        (
            "MAIL FROM:a\r\nMAIL FROM:<a@b.example>\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<>\r\n",
            vec!["220", "501", "250", "503", "501"],
        ),
        ("AUTH PLAIN x\r\nSTARTTLS\r\nVRFY x\r\nhelo x\r\nQUIT\r\n", vec!["220", "503", "503", "500", "250", "221"]),
        ("mail from:<>\r\nrcpt to:<a@b.example>\r\nRSET\r\nDATA\r\n", vec!["220", "250", "250", "250", "554"]),
        ("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n.\r\nQUIT\r\n", vec!["220", "250", "250", "354", "250", "221"]),
    ] {
        assert_eq!(codes(house.port, text).await, expected, "{text:?}");
    }
    assert_eq!(house.next().await.bytes, b"");
}

#[tokio::test]
async fn what_comes_in_has_limits() {
    let house = House::start(|house| house.message_bytes_max = 100).await;
    let envelope = "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n";
    for (size, code) in [(98, "250"), (99, "552"), (1_000_000, "552")] {
        let text = format!("{envelope}{}\r\n.\r\nNOOP\r\n", "x".repeat(size));
        assert_eq!(codes(house.port, &text).await, ["220", "250", "250", "354", code, "250"], "{size}");
    }
    let crowd = format!("MAIL FROM:<>\r\n{}", "RCPT TO:<a@b.example>\r\n".repeat(RECIPIENTS_MAX + 1));
    assert_eq!(codes(house.port, &crowd).await.last().unwrap(), "452");
    assert_eq!(codes(house.port, &"x".repeat(LINE_BYTES_MAX + 1)).await, ["220"]);
}

#[tokio::test]
async fn the_server_stops_with_all_its_connections() {
    let listener = loopback::bind().await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(loopback::serve(listener, LoopbackSettings::new(|_| {}), async move { drop(stopped.await) }));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.read_u8().await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "20 loopback.example ESMTP\r\n");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    let mut house = House::start(|_| {}).await;
    let transport = Arc::new(transport(ServerSettings { connections: 20, ..settings(house.port) }));
    let mut under_way = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let transport = Arc::clone(&transport);
        under_way.spawn(async move { attempt(&transport, &message(&[]), &Door::open()).await.code });
    }
    assert_eq!(under_way.join_all().await, [Some(250); 200]);
    for _ in 0..200 {
        house.next().await;
    }
    assert!(house.received.is_empty());
}
