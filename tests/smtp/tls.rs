//! TLS and signing in: what is trusted, what is refused, and what is never said in plain text.

use std::sync::{Arc, LazyLock};

use dunlin::domain::secret::Secret;
use dunlin::outbox::attempt::Outcome::{Accepted, Deferred, ServerFault};
use dunlin::outbox::attempt::Stage;
use dunlin::outbox::diagnosis::diagnose_words;
use dunlin::smtp::auth::Credentials;
use dunlin::smtp::loopback::LoopbackTls;
use dunlin::smtp::pool::SmtpTransport;
use dunlin::smtp::settings::{Security, ServerSettings};
use dunlin::smtp::tls::TlsFault;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::house::{Door, House, Noon, Seen, attempt, message, settings, transport};
use crate::scripted::{Close, Hear, Peer, Say, Silence, Step};

/// An authority of the tests' own.
struct Authority {
    pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem().into_bytes();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        shown(certificate.der().clone(), PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }
}

fn shown(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

pub fn authority_pem() -> Vec<u8> {
    AUTHORITY.pem.clone()
}

pub fn good() -> Arc<ServerConfig> {
    AUTHORITY.server("127.0.0.1", |_| {})
}

pub fn trusting(port: u16, security: Security) -> ServerSettings {
    ServerSettings { security, ca_pem: Some(AUTHORITY.pem.clone()), ..settings(port) }
}

pub fn credentials(password: &str) -> Option<Credentials> {
    Some(Credentials { user: "robot".to_owned(), password: Secret::new(password) })
}

/// Returns a certificate that signed itself, as `openssl req -x509` makes it, and a server that shows it.
fn self_made(is_ca: IsCa) -> (Vec<u8>, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem().into_bytes();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (pem, shown(certificate.der().clone(), key))
}

async fn assert_seen(settings: ServerSettings, stage: Stage, outcome: dunlin::outbox::attempt::Outcome, fault: &str) {
    let seen = attempt(&transport(settings), &message(&[]), &Door::open()).await;
    assert_eq!((seen.stage, seen.outcome), (stage, outcome), "{}", seen.fault);
    assert!(seen.fault.contains(fault), "{:?} does not say {fault:?}", seen.fault);
    assert!(!format!("{seen:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_own_authority_is_trusted_when_it_is_named() {
    for (tls, security) in [
        (LoopbackTls::Implicit(good()), Security::Implicit),
        (LoopbackTls::StartTls(good()), Security::StartTls),
        (LoopbackTls::StartTls(good()), Security::Opportunistic),
    ] {
        let mut house = House::start(|house| {
            house.tls = Some(tls);
            house.credentials = credentials("hunter2");
        })
        .await;
        let settings = ServerSettings { auth: credentials("hunter2").map(Into::into), ..trusting(house.port, security) };
        let seen = attempt(&transport(settings), &message(&[]), &Door::open()).await;
        let expected = Seen { stage: Stage::FinalDot, outcome: Accepted, code: Some(250), fault: String::new() };
        assert_eq!(seen, expected, "{security:?}");
        let received = house.next().await;
        assert_eq!((received.is_encrypted, received.user.as_deref()), (true, Some("robot")));
    }
}

#[tokio::test]
async fn a_self_made_certificate_that_is_no_authoritys_is_trusted_when_it_is_named() {
    let (pem, config) = self_made(IsCa::ExplicitNoCa);
    let house = House::start(|house| house.tls = Some(LoopbackTls::Implicit(config))).await;
    let settings = ServerSettings { security: Security::Implicit, ca_pem: Some(pem), ..settings(house.port) };
    let seen = attempt(&transport(settings), &message(&[]), &Door::open()).await;
    assert_eq!((seen.outcome, seen.fault.as_str()), (Accepted, ""));
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused() {
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(2999, 1, 1);
    for (config, fault) in [
        (AUTHORITY.server("127.0.0.1", expired), "its certificate has expired"),
        (AUTHORITY.server("127.0.0.1", early), "its certificate is not valid yet"),
        (AUTHORITY.server("mail.other.example", |_| {}), "its certificate is for another name"),
        (Authority::new().server("127.0.0.1", |_| {}), "its certificate"),
    ] {
        for (tls, security) in [
            (LoopbackTls::Implicit(config.clone()), Security::Implicit),
            (LoopbackTls::StartTls(config.clone()), Security::StartTls),
            (LoopbackTls::StartTls(config.clone()), Security::Opportunistic),
        ] {
            let house = House::start(|house| house.tls = Some(tls)).await;
            let settings = ServerSettings { auth: credentials("hunter2").map(Into::into), ..trusting(house.port, security) };
            assert_seen(settings, Stage::Tls, ServerFault, fault).await;
        }
    }
    // A self-made one that calls itself an authority, whether it is named or not.
    for is_named in [true, false] {
        let (pem, config) = self_made(IsCa::Ca(BasicConstraints::Unconstrained));
        let house = House::start(|house| house.tls = Some(LoopbackTls::Implicit(config))).await;
        let ca_pem = is_named.then_some(pem);
        let settings = ServerSettings { security: Security::Implicit, ca_pem, ..settings(house.port) };
        let fault = "is not trusted: its certificate is that of an authority (`CA:TRUE`), which is no server's own";
        assert!(diagnose_words(fault).is_some_and(|diagnosis| diagnosis.next_step.contains("CA:FALSE")));
        assert_seen(settings, Stage::Tls, ServerFault, fault).await;
    }
    // Without the CA file nobody knows the authority.
    let house = House::start(|house| house.tls = Some(LoopbackTls::Implicit(good()))).await;
    let settings = ServerSettings { security: Security::Implicit, ..settings(house.port) };
    assert_seen(settings, Stage::Tls, ServerFault, "an authority unknown here").await;
}

#[tokio::test]
async fn the_server_chooses_among_our_ways_to_sign_in() {
    for (offered, stage, outcome, fault) in [
        ("LOGIN", Stage::FinalDot, Accepted, ""),
        ("XOAUTH2 LOGIN PLAIN", Stage::FinalDot, Accepted, ""),
        ("XOAUTH2 SCRAM-SHA-256", Stage::Auth, ServerFault, "(PLAIN, LOGIN); it offers XOAUTH2, SCRAM-SHA-256"),
        ("", Stage::Auth, ServerFault, "The server offers no way to sign in"),
    ] {
        let house = House::start(|house| {
            (house.tls, house.credentials) = (Some(LoopbackTls::Implicit(good())), credentials("hunter2"));
            house.sign_in = offered;
        })
        .await;
        let settings =
            ServerSettings { auth: credentials("hunter2").map(Into::into), ..trusting(house.port, Security::Implicit) };
        assert_seen(settings, stage, outcome, fault).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_fault_of_the_configuration() {
    let house = House::start(|house| {
        house.tls = Some(LoopbackTls::Implicit(good()));
        house.credentials = credentials("another");
    })
    .await;
    let settings = ServerSettings { auth: credentials("hunter2").map(Into::into), ..trusting(house.port, Security::Implicit) };
    let seen = attempt(&transport(settings), &message(&[]), &Door::open()).await;
    assert_eq!(seen, Seen { stage: Stage::Auth, outcome: ServerFault, code: Some(535), fault: String::new() });
}

#[tokio::test]
async fn a_password_is_never_sent_in_plain_text() {
    // A server that would take it: the client hangs up instead.
    let eager = vec![Say("220 peer\r\n"), Hear("EHLO"), Say("250-peer\r\n250 AUTH PLAIN\r\n"), Silence];
    for security in [Security::None, Security::Opportunistic] {
        let peer = Peer::start(vec![eager.clone()]).await;
        let settings = ServerSettings {
            auth: credentials("hunter2").map(Into::into),
            allow_plaintext: true,
            ..trusting(peer.port, security)
        };
        assert_seen(settings, Stage::Auth, ServerFault, "The password was not sent").await;
        peer.assert_played().await;
    }
}

#[tokio::test]
async fn bytes_before_the_handshake_are_never_taken_for_protected() {
    let offer = [Say("220 peer\r\n"), Hear("EHLO"), Say("250-peer\r\n250 STARTTLS\r\n"), Hear("STARTTLS")];
    let injected: Vec<Step> = offer.iter().cloned().chain([Say("220 go on\r\n250 mine\r\n"), Silence]).collect();
    let peer = Peer::start(vec![injected]).await;
    let fault = "The server sent bytes between its reply to STARTTLS and the handshake";
    assert_seen(trusting(peer.port, Security::StartTls), Stage::Tls, ServerFault, fault).await;
    peer.assert_played().await;
}

#[tokio::test]
async fn a_server_without_the_tls_that_is_asked_for_is_told_so() {
    let start =
        |reply| vec![Say("220 peer\r\n"), Hear("EHLO"), Say("250-peer\r\n250 STARTTLS\r\n"), Hear("STARTTLS"), Say(reply), Close];
    for (script, security, stage, outcome, fault) in [
        (
            vec![Say("220 peer\r\n"), Hear("EHLO"), Say("250 peer\r\n"), Silence],
            Security::StartTls,
            Stage::Tls,
            ServerFault,
            "offers no STARTTLS",
        ),
        (start("454 4.7.0 not now\r\n"), Security::StartTls, Stage::Tls, Deferred, ""),
        (start("502 no\r\n"), Security::StartTls, Stage::Tls, ServerFault, ""),
        (start("220 go on\r\n"), Security::StartTls, Stage::Tls, Deferred, "The connection failed"),
        (
            vec![Say("220 peer\r\n"), Close],
            Security::Implicit,
            Stage::Tls,
            ServerFault,
            "spoke plain text where TLS was expected",
        ),
    ] {
        let peer = Peer::start(vec![script]).await;
        assert_seen(trusting(peer.port, security), stage, outcome, fault).await;
        peer.assert_played().await;
    }
}

#[tokio::test]
async fn an_opportunistic_client_goes_on_in_plain_text_on_this_machine() {
    let mut house = House::start(|_| {}).await;
    let seen = attempt(&transport(trusting(house.port, Security::Opportunistic)), &message(&[]), &Door::open()).await;
    assert_eq!((seen.outcome, house.next().await.is_encrypted), (Accepted, false));
}

#[test]
fn a_ca_file_that_is_none_is_refused() {
    let build = |pem: &[u8]| {
        let settings = ServerSettings { ca_pem: Some(pem.to_vec()), ..trusting(1, Security::Implicit) };
        SmtpTransport::new(settings, Arc::new(Noon)).err()
    };
    assert_eq!(build(b"no certificate"), Some(TlsFault::CaCount { server: "primary".to_owned(), found: 0 }));
    assert!(matches!(build(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), Some(TlsFault::CaUnreadable { .. })));
    let host = ServerSettings { host: "a b".to_owned(), ..trusting(1, Security::Implicit) };
    let fault = SmtpTransport::new(host, Arc::new(Noon)).err();
    assert_eq!(fault, Some(TlsFault::Host { host: "a b".to_owned() }));
}
