//! Signing in with access tokens, by the real program: what a token server does to a queue, and where secrets are.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use dunlin::smtp::loopback::LoopbackTls;

use crate::guarantees::certificates;
use crate::server::Server;
use crate::token_server::{Answer, TokenServer, token};
use crate::workspace::{AS_OF, Ran, Workspace, counts};

const CLIENT_SECRET: &str = "secret-of-the-program";
const TOKEN: &str = "eyJ0eXAi.token-of-the-mailbox.c2ln";

/// Returns a workspace whose server takes [`TOKEN`] alone, which `tokens` gives out or not.
fn workspace(tokens: &TokenServer, customers: usize) -> (Server, Workspace) {
    let (authority, tls) = certificates();
    let server = Server::with(move |settings| {
        settings.tls = Some(LoopbackTls::StartTls(tls));
        settings.token_rule = Some(Arc::new(|user, token| user == "ar@seller.example" && token == TOKEN));
        settings.sign_in = "XOAUTH2";
    });
    let workspace = Workspace::new(server.port, customers);
    workspace.write("ca.pem", &authority);
    workspace.write("credentials/program", &format!("{CLIENT_SECRET}\n"));
    let account = format!(
        "security: starttls, ca_file: ca.pem, auth: {{ user: ar@seller.example, oauth2: {{ token_url: \"{}\", client_id: app, \
         client_secret: \"${{credential:program}}\" }} }}",
        tokens.url()
    );
    workspace.edit("config.yaml", "host: 127.0.0.1", "host: localhost");
    workspace.edit("config.yaml", "security: none", &account);
    (server, workspace)
}

/// Runs a command as a service manager does that hands over credentials.
fn as_service(workspace: &Workspace, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(arguments)
        .arg("--workspace")
        .arg(workspace.path())
        .env("CREDENTIALS_DIRECTORY", workspace.path().join("credentials"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn attempts(workspace: &Workspace) -> i64 {
    let database = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    database.query_row("select count(*) from attempt", [], |row| row.get(0)).unwrap()
}

/// Returns the answer of a token server that refuses the program, and tells it what it said.
fn refusal() -> Answer {
    let body =
        format!("{{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: {CLIENT_SECRET} is not the secret.\"}}");
    Answer::Reply(401, body)
}

#[test]
fn no_secret_of_a_token_is_anywhere_but_where_it_belongs() {
    for (gives, expected, told) in [
        ("the token", "accepted=1", ""),
        ("another", "queued=1", "Server `primary` takes nothing from us: 535"),
        ("none", "queued=1", "answered 401: invalid_client: AADSTS7000215: *** is not the secret."),
    ] {
        let tokens = TokenServer::start(move |_, _| match gives {
            "the token" => token(TOKEN, 3_600),
            "another" => token("a-token-that-is-not-good", 3_600),
            _ => refusal(),
        });
        let (server, workspace) = workspace(&tokens, 1);
        let ran = as_service(&workspace, &["run", "--as-of", AS_OF, "--json", "-vv"]);
        assert_eq!(counts(&ran.json()), expected, "{}", ran.err);
        assert!(ran.err.contains(told), "{}", ran.err);
        let shown = workspace.dunlin(&["outbox", "show", "1", "--json"]);
        match gives {
            "the token" => assert_eq!(server.taken()[0].user.as_deref(), Some("ar@seller.example")),
            "another" => assert!(shown.out.contains("The server said of the token: "), "{}", shown.out),
            _ => assert!(shown.out.contains("AADSTS7000215"), "{}", shown.out),
        }
        // The second one is the beginning of the token in base64, as XOAUTH2 has it after `auth=Bearer `.
        for word in [CLIENT_SECRET, "token-of-the-mailbox", "a-token-that-is-not-good", "dXNlcj1hckBzZWxsZXI"] {
            assert!(![&ran.out, &ran.err, &shown.out].iter().any(|text| text.contains(word)), "{gives}: {word}");
            for file in fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().path()) {
                if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("dunlin.db")) {
                    let bytes = fs::read(&file).unwrap();
                    assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{gives}: {}", file.display());
                }
            }
        }
    }
}

#[test]
fn a_wrong_secret_or_a_token_server_that_is_down_burns_no_queue() {
    for (trouble, end) in [("wrong", "servers_faulty"), ("down", "stopped")] {
        let is_mended = Arc::new(AtomicBool::new(false));
        let switch = is_mended.clone();
        let tokens = TokenServer::start(move |_, _| match (switch.load(Ordering::SeqCst), trouble) {
            (true, _) => token(TOKEN, 3_600),
            (false, "wrong") => refusal(),
            (false, _) => Answer::Reply(503, String::new()),
        });
        let (server, workspace) = workspace(&tokens, 20);
        let ran = as_service(&workspace, &["run", "--as-of", AS_OF, "--wait", "0", "--json"]);
        assert_eq!((counts(&ran.json()), &ran.json()["end"]), ("queued=20".to_owned(), &end.into()), "{}", ran.err);
        // The configured three connections at most found out; the rest of the queue was never touched.
        let tried = attempts(&workspace);
        assert!((1..=3).contains(&tried), "{trouble}: {tried} attempts");
        assert!(tokens.asked().len() <= 3, "{trouble}: asked {} times", tokens.asked().len());

        is_mended.store(true, Ordering::SeqCst);
        let ran = as_service(&workspace, &["run", "--as-of", AS_OF, "--wait", "0", "--json"]);
        let untried = 20 - usize::try_from(tried).unwrap();
        assert!(server.taken().len() >= untried, "{trouble}: {}", ran.err);
        let states: Vec<String> = workspace.outbox().iter().map(|message| message["state"].to_string()).collect();
        assert!(states.iter().all(|state| state == "\"accepted\"" || state == "\"queued\""), "{trouble}: {states:?}");
    }
}

#[test]
fn a_secret_that_is_not_there_is_warned_of_and_stops_the_start() {
    let (_server, workspace) = workspace(&TokenServer::counting(), 1);
    let ran = workspace.dunlin(&["check"]);
    let expected = "There is no credential `program`, since no service manager started the program";
    assert!(ran.code == Some(0) && ran.out.contains(expected), "{ran:?}");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert!(ran.code == Some(1) && ran.err.contains(expected), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_password_in_a_file_that_others_can_read_is_refused_until_they_cannot() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = Workspace::new(1, 1);
    workspace.edit("config.yaml", "security: none", "security: starttls, auth: { user: a, password: hunter2 }");
    let config = workspace.path().join("config.yaml");
    for (mode, code, told) in [
        (0o644, 3, "The secret stands in a file that every user of this machine can read"),
        (0o640, 3, "The secret stands in a file that its owner's group can read"),
        (0o600, 0, ""),
    ] {
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        let ran = workspace.dunlin(&["check"]);
        assert!(ran.code == Some(code) && ran.out.contains(told), "{mode:o}: {ran:?}");
        assert!(!ran.out.contains("hunter2"), "{}", ran.out);
    }
}
