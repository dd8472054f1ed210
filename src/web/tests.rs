//! The page over a real socket: what it answers, whom it turns away, and where its bounds are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::date::Timestamp;
use crate::domain::problem::{Place, Problem};
use crate::engine::status::{FaultKind, FiringOutcome, Live, NextFiring, PauseReason, PausedRule};
use crate::outbox::attempt::Outcome;
use crate::port::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A clock that stands.
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A daemon of which everything that is shown has a value, with markup wherever a text of a person's comes through.
pub(crate) fn busy() -> Live {
    let live = Live::new("acme", "redirect", "0.1.0", at(0));
    live.generation("0123456789abcdef", at(10));
    let problem = Problem::error("`<b>` is no level").at(Place::within("rules/a.yaml", "x: <b>", 1, 4, 3));
    live.reloaded(false, &[problem, Problem::warning("Odd")], at(20));
    live.paused(vec![PausedRule { rule: "<i>a</i>".into(), file: "rules/a.yaml".into(), reason: PauseReason::Broken }]);
    let time_zone = "Europe/Berlin".to_owned();
    live.next_firings(vec![NextFiring { rule: "overdue".into(), local: "2027-01-15 10:00".into(), time_zone, at: at(3_600) }]);
    live.fired("overdue", FiringOutcome::Ran);
    live.attempt("primary", Outcome::Accepted);
    live.attempt("primary", Outcome::ServerFault);
    live.fault(FaultKind::ServerFault, "primary", "535 <script>alert(1)</script> \"quoted\"", at(30));
    live.beat(at(60));
    live
}

/// A running page, and what ends it.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<io::Result<()>>,
}

async fn start(live: Live, bounds: Bounds) -> Running {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let source = Source::new(live, "there/is/no.db".into(), Arc::new(Stopped(at(60))));
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(serve(listener, Arc::new(source), bounds, async { drop(stopped.await) }));
    Running { address, stop, done }
}

/// Sends a request as it stands and returns all that comes back until the other side closes.
async fn say(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset tells the same as an end: no more comes.
    let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    drop(end.expect("every connection ends"));
    String::from_utf8(answer).unwrap()
}

async fn get_page(address: SocketAddr, path: &str) -> String {
    say(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost:9645\r\nConnection: close\r\n\r\n")).await
}

fn status_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[tokio::test]
async fn each_page_answers_in_its_form() {
    let page = start(busy(), Bounds::default()).await;
    for (path, code, kind) in [
        ("/", "HTTP/1.1 200 OK", "text/html; charset=utf-8"),
        ("/style.css", "HTTP/1.1 200 OK", "text/css; charset=utf-8"),
        ("/health", "HTTP/1.1 200 OK", "application/json"),
        ("/live", "HTTP/1.1 200 OK", "text/plain; charset=utf-8"),
        ("/metrics", "HTTP/1.1 200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("/etc/passwd", "HTTP/1.1 404 Not Found", "text/plain; charset=utf-8"),
    ] {
        let answer = get_page(page.address, path).await;
        assert_eq!(status_line(&answer), code, "{path}");
        for header in [&format!("content-type: {kind}"), "cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(answer.contains(&format!("{header}\r\n")), "{path} lacks {header}:\n{answer}");
        }
    }
}

#[tokio::test]
async fn health_is_503_only_where_the_work_is_not_done_and_live_only_where_the_loop_stands() {
    for (tell, health, word, live_code) in [
        ((|_| {}) as fn(&Live), "200 OK", "degraded", "200 OK"),
        (|live| live.fault(FaultKind::StoreFailed, "", "full", at(1)), "503 Service Unavailable", "failing", "200 OK"),
        (|live| live.beat(at(0)), "503 Service Unavailable", "failing", "503 Service Unavailable"),
    ] {
        let live = busy();
        tell(&live);
        let page = start(live, Bounds::default()).await;
        let answer = get_page(page.address, "/health").await;
        assert_eq!(status_line(&answer), format!("HTTP/1.1 {health}"));
        let json: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!((json["health"].as_str(), json["instance"].as_str()), (Some(word), Some("acme")));
        assert_eq!(status_line(&get_page(page.address, "/live").await), format!("HTTP/1.1 {live_code}"));
    }
}

#[tokio::test]
async fn who_is_led_here_under_a_foreign_name_is_turned_away() {
    let page = start(busy(), Bounds::default()).await;
    let get = |hosts: &str| format!("GET /health HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
    for (hosts, expected) in [
        ("Host: localhost\r\n", "200 OK"),
        ("Host: LOCALHOST:9645\r\n", "200 OK"),
        ("Host: 127.0.0.1:9645\r\n", "200 OK"),
        ("Host: [::1]\r\n", "200 OK"),
        ("Host: [::1]:9645\r\n", "200 OK"),
        ("Host: evil.example:9645\r\n", "403 Forbidden"),
        ("Host: localhost.evil.example\r\n", "403 Forbidden"),
        ("Host: 127.0.0.1.evil.example\r\n", "403 Forbidden"),
        ("Host: 10.0.0.7\r\n", "403 Forbidden"),
        ("Host: localhost\r\nHost: evil.example\r\n", "403 Forbidden"),
        ("", "403 Forbidden"),
    ] {
        assert_eq!(status_line(&say(page.address, &get(hosts)).await), format!("HTTP/1.1 {expected}"), "{hosts:?}");
    }
}

#[tokio::test]
async fn nothing_can_be_changed_here() {
    let page = start(busy(), Bounds::default()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer =
            say(page.address, &format!("{method} /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(status_line(&answer), "HTTP/1.1 405 Method Not Allowed", "{method}");
    }
}

#[tokio::test]
async fn markup_in_an_id_or_a_fault_is_only_text() {
    let page = start(busy(), Bounds::default()).await;
    let html = get_page(page.address, "/").await;
    for raw in ["<script", "<i>", "<b>", "\"quoted\""] {
        assert!(!html.contains(raw), "{raw} in\n{html}");
    }
    for escaped in ["535 &lt;script&gt;", "&lt;i&gt;a&lt;", "<code>&lt;b&gt;</code> is no level"] {
        assert!(html.contains(escaped), "{escaped} not in\n{html}");
    }
}

#[tokio::test]
async fn the_page_says_what_is_wrong_what_comes_next_and_what_was_done() {
    let page = start(busy(), Bounds::default()).await;
    let html = get_page(page.address, "/").await;
    for words in [
        "<title>degraded · Dunlin acme</title>",
        "mode: redirect",
        "It works, but needs somebody",
        "2027-01-15 08:01 UTC, up for 1 min",
        "Mend the account or the server&#x27;s settings in config.yaml",
        "<th scope=\"row\">overdue</th><td>2027-01-15 10:00 <span class=\"quiet\">Europe&#x2f;Berlin</span></td><td class=\"number\">in 59 min</td>",
        "There is no database to read.",
        "<td>server_fault</td><td class=\"number\">1</td>",
        "Generation <code>0123456789ab</code>, in force for 50 s. The change of 40 s ago is <strong>not</strong> in force.",
    ] {
        assert!(html.contains(words), "{words} not in\n{html}");
    }
}

#[tokio::test]
async fn who_says_too_much_or_stays_too_long_is_cut_off() {
    let brief = Bounds { lifetime_max: Duration::from_millis(30), ..Bounds::default() };
    let page = start(busy(), brief).await;
    assert_eq!(say(page.address, "GET / HTTP/1.1\r\nHost: loc").await, "");
    let narrow = Bounds { bytes_max: 1_000, ..Bounds::default() };
    let page = start(busy(), narrow).await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2_000));
    assert!(!say(page.address, &long).await.contains("200 OK"));
    assert_eq!(status_line(&get_page(page.address, "/live").await), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn one_more_than_may_be_in_waits_until_somebody_leaves() {
    let page = start(busy(), Bounds { connections_max: 1, ..Bounds::default() }).await;
    let mut first = TcpStream::connect(page.address).await.unwrap();
    first.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut some = [0; 15];
    first.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200 OK");
    let mut second = Box::pin(get_page(page.address, "/live"));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut second).await.is_err(), "the second was let in too");
    drop(first);
    assert_eq!(status_line(&second.await), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let page = start(busy(), Bounds::default()).await;
    assert_eq!(status_line(&get_page(page.address, "/live").await), "HTTP/1.1 200 OK");
    page.stop.send(()).unwrap();
    page.done.await.unwrap().unwrap();
    assert!(TcpStream::connect(page.address).await.is_err());
}
