//! The promises an operator relies on, each tried against the real program: recorded before sent, stopped when
//! nothing can be recorded, no secret anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rusqlite::{Connection, OpenFlags};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use dunlin::domain::secret::Secret;
use dunlin::smtp::auth::Credentials;
use dunlin::smtp::loopback::LoopbackTls;

use crate::server::{Server, key_of};
use crate::workspace::{AS_OF, Workspace, counts};

#[test]
fn sending_is_on_record_before_the_server_has_the_mail() {
    // The server looks into the database at the moment it has a whole message and before it answers.
    let path = Arc::new(Mutex::new(String::new()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (look_at, found) = (path.clone(), seen.clone());
    let server = Server::with(move |settings| {
        let then = settings.on_received.clone();
        settings.on_received = Arc::new(move |message| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
            let database = Connection::open_with_flags(&*look_at.lock().unwrap(), flags).unwrap();
            let select =
                "select state, (select count(*) from message_body where message_id = id) from message where message_key = ?1";
            let row = database
                .query_row(select, (key_of(&message.bytes),), |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)));
            found.lock().unwrap().push(row.unwrap());
            then(message);
        });
    });
    let workspace = Workspace::new(server.port, 20);
    *path.lock().unwrap() = workspace.path().join("dunlin.db").display().to_string();
    assert_eq!(counts(&workspace.run()), "accepted=20");
    assert_eq!(*seen.lock().unwrap(), vec![("sending".to_owned(), 1); 20]);
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_stops_sending_and_nothing_goes_twice() {
    let mut ends = BTreeSet::new();
    // The limit on a file's size stands for the disk: somewhere between nothing and everything the writes begin to fail.
    for kilobytes in [40, 120, 400, 520, 640, 760, 880, 1_000] {
        let server = Server::willing();
        let workspace = Workspace::new(server.port, 60);
        let limited = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
        let ran = Command::new("bash")
            .args(["-c", &limited, env!("CARGO_BIN_EXE_dunlin"), "run", "--as-of", AS_OF, "--json", "--workspace"])
            .arg(workspace.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        let taken = server.taken().len();
        if ran.status.success() {
            assert_eq!(taken, 60, "{kilobytes} kB were enough");
            ends.insert("enough");
        } else if taken == 0 {
            ends.insert("nothing recorded, nothing sent");
        } else {
            assert!(err.contains("Sending stopped, since results cannot be stored"), "{kilobytes} kB: {err}");
            ends.insert("stopped");
        }

        // With room again: every mail is accounted for, none was sent twice.
        workspace.run();
        let keys = server.keys();
        assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{kilobytes} kB: one was sent twice");
        let states: Vec<String> =
            workspace.outbox().iter().map(|message| message["state"].as_str().unwrap().to_owned()).collect();
        assert_eq!(states.len(), 60, "{kilobytes} kB");
        let unknown = states.iter().filter(|state| *state == "unknown").count();
        assert!(states.iter().all(|state| state == "accepted" || state == "unknown"), "{kilobytes} kB: {states:?}");
        // For each connection the mail on it, and the one whose result was on its way to the disk.
        assert!(unknown <= 6, "{kilobytes} kB: {unknown} unknown, with 3 connections");
    }
    assert!(ends.len() >= 2, "the limits cover too little: {ends:?}");
}

#[test]
fn the_password_is_nowhere_but_on_the_encrypted_wire() {
    const PASSWORD: &str = "hunter2-hunter2";
    let (authority, tls) = certificates();
    for (servers_password, expected) in [(PASSWORD, "accepted=1"), ("another", "queued=1")] {
        let tls = tls.clone();
        let server = Server::with(move |settings| {
            settings.tls = Some(LoopbackTls::StartTls(tls.clone()));
            settings.credentials = Some(Credentials { user: "robot".into(), password: Secret::new(servers_password) });
        });
        let workspace = Workspace::new(server.port, 1);
        workspace.write("ca.pem", &authority);
        workspace.write("secret", PASSWORD);
        let secret = workspace.path().join("secret").display().to_string();
        let account = format!("security: starttls, ca_file: ca.pem, auth: {{ user: robot, password: \"${{file:{secret}}}\" }}");
        workspace.edit("config.yaml", "host: 127.0.0.1", "host: localhost");
        workspace.edit("config.yaml", "security: none", &account);

        let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json", "-vv"]);
        assert_eq!(counts(&ran.json()), expected, "{}", ran.err);
        if expected == "queued=1" {
            assert_eq!(ran.json()["end"], "servers_faulty");
            assert_eq!(ran.code, Some(1));
            assert!(ran.err.contains("Server `primary` takes nothing from us: 535"), "{}", ran.err);
        } else {
            let taken = &server.taken()[0];
            assert_eq!((taken.is_encrypted, taken.user.as_deref()), (true, Some("robot")));
        }
        let shown = workspace.dunlin(&["outbox", "show", "1", "--json"]);
        let encoded = "aHVudGVyMi1odW50ZXIy";
        for word in [PASSWORD, encoded] {
            assert!(![&ran.out, &ran.err, &shown.out].iter().any(|text| text.contains(word)));
            for file in fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().path()) {
                if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("dunlin.db")) {
                    let bytes = fs::read(&file).unwrap();
                    assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{}", file.display());
                }
            }
        }
    }
}

#[test]
fn no_value_of_the_ledger_can_inject_a_header_or_markup() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    let name = "\"Evil \"\"x\"\" <bcc: victim@else.example> <script>x</script>\"";
    workspace.edit("customers.csv", "Customer 1", name);
    // A further column may hold line breaks; a subject may not.
    workspace.edit("customers.csv", "billing\n", "billing,note\n");
    workspace.edit("customers.csv", "customer1.example", "customer1.example,plain");
    workspace.edit("customers.csv", "customer2.example", "customer2.example,\"two\nBcc: victim@else.example\"");
    workspace.write("rules/templates/note.subject.txt", "{{ customer.name }}: {{ customer.attributes.note }}\n");
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=1");
    let taken = server.taken();
    assert_eq!(taken[0].recipients, ["ap1@customer1.example"]);
    let text = String::from_utf8_lossy(&taken[0].bytes).into_owned();
    let (head, html) = text.split_once("Content-Type: text/html").unwrap();
    assert!(!head.to_lowercase().contains("\nbcc:") && !html.contains("<script>"), "{text}");
    let blocked = workspace.dunlin(&["outbox", "--state", "blocked", "--json"]).json();
    assert_eq!((&blocked["customer"], &blocked["reason"]), (&"C0002".into(), &"template_error".into()));

    // A control character in a name is refused at the door.
    workspace.edit("customers.csv", "Customer 2", "\"Two\r\nBcc: victim@else.example\"");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("customers.csv:3:7"), "{}", ran.err);
}

/// Returns an authority's certificate in PEM and a server's TLS settings with a certificate from it for `localhost`.
pub fn certificates() -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (authority.pem(), Arc::new(config))
}
