//! Signing in: every way against a server that speaks it, and tokens from a token server that does its worst.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dunlin::domain::date::Timestamp;
use dunlin::domain::id::ServerId;
use dunlin::domain::secret::Secret;
use dunlin::net::address::WebAddress;
use dunlin::oauth::assertion::{Certificate, SigningKey};
use dunlin::oauth::settings::{Account, Client, ClientProof, Grant};
use dunlin::oauth::source::AccountTokens;
use dunlin::outbox::attempt::Outcome::{Accepted, Deferred, ServerFault};
use dunlin::outbox::attempt::{Outcome, Stage};
use dunlin::port::{Clock, Pending, TokenFault, TokenSource, Transport as _};
use dunlin::smtp::auth::Mechanism;
use dunlin::smtp::loopback::LoopbackTls;
use dunlin::smtp::settings::{Proof, Security, ServerSettings, SignIn};
use serde_json::Value;

use crate::house::{Door, House, Seen, attempt, message, transport};
use crate::scripted::{Hear, Peer, Say, Silence};
use crate::tls::{authority_pem, credentials, good, trusting};
use crate::token_server::{Answer, Form, TokenServer, token};

const CLIENT_SECRET: &str = "secret-of-the-program";
/// Made for the tests with `openssl genrsa 2048`; it protects nothing.
const KEY: &str = include_str!("../tokens/rsa.pem");

/// A clock that stands still until it is put on.
struct StoppedClock(AtomicI64);

impl StoppedClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_835_438_400)))
    }

    fn put_on(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

fn account(url: &str, grant: Grant) -> Account {
    Account {
        server: ServerId::new("primary"),
        token_url: WebAddress::parse(url).unwrap(),
        scope: Some("mail.send".to_owned()),
        grant,
        ca_pem: None,
        within: Duration::from_secs(10),
    }
}

fn program(proof: ClientProof) -> Client {
    Client { id: "app".to_owned(), proof }
}

fn with_secret() -> Grant {
    Grant::ClientCredentials(program(ClientProof::Secret(Secret::new(CLIENT_SECRET))))
}

fn tokens(url: &str, clock: &Arc<StoppedClock>) -> Arc<AccountTokens> {
    Arc::new(AccountTokens::new(account(url, with_secret()), clock.clone()).unwrap())
}

/// A source that always has the same token.
struct Fixed(&'static str);

impl TokenSource for Fixed {
    fn token(&self, _: Option<Secret>) -> Pending<'_, Result<Secret, TokenFault>> {
        Box::pin(std::future::ready(Ok(Secret::new(self.0))))
    }
}

fn token_account(source: Arc<dyn TokenSource>, mechanism: Option<Mechanism>) -> Option<SignIn> {
    Some(SignIn { user: "ar@acme.example".to_owned(), proof: Proof::Token(source), mechanism })
}

/// Starts a server that takes the tokens for which `is_good` holds.
async fn token_house(is_good: impl Fn(&str) -> bool + Send + Sync + 'static) -> House {
    House::start(|house| {
        house.tls = Some(LoopbackTls::Implicit(good()));
        house.token_rule = Some(Arc::new(move |user, token| user == "ar@acme.example" && is_good(token)));
        house.sign_in = "PLAIN XOAUTH2 OAUTHBEARER";
    })
    .await
}

fn settings(house: &House, auth: Option<SignIn>) -> ServerSettings {
    ServerSettings { auth, ..trusting(house.port, Security::Implicit) }
}

#[tokio::test]
async fn every_way_to_sign_in_is_understood_by_its_server() {
    const LONG: &str = include_str!("../tokens/rsa.pem");
    let long: &'static str = Box::leak(LONG.lines().collect::<String>().into_boxed_str());
    for (mechanism, secret) in [
        (Mechanism::Plain, "hunter2"),
        (Mechanism::Login, "hunter2"),
        (Mechanism::CramMd5, "hunter2"),
        (Mechanism::XOauth2, "short"),
        (Mechanism::XOauth2, long),
        (Mechanism::OauthBearer, "short"),
        (Mechanism::OauthBearer, long),
    ] {
        let mut house = House::start(|house| {
            house.tls = Some(LoopbackTls::Implicit(good()));
            house.credentials = credentials("hunter2");
            house.token_rule = Some(Arc::new(move |user, token| user == "a,r=@acme.example" && token == secret));
            house.sign_in = mechanism.name();
        })
        .await;
        let proof = match mechanism {
            Mechanism::XOauth2 | Mechanism::OauthBearer => Proof::Token(Arc::new(Fixed(secret))),
            _ => Proof::Password(Secret::new(secret)),
        };
        let user = if matches!(proof, Proof::Token(_)) { "a,r=@acme.example" } else { "robot" };
        let sign_in = SignIn { user: user.to_owned(), proof, mechanism: Some(mechanism) };
        let seen = attempt(&transport(settings(&house, Some(sign_in))), &message(&[]), &Door::open()).await;
        assert_eq!((seen.outcome, seen.fault.as_str()), (Accepted, ""), "{mechanism:?}");
        assert_eq!(house.next().await.user.as_deref(), Some(user));
    }
}

#[tokio::test]
async fn the_way_that_is_asked_for_is_the_only_one() {
    let house = token_house(|_| true).await;
    let fault = "The server does not offer CRAM-MD5, which `mechanism` asks for; it offers PLAIN, XOAUTH2, OAUTHBEARER";
    let sign_in = SignIn { mechanism: Some(Mechanism::CramMd5), ..credentials("hunter2").unwrap().into() };
    let seen = attempt(&transport(settings(&house, Some(sign_in))), &message(&[]), &Door::open()).await;
    assert_eq!(seen, Seen { stage: Stage::Auth, outcome: ServerFault, code: None, fault: fault.to_owned() });

    let house = House::start(|house| {
        (house.tls, house.credentials) = (Some(LoopbackTls::Implicit(good())), credentials("hunter2"));
    })
    .await;
    let sign_in = token_account(Arc::new(Fixed("token")), None);
    let seen = attempt(&transport(settings(&house, sign_in)), &message(&[]), &Door::open()).await;
    let fault = "The server takes none of our ways to sign in (XOAUTH2, OAUTHBEARER); it offers PLAIN, LOGIN";
    assert_eq!(seen, Seen { stage: Stage::Auth, outcome: ServerFault, code: None, fault: fault.to_owned() });
}

#[tokio::test]
async fn no_token_goes_over_an_open_line() {
    let eager = vec![Say("220 peer\r\n"), Hear("EHLO"), Say("250-peer\r\n250 AUTH XOAUTH2\r\n"), Silence];
    let peer = Peer::start(vec![eager]).await;
    let auth = token_account(Arc::new(Fixed("token")), None);
    let open = ServerSettings { auth, allow_plaintext: true, ..trusting(peer.port, Security::None) };
    let seen = attempt(&transport(open), &message(&[]), &Door::open()).await;
    assert_eq!((seen.stage, seen.outcome), (Stage::Auth, ServerFault), "{}", seen.fault);
    peer.assert_played().await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_then_the_server_is_at_fault() {
    let server = TokenServer::counting();
    let tokens_of_the_server = tokens(&server.url(), &StoppedClock::new());
    let house = token_house(|token| token != "token-1").await;
    let sender = transport(settings(&house, token_account(tokens_of_the_server, None)));
    assert_eq!(attempt(&sender, &message(&[]), &Door::open()).await.outcome, Accepted);
    assert_eq!(server.asked().len(), 2, "the first was refused, the second taken");

    for mechanism in [Mechanism::XOauth2, Mechanism::OauthBearer] {
        let server = TokenServer::counting();
        let clock = StoppedClock::new();
        let house = token_house(|_| false).await;
        let auth = token_account(tokens(&server.url(), &clock), Some(mechanism));
        let sender = transport(settings(&house, auth));
        for _ in 0..3 {
            let seen = attempt(&sender, &message(&[]), &Door::open()).await;
            let fault = "The server said of the token: {\"status\":\"401\",\"schemes\":\"bearer\"}";
            let expected = Seen { stage: Stage::Auth, outcome: ServerFault, code: Some(535), fault: fault.to_owned() };
            assert_eq!(seen, expected, "{mechanism:?}");
        }
        assert_eq!(server.asked().len(), 2, "{mechanism:?}: the one that took the place of a refused one is not replaced again");
        clock.put_on(301);
        attempt(&sender, &message(&[]), &Door::open()).await;
        assert_eq!(server.asked().len(), 3, "{mechanism:?}: a person may have mended it meanwhile");
    }
}

#[tokio::test]
async fn many_connections_fetch_one_token() {
    let server = TokenServer::counting();
    let mut house = token_house(|token| token == "token-1").await;
    let auth = token_account(tokens(&server.url(), &StoppedClock::new()), None);
    let sender = Arc::new(transport(ServerSettings { connections: 8, ..settings(&house, auth) }));
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.attempt(&message(&[]), &Door::open()).await.outcome })
        })
        .collect();
    for ended in attempts {
        assert_eq!(ended.await.unwrap(), Accepted);
        assert_eq!(house.next().await.user.as_deref(), Some("ar@acme.example"));
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn whoever_waits_for_a_request_shares_its_end() {
    // The token server answers once everybody has asked.
    for (is_good, expected) in [(true, Ok(Secret::new("token"))), (false, Err(()))] {
        let all_have_asked = Arc::new(Barrier::new(2));
        let gate = all_have_asked.clone();
        let server = TokenServer::start(move |_, _| {
            gate.wait();
            if is_good { token("token", 3_600) } else { Answer::Reply(401, "{\"error\":\"invalid_client\"}".to_owned()) }
        });
        let source = tokens(&server.url(), &StoppedClock::new());
        let asked: Vec<_> = (0..8).map(|_| source.token(None)).collect();
        // Behind the others in the one thread of this runtime: each of them is waiting by now.
        tokio::spawn(async move { drop(tokio::task::spawn_blocking(move || all_have_asked.wait()).await) });
        for one in asked {
            assert_eq!(one.await.map_err(|_| ()), expected);
        }
        assert_eq!(server.asked().len(), 1, "a wrong secret is not offered eight times");
    }
}

#[tokio::test]
async fn a_token_is_fetched_anew_at_four_fifths_of_its_life() {
    let is_down = Arc::new(Mutex::new(false));
    let switch = is_down.clone();
    let server = TokenServer::start(move |count, _| match *switch.lock().unwrap() {
        true => Answer::Reply(503, String::new()),
        false => token(&format!("token-{count}"), 1_000),
    });
    let clock = StoppedClock::new();
    let source = tokens(&server.url(), &clock);
    let mut steps = Vec::new();
    for (seconds, down) in
        [(0, false), (799, false), (1, false), (800, true), (59, true), (1, true), (139, true), (1, true), (0, false)]
    {
        clock.put_on(seconds);
        *is_down.lock().unwrap() = down;
        let got = source.token(None).await;
        let got = got.map_or_else(|fault| fault.to_string(), |token| token.expose().to_owned());
        steps.push((got, server.asked().len()));
    }
    let down = format!("The token server \"127.0.0.1:{}\" answered 503", server.port);
    let expected = [
        ("token-1", 1),
        ("token-1", 1),
        ("token-2", 2),
        // From here on the token server is down, and the token at hand still good.
        ("token-2", 3),
        ("token-2", 3),
        ("token-2", 4),
        ("token-2", 5),
        (&down, 6),
        ("token-7", 7),
    ];
    assert_eq!(steps, expected.map(|(token, count)| (token.to_owned(), count)));

    // A clock that was set back says nothing of a token's age.
    clock.put_on(-3_600);
    assert_eq!(source.token(None).await.unwrap().expose(), "token-8");
}

/// Returns how an attempt ends whose token server answers so, and its fault; the mail server is never spoken to.
async fn ended(url: &str, within: Duration, ca_pem: Option<Vec<u8>>) -> (Outcome, String) {
    let account = Account { within, ca_pem, ..account(url, with_secret()) };
    let source = Arc::new(AccountTokens::new(account, StoppedClock::new()).unwrap());
    let house = token_house(|_| true).await;
    let seen = attempt(&transport(settings(&house, token_account(source, None))), &message(&[]), &Door::open()).await;
    assert!(!seen.fault.contains(CLIENT_SECRET), "{}", seen.fault);
    assert_eq!(seen.stage, if seen.outcome == Accepted { Stage::FinalDot } else { Stage::Auth });
    (seen.outcome, seen.fault)
}

#[tokio::test]
async fn a_token_server_in_trouble_defers_and_one_that_refuses_us_needs_a_person() {
    let entra = format!(
        "{{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided ({CLIENT_SECRET}).\\r\\n\
         Trace ID: 1\",\"error_codes\":[7000215]}}"
    );
    let huge = format!("{{\"access_token\":\"{}\"}}", "x".repeat(100_000));
    type Make = Box<dyn Fn() -> Answer + Send + Sync>;
    let reply = |status: u16, body: &str| -> Make {
        let body = body.to_owned();
        Box::new(move || Answer::Reply(status, body.clone()))
    };
    let cases: Vec<(Make, Outcome, &str)> = vec![
        (Box::new(|| Answer::Silence), Deferred, "did not answer within 300ms"),
        (Box::new(|| Answer::Close), Deferred, "broke off"),
        (Box::new(|| Answer::Bytes("hello\r\n\r\n")), Deferred, "broke off"),
        (Box::new(|| Answer::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{")), Deferred, "broke off"),
        (reply(500, "{\"error\":\"server_error\"}"), Deferred, "answered 500: server_error"),
        (reply(429, ""), Deferred, "answered 429"),
        (
            reply(400, &entra),
            ServerFault,
            "answered 400: invalid_client: AADSTS7000215: Invalid client secret provided (***). Trace ID: 1",
        ),
        (reply(302, ""), ServerFault, "answered 302 and sends us elsewhere"),
        (reply(200, "<html>Welcome</html>"), ServerFault, "answered 200 without a token"),
        (reply(200, &huge), ServerFault, "answered 200 with more than 65536 bytes"),
    ];
    for (make, outcome, expected) in cases {
        let server = TokenServer::start(move |_, _| make());
        let (ended, fault) = ended(&server.url(), Duration::from_millis(300), None).await;
        assert_eq!(ended, outcome, "{fault}");
        assert!(fault.contains(expected), "{fault:?} does not say {expected:?}");
        assert_eq!(server.asked().len(), 1, "{fault}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (outcome, fault) = ended(&format!("http://{nobody}/token"), Duration::from_secs(10), None).await;
    assert_eq!(outcome, Deferred);
    assert!(fault.starts_with(&format!("The token server cannot be reached: No connection to \"{nobody}\"")), "{fault}");
}

#[tokio::test]
async fn a_token_server_is_trusted_by_its_certificate_alone() {
    let server = TokenServer::start_with(Some(good()), |_, _| token("token", 3_600));
    let url = format!("https://127.0.0.1:{}/token", server.port);
    assert_eq!(ended(&url, Duration::from_secs(10), Some(authority_pem())).await, (Accepted, String::new()));
    let (outcome, fault) = ended(&url, Duration::from_secs(10), None).await;
    assert_eq!(outcome, ServerFault);
    assert!(fault.contains("is not trusted: its certificate comes from an authority unknown here"), "{fault}");
    assert_eq!(server.asked().len(), 1, "no secret goes to a server that is not trusted");
}

#[tokio::test]
async fn each_way_asks_as_its_standard_says() {
    let fields = |pairs: &[(&str, &str)]| -> Form {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let pem = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&rcgen::KeyPair::from_pem(KEY).unwrap()).unwrap().pem();
    let key = Secret::new(KEY);
    let certificate = ClientProof::Certificate(Certificate::from_pem(pem.as_bytes(), &key).unwrap());
    let person = |client| Grant::RefreshToken { client, token: Secret::new("agreed"), file: None };
    let google = Grant::ServiceAccount {
        email: "robot@p.example".to_owned(),
        key_id: "k1".to_owned(),
        key: SigningKey::from_pem(&key).unwrap(),
        subject: "ar@acme.example".to_owned(),
    };
    for (grant, expected, signed) in [
        (
            with_secret(),
            fields(&[
                ("grant_type", "client_credentials"),
                ("client_id", "app"),
                ("client_secret", CLIENT_SECRET),
                ("scope", "mail.send"),
            ]),
            None,
        ),
        (
            Grant::ClientCredentials(program(certificate)),
            fields(&[
                ("grant_type", "client_credentials"),
                ("client_id", "app"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("scope", "mail.send"),
            ]),
            Some(("client_assertion", "app")),
        ),
        (
            person(program(ClientProof::None)),
            fields(&[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", "agreed"), ("scope", "mail.send")]),
            None,
        ),
        (
            google,
            fields(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")]),
            Some(("assertion", "ar@acme.example")),
        ),
    ] {
        let server = TokenServer::counting();
        let source = AccountTokens::new(account(&server.url(), grant), StoppedClock::new()).unwrap();
        assert_eq!(source.token(None).await.unwrap(), Secret::new("token-1"));
        let mut form = server.asked().remove(0);
        if let Some((name, subject)) = signed {
            let assertion = form.remove(name).unwrap();
            let claims: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap()).unwrap();
            assert_eq!((claims["sub"].as_str(), claims["aud"].as_str()), (Some(subject), Some(server.url().as_str())));
        }
        assert_eq!(form, expected);
    }
}

/// Starts a token server that puts a new refresh token in the place of each, and takes none twice.
fn rotating() -> TokenServer {
    TokenServer::start(|count, form| {
        let due = if count == 1 { "agreed".to_owned() } else { format!("agreed-{count}") };
        match form["refresh_token"] == due {
            true => {
                let next = count + 1;
                Answer::Reply(
                    200,
                    format!("{{\"expires_in\":1000,\"access_token\":\"token-{count}\",\"refresh_token\":\"agreed-{next}\"}}"),
                )
            }
            false => Answer::Reply(400, "{\"error\":\"invalid_grant\"}".to_owned()),
        }
    })
}

fn person(url: &str, file: &Path, clock: &Arc<StoppedClock>) -> AccountTokens {
    let token = Secret::new(std::fs::read_to_string(file).unwrap_or_else(|_| "agreed".to_owned()).trim());
    let client = program(ClientProof::None);
    AccountTokens::new(account(url, Grant::RefreshToken { client, token, file: Some(file.to_owned()) }), clock.clone()).unwrap()
}

#[tokio::test]
async fn a_replaced_refresh_token_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "agreed\n").unwrap();
    let (server, clock) = (rotating(), StoppedClock::new());
    let source = person(&server.url(), &file, &clock);
    for count in 1..=2 {
        assert_eq!(source.token(None).await.unwrap(), Secret::new(format!("token-{count}")));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("agreed-{}\n", count + 1));
        assert_eq!(source.concern(), None);
        clock.put_on(900);
    }
    // Another process knows only what the file says.
    let source = person(&server.url(), &file, &clock);
    assert_eq!(source.token(None).await.unwrap(), Secret::new("token-3"));
}

#[tokio::test]
async fn a_refresh_token_that_cannot_be_written_still_serves_this_process_and_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let (server, clock) = (rotating(), StoppedClock::new());
    let source = Arc::new(person(&server.url(), &file, &clock));
    let house = token_house(|_| true).await;
    let sender = transport(settings(&house, token_account(source.clone(), None)));
    let told = "The refresh token was replaced, and the new one cannot be kept: No such file or directory (os error 2)";
    for (count, concern) in [(1, Some(told)), (2, Some(told)), (3, None)] {
        if concern.is_none() {
            std::fs::write(&file, "a person has seen to it").unwrap();
        }
        assert_eq!(source.token(None).await.unwrap(), Secret::new(format!("token-{count}")));
        assert_eq!(sender.concern().as_deref(), concern, "{count}");
        clock.put_on(900);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "agreed-4\n");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "agreed\n").unwrap();
    let (heard, is_heard) = tokio::sync::oneshot::channel();
    let (heard, gone) = (Mutex::new(Some(heard)), Arc::new(Barrier::new(2)));
    let has_gone = gone.clone();
    let server = TokenServer::start(move |_, form| {
        if form["refresh_token"] != "agreed" {
            return Answer::Reply(400, "{\"error\":\"invalid_grant\"}".to_owned());
        }
        heard.lock().unwrap().take().expect("no refresh token is taken twice").send(()).unwrap();
        has_gone.wait();
        Answer::Reply(200, "{\"expires_in\":1000,\"access_token\":\"token\",\"refresh_token\":\"agreed-2\"}".to_owned())
    });
    let source = person(&server.url(), &file, &StoppedClock::new());
    // Whoever asked has gone when the answer comes.
    tokio::select! {
        _ = source.token(None) => panic!("the token server waits"),
        heard = is_heard => heard.unwrap(),
    }
    tokio::task::spawn_blocking(move || gone.wait()).await.unwrap();
    assert_eq!(source.token(None).await.unwrap(), Secret::new("token"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "agreed-2\n");
    assert_eq!(server.asked().len(), 1);
}
