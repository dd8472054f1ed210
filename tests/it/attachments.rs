//! Papers that go with mails: the right ones, whole, to the right customer, or no mail at all.

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpListener;
use std::thread;

use mail_parser::{MessageParser, MimeHeaders};
use rusqlite::Connection;
use serde_json::Value;

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace, counts};

fn pdf(words: &str) -> Vec<u8> {
    format!("%PDF-1.7\n1 0 obj\n({words})\nendobj\n%%EOF\n").into_bytes()
}

/// Returns a workspace with so many customers, whose rule attaches `attach`, and with further keys in config.yaml.
fn workspace(port: u16, customers: usize, attach: &str, config: &str) -> Workspace {
    let workspace = Workspace::new(port, customers);
    workspace.write("config.yaml", &Workspace::config(port, config));
    workspace.edit("rules/overdue.yaml", "to: [billing]\n", &format!("to: [billing]\nattach: {attach}\n"));
    fs::create_dir_all(workspace.path().join("documents")).unwrap();
    workspace
}

fn put(workspace: &Workspace, name: &str, bytes: &[u8]) {
    fs::write(workspace.path().join(name), bytes).unwrap();
}

/// The names and contents of a mail's files.
fn files(mail: &[u8]) -> Vec<(String, Vec<u8>)> {
    let message = MessageParser::new().parse(mail).unwrap();
    message.attachments().map(|part| (part.attachment_name().unwrap().to_owned(), part.contents().to_vec())).collect()
}

/// The state, reason and detail of each customer's mail.
fn states(workspace: &Workspace) -> Vec<(String, String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let mut states: Vec<_> = workspace
        .outbox()
        .iter()
        .map(|row| (text(row, "customer"), format!("{} {}", text(row, "state"), text(row, "reason")), text(row, "detail")))
        .collect();
    states.sort();
    states
}

const BY_PATH: &str = "documents: { invoice: { path: \"documents/{number}.pdf\", bytes_max: 1 kB } }\n";

#[test]
fn the_invoices_own_document_goes_along_or_the_mail_does_not() {
    let server = Server::willing();
    let workspace = workspace(server.port, 8, "[{ document: invoice }]", BY_PATH);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.pdf"), pdf("secret")).unwrap();
    put(&workspace, "documents/INV-0001.pdf", &pdf("one"));
    // 2 is missing.
    put(&workspace, "documents/INV-0003.pdf", b"");
    put(&workspace, "documents/INV-0004.pdf", b"<html>Not found</html>");
    put(&workspace, "documents/INV-0005.pdf", &pdf("five")[..20]);
    put(&workspace, "documents/INV-0006.pdf", &pdf(&"x".repeat(1_000)));
    std::os::unix::fs::symlink(outside.path().join("secret.pdf"), workspace.path().join("documents/INV-0007.pdf")).unwrap();
    fs::create_dir(workspace.path().join("documents/INV-0008.pdf")).unwrap();
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=7");
    let taken = server.taken();
    assert_eq!(files(&taken[0].bytes), [("INV-0001.pdf".to_owned(), pdf("one"))]);
    for ((customer, state, detail), (expected, words)) in states(&workspace).into_iter().zip([
        ("accepted ", ""),
        ("blocked document_missing", "INV-0002.pdf` is not there"),
        ("blocked document_missing", "INV-0003.pdf` is empty; is it still being written?"),
        (
            "blocked document_missing",
            "INV-0004.pdf` cannot be attached: it is no PDF file: it begins with \"<html>Not found</htm\"",
        ),
        (
            "blocked document_missing",
            "INV-0005.pdf` cannot be attached: it is no whole PDF file: its end is missing; is it still being written?",
        ),
        ("blocked document_missing", "bytes; at most 1000 are attached"),
        ("blocked document_missing", "INV-0007.pdf` leads out of its folder"),
        ("blocked document_missing", "INV-0008.pdf` is no file"),
    ]) {
        assert_eq!(state, expected, "{customer}");
        assert!(detail.ends_with(words), "{customer}: {detail}");
    }

    // The next run plans anew what was not ready.
    put(&workspace, "documents/INV-0002.pdf", &pdf("two"));
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=6");
    assert_eq!(files(&server.taken()[1].bytes), [("INV-0002.pdf".to_owned(), pdf("two"))]);
}

#[test]
fn a_file_that_another_customers_mail_carries_goes_with_no_mail() {
    let server = Server::willing();
    let workspace = workspace(server.port, 3, "[{ document: invoice }]", BY_PATH);
    for (number, words) in [(1, "the same"), (2, "the same"), (3, "three")] {
        put(&workspace, &format!("documents/INV-000{number}.pdf"), &pdf(words));
    }
    // In one run: neither is known to be the right one.
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=2");
    for (_, state, detail) in &states(&workspace)[..2] {
        assert_eq!(state, "blocked document_foreign");
        assert!(
            detail.contains(
                "C0001 (Customer 1) and for C0002 (Customer 2); put the right file in its place, or write `shared: true`"
            ),
            "{detail}"
        );
    }
    // In an earlier one: what customer 3 has had goes to nobody else; what nobody had goes.
    put(&workspace, "documents/INV-0001.pdf", &pdf("three"));
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=1");
    let (_, state, detail) = &states(&workspace)[0];
    assert_eq!(state, "blocked document_foreign");
    assert!(detail.contains("is attached for C0001 (Customer 1) and for C0003 (Customer 3)"), "{detail}");
    assert_eq!(files(&server.taken()[1].bytes)[0].1, pdf("the same"));
    // The text of what is over goes to the archive; whose file it was is remembered.
    let database = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    let owners = "select customer_id, name, byte_count, length(hash) from message_file order by message_id";
    let mut statement = database.prepare(owners).unwrap();
    let rows = statement.query_map((), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    let row = |customer: &str, name: &str, words: &str| (customer.to_owned(), name.to_owned(), pdf(words).len() as i64, 32);
    assert_eq!(rows.len(), 2);
    assert!(
        rows.contains(&row("C0002", "INV-0002.pdf", "the same")) && rows.contains(&row("C0003", "INV-0003.pdf", "three")),
        "{rows:?}"
    );
    // The query by which it is asked goes by the index.
    let plan =
        "explain query plan select 1 from message_file where hash = x'00' and customer_id is not null and customer_id <> 'C1'";
    let step: String = database.query_row(plan, (), |row| row.get(3)).unwrap();
    assert!(step.contains("message_file_by_hash"), "{step}");
}

#[test]
fn terms_for_everybody_are_declared_as_such() {
    let config = "documents: { terms: { path: documents/terms.pdf, of: mail } }\n";
    for (attach, expected) in [("[{ document: terms }]", "blocked=2"), ("[{ document: terms, shared: true }]", "accepted=2")] {
        let server = Server::willing();
        let workspace = workspace(server.port, 2, attach, config);
        put(&workspace, "documents/terms.pdf", &pdf("terms"));
        assert_eq!(counts(&workspace.run()), expected, "{attach}");
    }
}

#[test]
fn several_go_in_one_zip_that_the_customers_own_password_opens() {
    let server = Server::willing();
    let attach = "[{ zip: [{ document: invoice }, { items: xlsx }, { items: csv }], name: \"Papers {{ customer.id }}\", \
                  password: customer.attributes.pin }]";
    let workspace = workspace(server.port, 4, attach, BY_PATH);
    for number in 1..=4 {
        put(&workspace, &format!("documents/INV-000{number}.pdf"), &pdf(&format!("paper {number}")));
    }
    let customers = "id,name,language,tags,billing,pin\nC0001,Customer 1,en,,ap1@customer1.example,correct horse\n\
        C0002,Customer 2,en,,ap2@customer2.example,\nC0003,Customer 3,en,,ap3@customer3.example,short\n\
        C0004,Customer 4,en,,ap4@customer4.example,INV-0004\n";
    workspace.write("customers.csv", customers);
    let planned = workspace.dunlin(&["plan", "--as-of", AS_OF]).out;
    assert!(planned.contains("2 blocked") && planned.contains("no `pin`, the password of the"), "{planned}");
    let checked = workspace.dunlin(&["check"]).out;
    assert!(
        checked.contains("The ZIP cannot be encrypted for C0002, C0003: `pin` is empty or has less than 8 characters"),
        "{checked}"
    );
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=3");
    let details: Vec<_> = states(&workspace).into_iter().map(|(_, state, detail)| format!("{state}: {detail}")).collect();
    assert_eq!(details[1], "blocked password_missing: Customer C0002 has no `pin`, the password of the ZIP");
    assert_eq!(
        details[2],
        "blocked password_missing: `pin` of customer C0003, the password of the ZIP, has less than 8 characters"
    );
    assert_eq!(details[3], "blocked template_error: The password of the ZIP can be read in the subject of the same mail");

    let mail = server.taken().remove(0).bytes;
    let files = files(&mail);
    assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Papers C0001.zip"]);
    let mut zip = zip::ZipArchive::new(Cursor::new(files[0].1.clone())).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["INV-0001.pdf", "Open items 2026-03-10.xlsx", "Open items 2026-03-10.csv"]);
    let mut contents = Vec::new();
    zip.by_name_decrypt("INV-0001.pdf", b"correct horse").unwrap().read_to_end(&mut contents).unwrap();
    assert_eq!(contents, pdf("paper 1"));
    assert!(zip.by_name_decrypt("INV-0001.pdf", b"correct horses").is_err(), "another password opens nothing");
    assert!(zip.by_name("INV-0001.pdf").is_err(), "none opens nothing");
    assert!(!files[0].1.windows(8).any(|bytes| bytes == b"%PDF-1.7"), "it is not encrypted");

    // The password is nowhere: not in the mail, not in the database, not in what was printed.
    drop(zip);
    let everywhere = [
        mail,
        fs::read(workspace.path().join("dunlin.db")).unwrap(),
        workspace.dunlin(&["outbox", "show", "1"]).out.into_bytes(),
    ];
    for bytes in everywhere {
        assert!(!bytes.windows(13).any(|bytes| bytes == b"correct horse"));
    }
    // A second mail about the same has other bytes under the same password: no stream of the cipher is used twice; the same
    // letter has the same ones.
    let preview = || workspace.dunlin(&["preview", "C0001", "--level", "upcoming", "--as-of", AS_OF, "--format", "eml"]).out;
    let once = preview();
    let zipped = |mail: &str| self::files(mail.as_bytes())[0].1.clone();
    assert_ne!(zipped(&once), files[0].1);
}

/// A server on this machine that answers each path with the next of its answers, and `404` where it has no more.
fn documents(answers: Vec<(&'static str, Vec<u8>)>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut answers = answers;
        while let Ok((mut stream, _)) = listener.accept() {
            let mut asked = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            lines.read_line(&mut asked).unwrap_or_default();
            let is_secret = lines.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let is_secret = is_secret.filter(|line| line.eq_ignore_ascii_case("authorization: Bearer hunter2")).count() > 0;
            let path = asked.split(' ').nth(1).unwrap_or_default().to_owned();
            let place = answers.iter().position(|(own, _)| *own == path).filter(|_| is_secret);
            let answer = place.map(|place| answers.remove(place).1);
            let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
            stream.write_all(&answer.unwrap_or(none)).unwrap_or_default();
        }
    });
    port
}

fn found(body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    answer
}

#[test]
fn a_document_from_the_web_comes_whole_or_blocks_the_mail_until_it_does() {
    let cut_off = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n%PDF-1.7".to_vec();
    let port = documents(vec![
        ("/C0001/INV-0001", found(&pdf("one"))),
        ("/C0003/INV-0003", found(b"<html>Please sign in</html>")),
        ("/C0004/INV-0004", cut_off.clone()),
        ("/C0004/INV-0004", cut_off),
        ("/C0005/INV-0005", found(&pdf(&"x".repeat(1_000)))),
    ]);
    let server = Server::willing();
    let config = format!(
        "documents:\n  invoice: {{ url: \"http://127.0.0.1:{port}/{{customer.id}}/{{number}}\", secret: \"${{file:SECRET}}\", bytes_max: 1 kB }}\n"
    );
    let workspace = workspace(server.port, 5, "[{ document: invoice, name: \"Invoice {{ document.number }}\" }]", "");
    put(&workspace, "token", b"hunter2\n");
    let secret = workspace.path().join("token");
    workspace.write("config.yaml", &Workspace::config(server.port, &config.replace("SECRET", secret.to_str().unwrap())));
    assert_eq!(counts(&workspace.run()), "accepted=1 blocked=4");
    assert_eq!(files(&server.taken()[0].bytes), [("Invoice INV-0001.pdf".to_owned(), pdf("one"))]);
    let states = states(&workspace);
    for (place, words) in [
        (1, "/C0002/INV-0002 is not there (404)"),
        (2, "/C0003/INV-0003 cannot be attached: it is no PDF file"),
        (3, "/C0004/INV-0004 broke off in the middle"),
        (4, "/C0005/INV-0005 has more than 1000 bytes"),
    ] {
        let (_, state, detail) = &states[place];
        assert!(state == "blocked document_missing" && detail.contains(words), "{state}: {detail}");
    }
}

#[test]
fn what_no_server_of_the_sender_takes_is_blocked_when_it_is_composed() {
    let server = Server::willing();
    let workspace = workspace(server.port, 1, "[{ document: invoice }]", &BY_PATH.replace("1 kB", "1 MB"));
    workspace.edit("config.yaml", "security: none }", "security: none, size: 100 kB }");
    put(&workspace, "documents/INV-0001.pdf", &pdf(&"x".repeat(90_000)));
    assert_eq!(counts(&workspace.run()), "blocked=1");
    let (_, state, detail) = &states(&workspace)[0];
    assert_eq!(state, "blocked document_missing");
    assert!(
        detail.contains("no server of the sender `receivables` takes more than 100000; `smtp.<id>.size` says so"),
        "{detail}"
    );
}

#[test]
fn a_resent_mail_and_a_rehearsal_keep_whose_papers_they_carry() {
    let server = Server::willing();
    let workspace = workspace(server.port, 2, "[{ document: invoice }]", BY_PATH);
    put(&workspace, "documents/INV-0001.pdf", &pdf("one"));
    put(&workspace, "documents/INV-0002.pdf", &pdf("two"));
    assert_eq!(counts(&workspace.run()), "accepted=2");
    let resent = workspace.dunlin(&["outbox", "resend", "1"]);
    assert_eq!(resent.code, Some(0), "{resent:?}");
    let database = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    let of = |message: i64| -> (String, Vec<u8>) {
        let select = "select customer_id, hash from message_file where message_id = ?1";
        database.query_row(select, (message,), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    assert_eq!(of(3), of(1), "the copy carries the same paper of the same customer");

    // A rehearsal that would give customer 2 what customer 1 has had is refused like the mail itself.
    put(&workspace, "documents/INV-0002.pdf", &pdf("one"));
    fs::remove_file(workspace.path().join("documents/INV-0001.pdf")).unwrap();
    workspace.edit("config.yaml", "instance: test\n", "instance: test\nmode: redirect\nredirect_to: me@seller.example\n");
    let rehearsed = workspace.run();
    assert_eq!(counts(&rehearsed), "blocked=2");
    let states = states(&workspace);
    assert!(states.iter().any(|(customer, state, _)| customer == "C0002" && state == "blocked document_foreign"), "{states:?}");
}
