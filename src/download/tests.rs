//! Servers that behave, and those that do not.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::net::trust::trusted;

/// A server on this machine that answers each connection with the next of these texts and closes, and tells what it was asked.
fn server(answers: Vec<String>) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap_or_default();
                if line.is_empty() {
                    break;
                }
                asked.push_str(&line.to_ascii_lowercase());
                asked.push('\n');
            }
            tell.send(asked).unwrap_or_default();
            if answer == "silence" {
                // Until whoever asked gives up and closes.
                let mut rest = String::new();
                BufReader::new(stream).read_line(&mut rest).unwrap_or_default();
                continue;
            }
            stream.write_all(answer.as_bytes()).unwrap_or_default();
            stream.shutdown(Shutdown::Write).unwrap_or_default();
        }
    });
    (port, told)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
}

fn leads(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

fn order(port: u16, credential: Option<Credential>) -> Order {
    Order {
        address: WebAddress::parse(&format!("http://127.0.0.1:{port}/a/R-1.pdf?key=hidden")).unwrap(),
        credential,
        tls: Arc::new(crate::net::trust::client_config(trusted(None, "a test").unwrap())),
        bytes_max: 100,
        within: Duration::from_secs(20),
    }
}

async fn came(answers: Vec<String>) -> Result<String, String> {
    let (port, _) = server(answers);
    let downloaded = download(&order(port, None)).await;
    let words = downloaded.map(|downloaded| String::from_utf8(downloaded.bytes.to_vec()).unwrap());
    words.map_err(|words| words.replace(&port.to_string(), "PORT"))
}

#[tokio::test]
async fn a_document_comes_whole_or_not_at_all() {
    let at = "http://127.0.0.1:PORT/a/R-1.pdf";
    let cut_off = || "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly a part".to_owned();
    for (answers, expected) in [
        (vec![ok("%PDF")], Ok("%PDF".to_owned())),
        // What fails in passing is tried once more.
        (vec![status("503 Busy"), ok("%PDF")], Ok("%PDF".to_owned())),
        (vec![cut_off(), ok("%PDF")], Ok("%PDF".to_owned())),
        (vec![String::new(), ok("%PDF")], Ok("%PDF".to_owned())),
        (vec![status("503 Busy"), status("503 Busy")], Err(format!("{at} cannot be had now (503)"))),
        // What is not there will not be there at once.
        (vec![status("404 Not Found"), ok("%PDF")], Err(format!("{at} is not there (404)"))),
        (vec![status("409 Conflict")], Err(format!("{at} is not ready (409)"))),
        (vec![status("403 Forbidden")], Err(format!("{at} is not given to us (403)"))),
        (vec![ok("")], Err(format!("{at} is empty"))),
        (vec![ok(&"x".repeat(101))], Err(format!("{at} has more than 100 bytes"))),
        (vec![leads("/b.pdf"), ok("%PDF")], Ok("%PDF".to_owned())),
        (vec![leads("/1"), leads("/2"), leads("/3"), leads("/4")], Err(format!("{at} leads on and on: more than 3 redirects"))),
        (
            vec![leads("http://elsewhere.example/x")],
            Err(format!("{at} leads to an address that would send secrets in plain text")),
        ),
        (
            vec![leads("ftp://x/y")],
            Err(format!("{at} leads to an address that is not an address such as `https://login.example.com/token`")),
        ),
        (vec!["HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned()], Err(format!("{at} leads to nowhere (302)"))),
    ] {
        assert_eq!(came(answers.clone()).await, expected, "{answers:?}");
    }
    let broken = came(vec![cut_off(), cut_off()]).await.unwrap_err();
    assert!(broken.starts_with(&format!("{at} broke off in the middle: ")), "{broken}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let (port, _) = server(vec!["silence".to_owned()]);
    let order = Order { within: Duration::from_millis(300), ..order(port, None) };
    let fault = download(&order).await.unwrap_err();
    assert_eq!(fault, format!("http://127.0.0.1:{port}/a/R-1.pdf did not come within 300ms"));
}

#[tokio::test]
async fn a_secret_is_shown_to_its_own_server_and_to_no_other() {
    let (other, asked_of_other) = server(vec![ok("%PDF")]);
    let (own, asked) = server(vec![leads(&format!("http://127.0.0.1:{other}/x"))]);
    let secret = Credential { header: None, secret: Secret::new("hunter2") };
    assert_eq!(download(&order(own, Some(secret))).await.unwrap().content_type.as_deref(), Some("application/pdf"));
    let (asked, asked_of_other) = (asked.recv().unwrap(), asked_of_other.recv().unwrap());
    assert!(asked.contains("authorization: bearer hunter2\n"), "{asked}");
    assert!(asked_of_other.starts_with("get /x http/1.1\n") && !asked_of_other.contains("hunter2"), "{asked_of_other}");

    let (own, asked) = server(vec![ok("%PDF")]);
    let key = Credential { header: Some("X-Api-Key".into()), secret: Secret::new("hunter2") };
    download(&order(own, Some(key))).await.unwrap();
    assert!(asked.recv().unwrap().contains("x-api-key: hunter2\n"));
}
