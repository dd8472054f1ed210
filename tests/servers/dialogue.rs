//! One dialogue after the other: what arrives, what is refused, and what is said about it.

use dunlin::domain::mailbox::{Recipient, RecipientRole};
use dunlin::domain::secret::Secret;
use dunlin::outbox::attempt::{Outcome, Stage};
use dunlin::port::{Outgoing, Transport as _};
use dunlin::smtp::auth::Credentials;
use dunlin::smtp::pool::SmtpTransport;
use dunlin::smtp::settings::{Security, ServerSettings};

use crate::authority::{Authority, Leaf};
use crate::house::{Door, House, settings, transport};
use crate::premises::wait_until;
use crate::server::{GONE, INBOX, PASSWORD, PostfixExtra, SIZE_MAX, Server, USER, dovecot, exim, postfix};

fn settings_for(authority: &Authority, port: u16) -> ServerSettings {
    ServerSettings {
        security: Security::StartTls,
        ca_pem: Some(authority.root_pem.clone().into_bytes()),
        auth: Some(Credentials { user: USER.to_owned(), password: Secret::new(PASSWORD) }.into()),
        ..settings(port)
    }
}

fn client(authority: &Authority, server: &Server) -> SmtpTransport {
    transport(settings_for(authority, server.port))
}

fn outgoing(recipients: &[&str], bytes: &[u8]) -> Outgoing {
    let recipient = |address: &&str| Recipient { address: (*address).into(), role: RecipientRole::To };
    Outgoing {
        envelope_from: "ar@seller.example".into(),
        recipients: recipients.iter().map(recipient).collect(),
        signatures: vec![],
        bytes: bytes.into(),
    }
}

const ONE: &str = "one@customer.example";

const HEADER: &str = "From: ar@seller.example\r\nTo: one@customer.example\r\nMessage-ID: <1@seller.example>\r\n\
                      Date: Tue, 29 Feb 2028 12:00:00 +0000\r\nMIME-Version: 1.0\r\nSubject: Reminder";

/// Bodies that servers have been known to change, each with a name.
fn difficult_mails() -> Vec<(&'static str, Vec<u8>)> {
    let mail = |name: &str, body: &[u8]| [format!("{HEADER} {name}\r\n\r\n").as_bytes(), body].concat();
    vec![
        ("eight bits", mail("eight bits", "Zahlungserinnerung über 1.234,50 € für Jörg Müßig\r\n".as_bytes())),
        ("dots", mail("dots", b".\r\n..\r\n.dot\r\n\r\n.\r\nMAIL FROM:<x@y.example>\r\n.\r\n")),
        ("long lines", mail("long lines", format!("{}\r\n{}\r\n", "a".repeat(998), "b".repeat(997)).as_bytes())),
        ("blanks", mail("blanks", b"trailing \t\r\n\r\nFrom the books\r\n\r\n\r\n")),
    ]
}

fn lines(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

/// Returns `mail` without the headers that servers put before it, if it ends in the one that was sent.
fn is_whole(delivered: &[u8], sent: &[u8]) -> bool {
    lines(delivered).ends_with(&lines(sent))
}

fn assert_whole(server: &str, delivered: &[Vec<u8>], sent: &[(&str, Vec<u8>)]) {
    assert_eq!(delivered.len(), sent.len(), "{server}");
    for (name, mail) in sent {
        let found = delivered.iter().filter(|found| is_whole(found, mail)).count();
        assert_eq!(
            found,
            1,
            "{server}: {name} arrived changed: {:#?}",
            delivered.iter().map(|mail| lines(mail)).collect::<Vec<_>>()
        );
    }
}

async fn hand_over(client: &SmtpTransport, mails: &[(&str, Vec<u8>)]) {
    for (name, mail) in mails {
        let attempt = client.attempt(&outgoing(&[ONE], mail), &Door::open()).await;
        assert_eq!(attempt.outcome, Outcome::Accepted, "{name}: {attempt:?}");
    }
    client.close().await;
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn every_server_delivers_what_was_sent_byte_for_byte() {
    let authority = Authority::new();
    let mails = difficult_mails();
    for (name, server) in [("Postfix", postfix(&authority, PostfixExtra::default())), ("Exim", exim(&authority, ""))] {
        hand_over(&client(&authority, &server), &mails).await;
        assert_whole(name, &server.premises.wait_for_mails(INBOX, mails.len()), &mails);
    }
    let mut sink = House::start(|_| {}).await;
    let server = dovecot(&authority, sink.port, Leaf::Good);
    hand_over(&client(&authority, &server), &mails).await;
    let mut relayed = vec![];
    for _ in &mails {
        relayed.push(sink.next().await.bytes);
    }
    assert_whole("Dovecot", &relayed, &mails);
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn a_chain_is_trusted_to_its_root_and_nothing_else_is() {
    let authority = Authority::new();
    let faults = |leaf| match leaf {
        Leaf::Good => "",
        Leaf::Expired => "its certificate has expired",
        Leaf::NotYet => "its certificate is not valid yet",
        Leaf::OtherName => "its certificate is for another name",
        Leaf::Alone | Leaf::Stranger => "an authority unknown here",
        Leaf::Namesake => "is not signed by the authority that it names",
    };
    let mut sink = House::start(|_| {}).await;
    let mut servers = vec![("Postfix", postfix(&authority, PostfixExtra::default())), ("Exim", exim(&authority, ""))];
    servers.extend(Leaf::ALL.map(|leaf| ("Dovecot", dovecot(&authority, sink.port, leaf))));
    for (name, server) in servers {
        for (leaf, port) in &server.leaf_ports {
            let client = transport(settings_for(&authority, *port));
            let gate = Door::open();
            let attempt = client.attempt(&outgoing(&[ONE], b"Subject: x\r\n\r\n"), &gate).await;
            client.close().await;
            let expected = match leaf {
                Leaf::Good => (Stage::FinalDot, Outcome::Accepted, 1),
                _ => (Stage::Tls, Outcome::ServerFault, 0),
            };
            assert_eq!((attempt.stage, attempt.outcome, gate.asked()), expected, "{name} {leaf:?}: {attempt:?}");
            let fault = attempt.fault.unwrap_or_default();
            assert!(fault.contains(faults(*leaf)), "{name} {leaf:?}: {fault}");
        }
        if name != "Dovecot" {
            assert_eq!(server.premises.wait_for_mails(INBOX, 1).len(), 1, "{name}");
        }
    }
    sink.next().await;
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn one_refused_among_fifty_stops_nobody_else() {
    let authority = Authority::new();
    let mut recipients: Vec<String> = (1..50).map(|number| format!("ap{number}@customer.example")).collect();
    recipients.insert(25, GONE.to_owned());
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    for (name, server) in [("Postfix", postfix(&authority, PostfixExtra::default())), ("Exim", exim(&authority, ""))] {
        let client = client(&authority, &server);
        let attempt = client.attempt(&outgoing(&recipients, b"Subject: x\r\n\r\nx\r\n"), &Door::open()).await;
        assert_eq!(attempt.outcome, Outcome::Accepted, "{name}: {attempt:?}");
        let refused: Vec<(&str, u16)> =
            attempt.recipients_refused.iter().map(|(address, reply)| (address.as_str(), reply.code)).collect();
        assert_eq!(refused, [(GONE, 550)], "{name}");
        // The connection is as good as before.
        let again = client.attempt(&outgoing(&[ONE], b"Subject: y\r\n\r\ny\r\n"), &Door::open()).await;
        assert_eq!(again.outcome, Outcome::Accepted, "{name}: {again:?}");
        client.close().await;
    }
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn a_mail_beyond_the_servers_size_is_refused_before_its_content() {
    let authority = Authority::new();
    let sink = House::start(|_| {}).await;
    let large = format!("{HEADER}\r\n\r\n{}\r\n", "large ".repeat(SIZE_MAX));
    for (name, server) in [
        ("Postfix", postfix(&authority, PostfixExtra::default())),
        ("Exim", exim(&authority, "")),
        ("Dovecot", dovecot(&authority, sink.port, Leaf::Good)),
    ] {
        let (client, gate) = (client(&authority, &server), Door::open());
        let attempt = client.attempt(&outgoing(&[ONE], large.as_bytes()), &gate).await;
        assert_eq!((attempt.stage, attempt.outcome), (Stage::MailFrom, Outcome::Unsuited), "{name}: {attempt:?}");
        assert_eq!(gate.asked(), 0, "{name}");
        client.close().await;
    }
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn a_wrong_password_is_a_fault_of_the_server_and_is_explained() {
    let authority = Authority::new();
    let sink = House::start(|_| {}).await;
    for (name, server) in [
        ("Postfix", postfix(&authority, PostfixExtra::default())),
        ("Exim", exim(&authority, "")),
        ("Dovecot", dovecot(&authority, sink.port, Leaf::Good)),
    ] {
        let wrong = Credentials { user: USER.to_owned(), password: Secret::new("hunter2") };
        let client = transport(ServerSettings { auth: Some(wrong.into()), ..settings_for(&authority, server.port) });
        let attempt = client.attempt(&outgoing(&[ONE], b"Subject: x\r\n\r\n"), &Door::open()).await;
        assert_eq!((attempt.stage, attempt.outcome), (Stage::Auth, Outcome::ServerFault), "{name}: {attempt:?}");
        let reply = attempt.reply.unwrap();
        let words = format!("{} {}", reply.code, reply.text);
        let diagnosis = dunlin::outbox::diagnosis::diagnose_words(&words);
        assert!(diagnosis.is_some_and(|found| found.meaning.contains("does not accept")), "{name}: {words}");
        assert!(!words.contains("hunter2"));
    }
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn without_a_sign_in_nothing_is_passed_on_and_no_mail_is_given_up_for_it() {
    let authority = Authority::new();
    // As Debian's master.cf has it for submission.
    let strict = PostfixExtra { main: "smtpd_client_restrictions = permit_sasl_authenticated, reject" };
    for (name, server) in [("Postfix", postfix(&authority, strict)), ("Exim", exim(&authority, ""))] {
        let client = transport(ServerSettings { auth: None, ..settings_for(&authority, server.port) });
        let attempt = client.attempt(&outgoing(&[ONE], b"Subject: x\r\n\r\n"), &Door::open()).await;
        assert_eq!((attempt.stage, attempt.outcome), (Stage::RcptTo, Outcome::ServerFault), "{name}: {attempt:?}");
        let reply = attempt.reply.unwrap();
        let diagnosis = dunlin::outbox::diagnosis::diagnose_words(&format!("{} {}", reply.code, reply.text));
        assert!(diagnosis.is_some_and(|found| found.meaning.contains("we have not signed in")), "{name}: {reply:?}");
        client.close().await;
    }
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn a_server_that_takes_few_mails_a_connection_gets_as_many_connections() {
    let authority = Authority::new();
    let server = exim(&authority, "smtp_accept_max_per_connection = 2");
    let client = client(&authority, &server);
    for number in 0..7 {
        let mail = format!("Subject: {number}\r\n\r\n{number}\r\n");
        let attempt = client.attempt(&outgoing(&[ONE], mail.as_bytes()), &Door::open()).await;
        assert_eq!(attempt.outcome, Outcome::Accepted, "{number}: {attempt:?}");
    }
    client.close().await;
    assert_eq!(server.premises.wait_for_mails(INBOX, 7).len(), 7);
}

#[tokio::test]
#[ignore = "needs tests/servers/fetch.sh"]
async fn a_connection_that_the_server_gave_up_while_idle_costs_no_attempt() {
    let authority = Authority::new();
    let server = postfix(&authority, PostfixExtra { main: "smtpd_timeout = 1s" });
    let client = client(&authority, &server);
    let first = client.attempt(&outgoing(&[ONE], b"Subject: 1\r\n\r\n"), &Door::open()).await;
    assert_eq!(first.outcome, Outcome::Accepted, "{first:?}");
    let log = server.premises.path("var/log/mail.log");
    wait_until("Postfix to hang up", || {
        std::fs::read_to_string(&log).unwrap_or_default().contains("timeout after END-OF-MESSAGE")
    });
    let second = client.attempt(&outgoing(&[ONE], b"Subject: 2\r\n\r\n"), &Door::open()).await;
    assert_eq!(second.outcome, Outcome::Accepted, "{second:?}");
    client.close().await;
    assert_eq!(server.premises.wait_for_mails(INBOX, 2).len(), 2);
}
