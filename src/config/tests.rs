//! Configurations: the whole of one, every fault with its place, and the reference page that cannot lie.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::domain::problem::{Problem, Severity};
use crate::rule::ReminderDays;
use crate::rulebook::{Readers, TextFile};
use crate::source::csv::{CsvLedger, CsvTable, DateFormat, DecimalMark, Encoding, ThousandsMark};

/// The least that is a configuration.
const LEAST: &str = "\
instance: acme
time_zone: UTC
smtp:
  primary: { host: smtp.abc.example, security: starttls }
senders:
  receivables: { address: ar@abc.example }
recipient_keys: { billing: Billing contact }
ledger:
  currency: EUR
  customers: { csv: customers.csv }
  invoices: { csv: invoices.csv }
";

fn read_text(text: &str, readers: Readers) -> (Option<Config>, Vec<Problem>) {
    read(&TextFile { path: "config.yaml".into(), text: text.to_owned() }, readers)
}

/// Returns the problems of `text`, warnings marked.
fn problems(text: &str) -> Vec<String> {
    let (_, problems) = read_text(text, Readers::Few);
    let mark = |problem: &Problem| if problem.severity == Severity::Warning { "warning: " } else { "" };
    problems.iter().map(|problem| format!("{}{problem}", mark(problem))).collect()
}

fn config(text: &str) -> Config {
    let (config, problems) = read_text(text, Readers::Few);
    config.unwrap_or_else(|| panic!("{problems:#?}"))
}

/// Returns [`LEAST`] with `from` replaced, which must be in it.
fn least_with(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from), "{from}");
    LEAST.replace(from, to)
}

/// Returns the problems of [`LEAST`] with the server's settings replaced.
fn server_problems(settings: &str) -> Vec<String> {
    problems(&least_with("{ host: smtp.abc.example, security: starttls }", settings))
}

#[test]
fn a_column_that_no_file_has_is_told_with_its_place() {
    let text = format!(
        "{LEAST}company: {{ name: ACME, payment_reference: PayReff }}\nbank: {{ customer_account: IBANN }}\ndocuments:\n  a: {{ path: \
         \"papers/{{number}}-{{attributes.Ordr}}-{{customer.attributes.x}}.pdf\" }}\n"
    );
    let found = config(&text);
    let told = |customers: &[&str], documents: &[&str]| -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (customers, documents) = (names(customers), names(documents));
        found
            .named_columns
            .iter()
            .filter_map(|column| column.problem(&customers, &documents))
            .map(|found| found.to_string())
            .collect()
    };
    assert_eq!(
        told(&["IBAN"], &["PayRef", "Order"]),
        [
            "config.yaml:12:43: There is no further column `PayReff` in the invoices' file; did you mean `PayRef`?",
            "config.yaml:13:27: There is no further column `IBANN` in the customers' file; did you mean `IBAN`?",
            "config.yaml:15:31: There is no further column `Ordr` in the invoices' file; did you mean `Order`?",
            "config.yaml:15:49: There is no further column `x` in the customers' file; the customers' file has, besides those that are named \
             under `ledger`: IBAN",
        ]
    );
    assert_eq!(told(&["IBANN", "x"], &["PayReff", "Ordr"]), [""; 0]);
}

#[test]
fn what_is_not_written_has_its_default() {
    let found = config(LEAST);
    let ledger = CsvLedger {
        currency: crate::domain::money::Currency::parse("EUR").unwrap(),
        customers: Some(CsvTable::new("customers.csv")),
        invoices: CsvTable::new("invoices.csv"),
        credit_notes: None,
        payments: None,
    };
    assert_eq!(found.ledger, ledger);
    assert_eq!((found.instance.as_str(), &found.mode, found.database.as_str()), ("acme", &Mode::Live, "dunlin.db"));
    assert_eq!(
        (found.contact_gap.days.count(), found.run_guard),
        (0, RunGuard { messages: None, times_usual: None, refused_percent: 25 })
    );
    assert_eq!(found.daemon.listen, Some("127.0.0.1:9645".parse().unwrap()));
    assert_eq!(found.freshness, Freshness { max_age: None, recheck_after: std::time::Duration::from_secs(3_600) });
    assert_eq!((found.alerts, found.company), (Alerts::default(), None));
    let minutes = |count: u64| std::time::Duration::from_secs(count * 60);
    assert_eq!(found.retry, Retry { first: minutes(5), most: minutes(240), give_up_after: minutes(1_440) });
    let expected = "[Server { id: \"primary\", host: \"smtp.abc.example\", port: 587, security: StartTls, auth: None, \
                    rates: [], connections: 3, allow_plaintext: false, ca_file: None, hello_name: None, size: 35000000, pipelining: true, \
                    reuse: Reuse { idle: 30s, messages_max: 100, age_max: 600s }, replaces: [] }]";
    assert_eq!(format!("{:?}", found.servers), expected);
    let expected = "[Sender { id: \"receivables\", name: \"\", address: \"ar@abc.example\", reply_to: None, return_path: None, \
         list_help: None, headers: [], servers: [\"primary\"] }]";
    assert_eq!(format!("{:?}", found.senders), expected);
    assert_eq!(format!("{:?}", found.recipient_keys), "[Role { key: \"billing\", label: \"Billing contact\" }]");
}

#[test]
fn everything_that_can_be_written_is_read() {
    let text = include_str!("tests/whole.yaml");
    let (found, problems) = read_text(text, Readers::Few);
    let warned: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(warned, [""; 0]);
    let found = found.unwrap();
    let allow = vec![Allowed::Domain("abc.example".into()), Allowed::Address("boss@other.example".into())];
    assert_eq!(found.mode, Mode::Redirect(Redirect { to: "test@abc.example".into(), allow }));
    let days = |count: &str| crate::domain::date::Days::parse(count);
    let retention = Retention { archive: "archive".into(), decisions: days("400 days"), mails: days("800 days") };
    assert_eq!(found.retention, Some(retention));
    // What the accounts of the others are read as: `every_way_to_sign_in_has_its_keys`.
    let servers: Vec<String> = found.servers[..3].iter().map(|server| format!("{server:?}")).collect();
    assert_eq!(
        servers,
        [
            "Server { id: \"primary\", host: \"smtp.abc.example\", port: 2587, security: StartTls, auth: Some(Auth { user: \
             \"robot@abc.example\", proof: Password(SecretRef { source: Environment(\"SMTP_PASSWORD\"), place: Place { file: \
             \"config.yaml\", line: 10, column: 48, width: 22, text: \"    auth: { user: robot@abc.example, password: \
             \\\"${env:SMTP_PASSWORD}\\\" }\" } }), mechanism: None }), rates: [Rate { count: 60, window: Minute }, Rate { count: 5000, window: Day }], \
             connections: 5, allow_plaintext: false, ca_file: Some(CaFile { path: \"ca.pem\", place: Place { file: \
             \"config.yaml\", line: 13, column: 14, width: 6, text: \"    ca_file: ca.pem\" } }), hello_name: \
             Some(\"mail.abc.example\"), size: 20000000, pipelining: true, reuse: Reuse { idle: 30s, messages_max: 100, age_max: 600s }, \
             replaces: [\"Message-ID\"] }",
            "Server { id: \"local\", host: \"10.0.0.7\", port: 25, security: None, auth: None, rates: [Rate { count: 2, window: \
             Second }], connections: 3, allow_plaintext: true, ca_file: None, hello_name: None, size: 35000000, pipelining: false, reuse: Reuse \
             { idle: 20s, messages_max: 50, age_max: 300s }, replaces: [] }",
            "Server { id: \"mailbox\", host: \"smtp.office365.com\", port: 587, security: StartTls, auth: None, rates: [Rate { \
             count: 30, window: Minute }, Rate { count: 10000, window: Day }], connections: 3, allow_plaintext: false, ca_file: \
             None, hello_name: None, size: 35000000, pipelining: true, reuse: Reuse { idle: 30s, messages_max: 100, age_max: 600s }, replaces: [] }",
        ]
    );
    let sender = &found.senders[0];
    assert_eq!(sender.return_path.as_ref().unwrap().of("k"), "bounces-k@abc.example");
    assert_eq!(sender.list_help.as_deref(), Some("mailto:help@abc.example"));
    assert_eq!(format!("{:?}", sender.headers), "[ExtraHeader { name: \"X-Campaign\", value: \"dunning\" }]");
    let keys = found.dkim.iter().map(|key| format!("{} {} {} {:?}", key.sender, key.domain, key.selector, key.key.source));
    assert_eq!(
        keys.collect::<Vec<_>>(),
        [
            "receivables abc.example rsa-2026 File(\"/run/secrets/dkim-rsa\")",
            "receivables abc.example ed-2026 Environment(\"DKIM_KEY\")"
        ]
    );
    assert!(found.servers[3..].iter().all(|server| matches!(server.auth.as_ref().unwrap().proof, AuthProof::Oauth2(_))));
    let expected = "[\"primary\", \"microsoft\", \"local\"]";
    assert_eq!(format!("{:?}", found.senders[0].servers), expected);
    let invoices = &found.ledger.invoices;
    assert_eq!((&invoices.dates, invoices.decimal), (&DateFormat::parse("%d.%m.%Y").unwrap(), DecimalMark::Comma));
    let thousands = Some(ThousandsMark::Point);
    assert_eq!((invoices.thousands, invoices.delimiter, invoices.encoding), (thousands, Some(b';'), Encoding::Windows1252));
    let columns = |table: &CsvTable| table.columns.iter().map(|c| format!("{}={}", c.field, c.column)).collect::<Vec<_>>();
    assert_eq!(columns(invoices).len(), 10);
    assert_eq!(
        columns(found.ledger.customers.as_ref().unwrap()),
        ["id=No", "name=Name", "language=Lang", "tags=Tags", "hold_until=Hold", "contacts.billing=Mail"]
    );
    let documents: Vec<String> =
        found.documents.iter().map(|document| format!("{} {:?} {}", document.id, document.of, document.bytes_max)).collect();
    assert_eq!(documents, ["invoice Items 2000000", "delivery Invoices 10000000", "terms Mail 10000000"]);
    let url = found.documents[1].url().unwrap();
    assert_eq!((url.secret_header.as_deref(), url.within.as_secs()), (Some("X-Api-Key"), 20));
    let calendar = found.calendar.unwrap();
    assert_eq!((calendar.weekend.len(), calendar.holidays[0].as_str(), calendar.place.line), (2, "calendars/de.yaml", 91));
    assert_eq!(found.quiet_hours.unwrap().to_string(), "18:00-08:00");
    assert_eq!(format!("{:?}", found.sender_rates), "{\"receivables\": [Rate { count: 20, window: Minute }]}");
    assert_eq!(
        (found.contact_gap.days.count(), found.run_guard),
        (3, RunGuard { messages: Some(500), times_usual: Some(3), refused_percent: 10 })
    );
    let seconds = std::time::Duration::from_secs;
    assert_eq!(found.freshness, Freshness { max_age: Some(seconds(86_400)), recheck_after: seconds(1_800) });
    let Alerts { to, from, plugin } = found.alerts;
    assert_eq!((to.len(), from.unwrap().0.as_str(), plugin.unwrap().0.as_str()), (1, "receivables", "pager"));
    assert_eq!(found.retry.first.as_secs(), 60);
    assert_eq!(found.database, "data/dunlin.db");
    let company = found.company.unwrap();
    assert_eq!((company.postal_code.as_str(), company.bank_accounts.len()), ("20457", 3));
    assert_eq!(company.bank_accounts[2].routing_number, "021000021");
    assert_eq!(found.daemon.listen, Some("[::1]:8080".parse().unwrap()));
}

#[test]
fn a_document_is_in_one_place_that_no_gap_moves() {
    for (document, expected) in [
        (
            "{ path: \"d/{number}.pdf\", url: \"https://a.example/{number}\" }",
            "The document `x` has either `path` or `url`; write `path: documents/{number}.pdf`",
        ),
        ("{ of: mail }", "The document `x` has either `path` or `url`; write `path: documents/{number}.pdf`"),
        (
            "{ path: d/terms.pdf }",
            "`d/terms.pdf` cannot be used: it is the same for every invoice: it needs a field of the document, such as `{number}`, or `of: mail`",
        ),
        (
            "{ path: \"d/{number}.pdf\", of: mail }",
            "`d/{number}.pdf` cannot be used: it asks for fields of a document, and there is one for the whole mail",
        ),
        ("{ path: \"d/{nummer}.pdf\" }", "`d/{nummer}.pdf` cannot be used: `{nummer}` is not known; did you mean `{number}`?"),
        (
            "{ url: \"https://{customer.id}.example/{number}\" }",
            "The server of a document cannot come from the books; write `https://dms.example.com/{number}`",
        ),
        (
            "{ url: \"http://dms.example/{number}\" }",
            "This address would send secrets in plain text; write `https://dms.example.com/{number}.pdf`",
        ),
        ("{ path: \"{number}.pdf\", secret: \"${env:A}\" }", "`secret` goes with `url`; a file of this machine needs none"),
        ("{ path: \"{number}.pdf\", bytes_max: 200 MB }", "`200 MB` is not a size of a file; write `10 MB`, at most 100 MB"),
    ] {
        let found = problems(&format!("{LEAST}documents: {{ x: {document} }}\n"));
        assert!(found.len() == 1 && found[0].ends_with(expected), "{document}: {found:?}");
    }
}

#[test]
fn a_calendar_names_days_and_files_of_the_workspace() {
    let calendar = |text: &str| {
        let found = config(&format!("{LEAST}calendar: {text}\n")).calendar.unwrap();
        (found.weekend.len(), found.holidays.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(calendar("{ holidays: [calendars/de.yaml, ours.ics] }"), (2, vec!["calendars/de.yaml".into(), "ours.ics".into()]));
    assert_eq!(calendar("{ weekend: [] }"), (0, vec![]));
    assert_eq!(
        problems(&format!("{LEAST}calendar: {{ weekend: [saturday], holidays: [../de.yaml, /etc/de.yaml, de.txt] }}\n")),
        [
            "config.yaml:12:23: `saturday` is not known here; write one of: mon, tue, wed, thu, fri, sat, sun",
            "config.yaml:12:45: `../de.yaml` is not a file of the workspace; write a path such as `calendars/de.yaml`",
            "config.yaml:12:57: `/etc/de.yaml` is not a file of the workspace; write a path such as `calendars/de.yaml`",
            "config.yaml:12:71: `de.txt` is not a calendar file; a calendar ends in .yaml or .ics",
        ]
    );
    let files = vec!["a.ics"; CALENDAR_FILES_MAX + 1].join(", ");
    assert_eq!(
        problems(&format!("{LEAST}calendar: {{ holidays: [{files}] }}\n")),
        ["config.yaml:12:13: A calendar has at most 20 files; join some of them"]
    );
}

#[test]
fn all_problems_of_a_file_come_at_once_in_its_order() {
    let text = "\
instance: acme production
mode: redirct
time_zone: Berlin
smpt: {}
smtp:
  primary: { host: \"smtp.abc.example:587\", security: tls, port: 99999, rate: 60/minute }
  backup: { preset: exchange }
senders:
  receivables: { address: ar at abc.example, server: [primry, backup] }
recipient_keys: { billing: Billing contact }
ledger:
  currency: Euro
  customers: { csv: customers.csv, columns: { idd: No, contacts: { biling: Mail } } }
  invoices: { csv: invoices.csv, dates: dd.mm.yyyy, decimal: comma, thousands: comma }
limits: { contact_gap: 3 }
retry: { first: 5 minutes, most: 2 days }
";
    assert_eq!(
        problems(text),
        [
            "config.yaml:1:11: `acme production` cannot name an instance; use letters, digits, `-` and `_`, at most 64",
            "config.yaml:2:7: `redirct` is not known here; did you mean `redirect`?",
            "config.yaml:3:12: `Berlin` is not a time zone; did you mean `Europe/Berlin`?",
            "config.yaml:4:1: Unknown field `smpt`; did you mean `smtp`?",
            "config.yaml:6:20: `smtp.abc.example:587` is not the name of a host; write the name alone; the port has a key of its own",
            "config.yaml:6:54: `tls` is not known here; write one of: implicit, starttls, opportunistic, none",
            "config.yaml:6:65: `99999` is not a number allowed here; write a whole number from 1 to 65535",
            "config.yaml:6:78: `60/minute` is not a rate; write a number up to 1000000 and `/s`, `/min`, `/h` or `/day`: `60/min`",
            "config.yaml:7:21: `exchange` is not known here; write one of: exchange-online, google-workspace, amazon-ses",
            "config.yaml:9:27: `ar at abc.example` is not an e-mail address; write `name@example.com` and nothing else",
            "config.yaml:9:55: `primry` is not a server under `smtp`; did you mean `primary`?",
            "config.yaml:12:13: `Euro` is not a currency; write its three letters: EUR",
            "config.yaml:13:47: Unknown field `idd`; did you mean `id`?",
            "warning: config.yaml:13:66: No customer can have an address as `billing`, since no column is named for it; \
             add `billing: <column>` here, or remove `billing` from `recipient_keys`",
            "config.yaml:13:68: `biling` is not a recipient key; did you mean `billing`?",
            "config.yaml:14:41: `dd.mm.yyyy` does not name a year, a month and a day; write `%d`, `%m` and `%Y` with what \
             stands between them: `\"%d/%m/%Y\"`, `\"%d.%m.%Y\"`, `\"%Y-%m-%d\"`",
            "config.yaml:14:80: `thousands` and `decimal` are the same mark; write `decimal: comma` and `thousands: point` for \
             1.234,50; the other way round for 1,234.50",
            "config.yaml:15:24: `3` is not a number of days; write `3 days` or `3 business days`",
            "config.yaml:16:17: `5 minutes` is not a span of time; write a number and s, min, h or days, a year at most: `5 min`, `24 h`",
        ]
    );
}

#[test]
fn with_an_error_there_is_no_configuration_and_with_a_warning_there_is() {
    for (addition, is_there) in [("", true), ("alerts: {}\n", true), ("no_such_key: 1\n", false), ("retry: 5\n", false)] {
        assert_eq!(read_text(&format!("{LEAST}{addition}"), Readers::Few).0.is_some(), is_there, "{addition}");
    }
}

#[test]
fn what_must_be_there_is_asked_for() {
    assert_eq!(
        problems("mode: redirect\n"),
        [
            "config.yaml:1:1: `mode: redirect` needs `redirect_to`; add `redirect_to: you@example.com`",
            "config.yaml:1:1: A configuration needs `smtp`; add `smtp: …`",
            "config.yaml:1:1: A configuration needs `senders`; add `senders: …`",
            "config.yaml:1:1: A configuration needs `recipient_keys`; add `recipient_keys: …`",
            "config.yaml:1:1: A configuration needs `ledger`; add `ledger: …`",
        ]
    );
    assert_eq!(
        server_problems("{}"),
        [
            "config.yaml:4:3: The server `primary` needs `host`; add `host: …`",
            "config.yaml:4:3: The server `primary` needs `security`; write `security: starttls` for port 587, `implicit` for \
             port 465; it is not guessed from the port",
        ]
    );
    assert_eq!(server_problems("{ preset: amazon-ses }"), ["config.yaml:4:3: The server `primary` needs `host`; add `host: …`"]);
    assert_eq!(
        problems(&least_with("  primary:", "  backup: { host: localhost, security: none }\n  primary:")),
        ["config.yaml:7:3: The sender `receivables` needs `server`, since there are several; add `server: backup`"]
    );
}

#[test]
fn the_port_follows_the_security() {
    for (security, port) in [("implicit", 465), ("starttls", 587), ("opportunistic", 25), ("none", 25)] {
        let text = least_with("smtp.abc.example, security: starttls", &format!("localhost, security: {security}"));
        assert_eq!(config(&text).servers[0].port, port, "{security}");
    }
}

#[test]
fn no_password_and_no_mail_goes_over_an_open_line_unasked() {
    let open = "would send every mail readable for all between here and there; \
                write `security: starttls`; or, if that network is yours, add `allow_plaintext: true`";
    for (settings, expected) in [
        ("{ host: 127.0.0.1, security: none }", None),
        ("{ host: \"::1\", security: none }", None),
        ("{ host: LOCALHOST, security: none }", None),
        ("{ host: 10.0.0.1, security: none, allow_plaintext: true }", None),
        ("{ host: 10.0.0.1, security: none }", Some(format!("config.yaml:4:30: `security: none` to `10.0.0.1` {open}"))),
        (
            "{ host: localhost.abc.example, security: none }",
            Some(format!("config.yaml:4:43: `security: none` to `localhost.abc.example` {open}")),
        ),
        (
            "{ host: relay.example, security: opportunistic }",
            Some(
                "warning: config.yaml:4:35: `security: opportunistic` to `relay.example` sends mails readable for all when TLS is \
                 not offered; write `security: starttls` if the server always offers TLS"
                    .to_owned(),
            ),
        ),
        (
            "{ host: 127.0.0.1, security: none, auth: { user: a, password: \"${env:P}\" } }",
            Some(
                "config.yaml:4:47: A password is never sent over a connection that may be without TLS; write `security: starttls` \
                 or `implicit`, or remove `auth`"
                    .to_owned(),
            ),
        ),
    ] {
        assert_eq!(server_problems(settings), expected.into_iter().collect::<Vec<_>>(), "{settings}");
    }
}

/// Returns what `account` is read as, secrets by their sources, and its problems.
fn account(preset: &str, account: &str) -> (String, Vec<String>) {
    let text = least_with("{ host: smtp.abc.example, security: starttls }", &format!("{{ {preset}, auth: {account} }}"));
    let (config, _) = read_text(&text, Readers::Few);
    let source = |secret: &SecretRef| match &secret.source {
        SecretSource::Literal(_) => "literal".to_owned(),
        SecretSource::Environment(name) => format!("env {name}"),
        SecretSource::File(path) => format!("file {path}"),
        SecretSource::Credential(name) => format!("credential {name}"),
    };
    let program = |client: &OauthClient| match &client.proof {
        OauthClientProof::None => client.id.clone(),
        OauthClientProof::Secret(secret) => format!("{} by {}", client.id, source(secret)),
        OauthClientProof::Certificate { certificate, private_key } => {
            format!("{} by {} with {}", client.id, certificate.path, source(private_key))
        }
    };
    let read = config.and_then(|config| config.servers[0].auth.clone()).map_or(String::new(), |auth| match &auth.proof {
        AuthProof::Password(password) => format!("{} {:?}: {}", auth.user, auth.mechanism, source(password)),
        AuthProof::Oauth2(oauth2) => {
            let scope = oauth2.scope.as_deref().unwrap_or("no scope");
            match &oauth2.way {
                OauthWay::Program { token_url, client } => format!("{} at {} for {scope}", program(client), token_url.text()),
                OauthWay::Person { token_url, client, refresh_token } => {
                    format!("{}, {} at {} for {scope}", program(client), source(refresh_token), token_url.text())
                }
                OauthWay::ServiceAccount { key_file } => format!("{} for {scope}", source(key_file)),
            }
        }
    });
    (read, problems(&text))
}

const HOST: &str = "host: a.example, security: implicit";

#[test]
fn every_way_to_sign_in_has_its_keys() {
    let microsoft = "preset: exchange-online";
    let google = "preset: google-workspace";
    for (preset, oauth2, expected) in [
        (
            microsoft,
            "tenant: abc.onmicrosoft.com, client_id: app, client_secret: \"${env:S}\"",
            "app by env S at https://login.microsoftonline.com/abc.onmicrosoft.com/oauth2/v2.0/token for \
             https://outlook.office365.com/.default",
        ),
        (
            microsoft,
            "tenant: t, client_id: app, certificate: app.pem, private_key: \"${file:/run/app.key}\"",
            "app by app.pem with file /run/app.key at https://login.microsoftonline.com/t/oauth2/v2.0/token for \
             https://outlook.office365.com/.default",
        ),
        (
            microsoft,
            "tenant: t, client_id: app, refresh_token: \"${file:/var/token}\"",
            "app, file /var/token at https://login.microsoftonline.com/t/oauth2/v2.0/token for \
             https://outlook.office.com/SMTP.Send offline_access",
        ),
        // A national cloud.
        (
            microsoft,
            "token_url: https://login.microsoftonline.us/t/oauth2/v2.0/token, client_id: app, client_secret: x, scope: s/.default",
            "app by literal at https://login.microsoftonline.us/t/oauth2/v2.0/token for s/.default",
        ),
        (google, "service_account: \"${credential:google}\"", "credential google for https://mail.google.com/"),
        (
            google,
            "client_id: app, client_secret: x, refresh_token: \"${file:/var/token}\"",
            "app by literal, file /var/token at https://oauth2.googleapis.com/token for no scope",
        ),
        (
            HOST,
            "token_url: http://127.0.0.1:8080/token, client_id: app, client_secret: x",
            "app by literal at http://127.0.0.1:8080/token for no scope",
        ),
        (HOST, "service_account: \"${file:/run/google.json}\", scope: other", "file /run/google.json for other"),
    ] {
        let found = account(preset, &format!("{{ user: a, oauth2: {{ {oauth2} }} }}"));
        assert_eq!(found, (expected.to_owned(), vec![]), "{oauth2}");
    }
    assert_eq!(account(HOST, "{ user: a, mechanism: cram-md5, password: x }").0, "a Some(CramMd5): literal");
    assert_eq!(account(HOST, "{ user: a, password: \"${credential:smtp_password}\" }").0, "a None: credential smtp_password");
}

#[test]
fn keys_of_two_ways_are_a_problem_and_never_a_guess() {
    let ways = "an account has `client_id` with `client_secret` or with `certificate` and `private_key`, or `client_id` with \
                `refresh_token`, or `service_account`";
    let program = "token_url: https://t.example/, client_id: app";
    let file = "\"${file:/f}\"";
    for (preset, oauth2, expected) in [
        (HOST, String::new(), vec![
            format!("An OAuth 2 account needs `client_id` or `service_account`; {ways}"),
            "An OAuth 2 account needs `token_url`; add `token_url: https://…`, or `tenant: …` for Microsoft's".to_owned(),
        ]),
        (HOST, program.to_owned(), vec![
            "The program proves nothing: there is neither `client_secret` nor `certificate`; add `client_secret: \
             \"${file:/path}\"`".to_owned(),
        ]),
        (HOST, format!("{program}, client_secret: x, certificate: c, tenant: t"), vec![
            "`token_url` does not go with `tenant`, which names Microsoft's; remove one of the two".to_owned(),
            "`client_secret` does not go with `certificate` and `private_key`; remove the one or the others".to_owned(),
        ]),
        (HOST, format!("{program}, certificate: c"), vec![
            "`certificate` needs `private_key`; add `private_key: \"${file:/path}\"`".to_owned(),
        ]),
        (HOST, format!("{program}, private_key: {file}"), vec![
            "`private_key` needs `certificate`; add `certificate: certificate.pem`".to_owned(),
        ]),
        (HOST, format!("{program}, service_account: {file}"), vec![
            "`token_url` does not go with `service_account`, whose file says all; remove one of the two".to_owned(),
            "`client_id` does not go with `service_account`, whose file says all; remove one of the two".to_owned(),
        ]),
        (HOST, format!("{program}, certificate: c, private_key: MIIEvgIBADANBg"), vec![
            "A key does not stand in config.yaml itself; write \"${env:NAME}\", \"${file:/path}\" or \"${credential:name}\"".to_owned(),
        ]),
        (HOST, "token_url: http://t.example/, client_id: app, client_secret: x".to_owned(), vec![
            "`http://t.example/` would send secrets in plain text; write `https://…`".to_owned(),
        ]),
        (HOST, "token_url: t.example, client_id: \"\", client_secret: x, scope: \"a\\\"b\"".to_owned(), vec![
            "`t.example` is not the address of a token server; write `https://login.example.com/token`".to_owned(),
            "The name is empty or has a control character; write it in one line".to_owned(),
            "`a\"b` is not a scope; write what the token server calls it, several with a space between them".to_owned(),
        ]),
        ("preset: exchange-online", format!("service_account: {file}"), vec![
            format!("`service_account` is Google's, and the server is Microsoft's; {ways}"),
        ]),
        ("preset: exchange-online", "client_id: app, client_secret: x".to_owned(), vec![
            "An OAuth 2 account of Exchange Online needs `tenant`; add `tenant: example.onmicrosoft.com`".to_owned(),
        ]),
        ("preset: exchange-online", "tenant: a/b, client_id: app, client_secret: x".to_owned(), vec![
            "`a/b` is not the name of a tenant; write its id (`00000000-0000-…`) or its domain (`example.onmicrosoft.com`)".to_owned(),
        ]),
        ("preset: exchange-online", "tenant: common, client_id: app, client_secret: x".to_owned(), vec![
            "`common` is no tenant, and a program signs in at one; write the tenant's id or its domain".to_owned(),
        ]),
        ("preset: google-workspace", "client_id: app, client_secret: x, tenant: t".to_owned(), vec![
            "`tenant` is Microsoft's, and the server is Google's; remove it".to_owned(),
        ]),
        ("preset: google-workspace", "client_id: app, client_secret: x".to_owned(), vec![
            "Google lets no program sign in with `client_id` alone; write `service_account: \"${file:/path}\"` with the service \
             account's key file".to_owned(),
        ]),
        (HOST, format!("{program}, refresh_token: \"${{env:T}}\""), vec![
            "A token server may replace the refresh token, and only one in a file can be kept; write \"${file:/path}\", a file that \
             the program may write".to_owned(),
        ]),
    ] {
        let (_, problems) = account(preset, &format!("{{ user: a, oauth2: {{ {oauth2} }} }}"));
        let told: Vec<String> =
            problems.iter().map(|line| line.split_once("config.yaml:4:").unwrap().1.split_once(": ").unwrap().1.to_owned()).collect();
        assert_eq!(told, expected, "{oauth2}");
    }
    for (keys, expected) in [
        (
            "mechanism: xoauth2, password: x",
            "config.yaml:4:68: `mechanism: xoauth2` takes a token, and this account has `password`; leave it out, or write one of: \
             plain, login, cram-md5",
        ),
        (
            "mechanism: plain, oauth2: { token_url: https://t.example/, client_id: app, client_secret: x }",
            "config.yaml:4:68: `mechanism: plain` takes a password, and this account has `oauth2`; leave it out, or write one of: \
             xoauth2, oauthbearer",
        ),
        (
            "mechanism: ntlm, password: x",
            "config.yaml:4:79: `ntlm` is not known here; write one of: plain, login, cram-md5, xoauth2, oauthbearer",
        ),
        ("password: x, oauth2: {}", ""),
    ] {
        let (_, problems) = account(HOST, &format!("{{ user: a, {keys} }}"));
        match expected {
            "" => {
                let expected = "config.yaml:4:57: An account has `password` or `oauth2`, not both; remove one of the two";
                assert!(problems.iter().any(|problem| problem == expected), "{problems:#?}");
            }
            expected => assert_eq!(problems, [expected]),
        }
    }
}

#[test]
fn a_secret_has_a_form_of_its_own() {
    let with = |password: &str| {
        server_problems(&format!("{{ host: a.example, security: implicit, auth: {{ user: a, password: {password} }} }}"))
    };
    for fine in ["\"${env:SMTP_PASSWORD}\"", "\"${file:/run/secrets/smtp}\"", "\"${credential:smtp}\"", "hunter2"] {
        assert_eq!(with(fine), Vec::<String>::new(), "{fine}");
    }
    for (password, message) in [
        ("\"${env:}\"", "The name of an environment variable has letters, digits and `_` only"),
        ("\"${env:A B}\"", "The name of an environment variable has letters, digits and `_` only"),
        ("\"${file:secret}\"", "The path of a secret's file is absolute"),
        ("\"${credential:../x}\"", "The name of a credential has letters, digits, `.`, `-` and `_` only"),
        ("\"${credential:..}\"", "The name of a credential has letters, digits, `.`, `-` and `_` only"),
        ("\"${vault:x}\"", "A secret is in `env`, in `file` or in `credential`"),
        ("\"${SMTP_PASSWORD}\"", "A secret is in `env`, in `file` or in `credential`"),
        ("\"x${env:A}\"", "A reference to a secret is the whole value, with nothing beside it"),
        ("\"\"", "The secret is empty"),
    ] {
        let expected =
            format!("config.yaml:4:78: {message}; write \"${{env:NAME}}\", \"${{file:/path}}\" or \"${{credential:name}}\"");
        assert_eq!(with(password), [expected], "{password}");
    }
}

#[test]
fn no_problem_shows_a_password_even_where_a_key_is_misspelt() {
    for settings in [
        "{ host: a.example, securty: implicit, auth: { user: a, password: hunter2 } }",
        "{ host: a.example, security: implicit, auth: { user: a, pasword: hunter2 } }",
        "{ host: a.example, security: implicit, auth: { user: a, password: { hunter2: hunter2 } } }",
        "{ host: a.example, security: implicit, auth: { user: a, password: \"hunter2 } }",
        "\n    host: a.example\n    security: implicit\n    auth:\n      user: a\n      password:\n        hunter2",
        "{ host: a.example, security: implicit, auth: { user: a, oauth2: { client_secret: hunter2 } } }",
        "{ host: a.example, security: implicit, auth: { user: a, oauth2: { service_acount: hunter2 } } }",
        "\n    host: a.example\n    security: implicit\n    auth:\n      oauth2:\n        private_key: |\n          hunter2\n",
    ] {
        let text = least_with("{ host: smtp.abc.example, security: starttls }", settings);
        let (config, problems) = read_text(&text, Readers::Everybody);
        assert!(!problems.is_empty(), "{settings}");
        assert!(!format!("{problems:?}{config:?}").contains("hunter2"), "{settings}: {problems:#?}");
    }
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_refused() {
    for (keys, column) in [
        ("password: hunter2", 78),
        ("oauth2: { token_url: https://t.example/, client_id: app, client_secret: hunter2 }", 140),
        ("oauth2: { token_url: https://t.example/, client_id: app, refresh_token: hunter2 }", 140),
    ] {
        let settings = format!("{{ host: a.example, security: implicit, auth: {{ user: a, {keys} }} }}");
        let text = least_with("{ host: smtp.abc.example, security: starttls }", &settings);
        for (readers, who) in [(Readers::Everybody, "every user of this machine"), (Readers::Group, "its owner's group")] {
            let (config, problems) = read_text(&text, readers);
            assert!(config.is_none(), "{keys}");
            let expected = format!(
                "config.yaml:4:{column}: The secret stands in a file that {who} can read; write \"${{env:NAME}}\", \
                 \"${{file:/path}}\" or \"${{credential:name}}\"; or let nobody else read it: `chmod 600 config.yaml`"
            );
            assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
        assert!(read_text(&text, Readers::Few).0.is_some());
        assert!(read_text(&text.replace("hunter2", "\"${env:P}\""), Readers::Everybody).0.is_some());
    }
}

/// Returns the problems of [`LEAST`] with more keys at the sender.
fn sender_problems(more: &str) -> Vec<String> {
    problems(&least_with("{ address: ar@abc.example }", &format!("{{ address: ar@abc.example, {more} }}")))
}

#[test]
fn what_a_sender_adds_to_mails_is_checked_at_its_place() {
    let long = "b".repeat(27);
    for (more, expected) in [
        ("return_path: bounces@abc.example, return_path_delimiter: equals", vec![]),
        (
            "return_path: bounces",
            vec!["config.yaml:6:56: `bounces` is not an e-mail address; write `name@example.com` and nothing else"],
        ),
        (
            "return_path_delimiter: plus",
            vec!["config.yaml:6:66: `return_path_delimiter` needs `return_path`; add `return_path: bounces@example.com`"],
        ),
        (
            "return_path: a@b.example, return_path_delimiter: x",
            vec!["config.yaml:6:92: `x` is not known here; write one of: plus, minus, equals, none"],
        ),
        (&format!("return_path: {long}@abc.example, return_path_delimiter: none"), vec![]),
        (
            &format!("return_path: {long}@abc.example"),
            vec![
                "config.yaml:6:56: The mailbox `bbbbbbbbbbbbbbbbbbbbbbbbbbb@abc.example` has no room for a message key; take a name of \
             at most 26 letters, or `return_path_delimiter: none`",
            ],
        ),
        ("list_help: https://abc.example/help", vec![]),
        (
            "list_help: help@abc.example",
            vec![
                "config.yaml:6:54: `help@abc.example` is not where help can be found; write `mailto:name@example.com` or \
             `https://example.com/help`, letters beyond ASCII as `%C3%BC`",
            ],
        ),
        ("headers: { X-A: a, Organization: Müller GmbH }", vec![]),
        (
            "headers: { X A: a, from: b, x-B: \"a\\r\\nBcc: c\", X-b: c, X-C: [] }",
            vec![
                "config.yaml:6:54: `X A` is no name of a header: use letters, digits, `-` and `_`, a letter first, at most 64; write a \
             name of your own, such as `X-Campaign`",
                "config.yaml:6:62: `from` cannot be set: it is written by the program or by servers; write a name of your own, such as \
             `X-Campaign`",
                "config.yaml:6:76: The header `x-B` has more than one line, or a control character; write it in one line",
                "config.yaml:6:91: The header `X-b` is named twice; names are the same in any case",
                "config.yaml:6:104: Expected a text, found a list",
            ],
        ),
    ] {
        let found = sender_problems(more);
        assert_eq!(found, expected, "{more}");
    }
    let many: Vec<String> = (0..=crate::domain::header::HEADERS_MAX).map(|number| format!("X-{number}: a")).collect();
    let found = sender_problems(&format!("headers: {{ {} }}", many.join(", ")));
    assert_eq!(found, ["config.yaml:6:52: 21 headers are named; at most 20 are read"]);
}

#[test]
fn a_dkim_key_is_a_reference_under_a_name_of_its_own() {
    let key = |rest: &str| format!("dkim: {{ key: \"${{file:/k}}\", {rest} }}");
    let aligned = ["abc.example", "ABC.example", "mail.abc.example"];
    for domain in aligned {
        assert_eq!(sender_problems(&key(&format!("domain: {domain}, selector: a.b-1"))), [""; 0], "{domain}");
    }
    for (more, expected) in [
        (key("domain: xabc.example, selector: a"), vec![
            "warning: config.yaml:6:78: A signature of `xabc.example` does not count for mails from `ar@abc.example` where receivers \
             ask for DMARC; sign with a key of `abc.example`",
        ]),
        (key("domain: a b, selector: a/b"), vec![
            "config.yaml:6:78: `a b` is not a domain; write the part behind the `@`: `example.com`",
            "config.yaml:6:93: `a/b` cannot name a DKIM key; write a name such as `dunlin-2026`; the record is published as \
             `<name>._domainkey.<domain>`",
        ]),
        (key("domain: abc.example"), vec!["config.yaml:6:49: A DKIM key needs `selector`; add `selector: …`"]),
        ("dkim: { key: MIIEvQ, domain: abc.example, selector: a }".to_owned(), vec![
            "config.yaml:6:56: A key does not stand in config.yaml itself; write \"${env:NAME}\", \"${file:/path}\" or \"${credential:name}\"",
        ]),
        (
            "dkim: [{ key: \"${env:A}\", domain: abc.example, selector: a }, { key: \"${env:B}\", domain: Abc.example, selector: a }]"
                .to_owned(),
            vec!["config.yaml:6:43: Two DKIM keys are named `a._domainkey.abc.example`; give each a selector of its own"],
        ),
    ] {
        assert_eq!(sender_problems(&more), expected, "{more}");
    }
    let one = |number: usize| format!("{{ key: \"${{env:A}}\", domain: abc.example, selector: s{number} }}");
    let many: Vec<String> = (0..=DKIM_KEYS_MAX).map(one).collect();
    let found = sender_problems(&format!("dkim: [{}]", many.join(", ")));
    assert_eq!(found, ["config.yaml:6:43: 5 DKIM keys are named; at most 4 are read"]);
    // Wherever it is written, it is not shown.
    let text = least_with("{ address: ar@abc.example }", "{ address: a b, dkim: { key: hunter2, domain: c, selector: d } }");
    assert!(!format!("{:?}", read_text(&text, Readers::Few)).contains("hunter2"));
}

#[test]
fn a_key_that_nobody_can_sign_with_is_told_where_it_is_named() {
    let keys = |name: &str| format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"));
    for (path, expected) in [
        (keys("rsa.pem"), None),
        (keys("ed25519.pem"), None),
        (keys("rsa-1024.pem"), Some("The RSA key has less than 2048 or more than 4096 bits")),
        (keys("README.md"), Some("There is no private key in PEM form in it (`-----BEGIN PRIVATE KEY-----`)")),
    ] {
        let dkim =
            format!("{{ address: ar@abc.example, dkim: {{ domain: abc.example, selector: a, key: \"${{file:{path}}}\" }} }}");
        let config = config(&least_with("{ address: ar@abc.example }", &dkim));
        let found = config.dkim[0].signer(&SystemSecrets).err();
        assert_eq!(found.as_ref().map(|problem| problem.message.as_str()), expected, "{path}");
        assert!(found.is_none_or(|problem| problem.place.unwrap().line == 6), "{path}");
        let missing = config.missing_parts(Path::new("/"), &Bare);
        assert!(missing[0].message.starts_with("Cannot read the secret's file"), "{missing:?}");
    }
}

#[test]
fn a_provider_that_replaces_headers_says_so_by_itself() {
    let replaces = |settings: &str| {
        let found = config(&least_with("{ host: smtp.abc.example, security: starttls }", settings));
        found.servers[0].replaces.join(" ")
    };
    assert_eq!(replaces("{ preset: amazon-ses, host: a.example }"), "Date Message-ID");
    assert_eq!(replaces("{ preset: amazon-ses, host: a.example, replaces: [] }"), "");
    assert_eq!(replaces("{ host: a.example, security: implicit, replaces: Date }"), "Date");
}

/// A machine without variables and files.
struct Bare;

impl Secrets for Bare {
    fn environment(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path, _: u64) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[test]
fn a_configuration_can_be_checked_where_its_secrets_are_not() {
    let settings = "{ host: a.example, security: implicit, ca_file: ca.pem, auth: { user: a, password: \"${env:P}\" } }";
    let config = config(&least_with("{ host: smtp.abc.example, security: starttls }", settings));
    let folder = tempfile::tempdir().unwrap();
    let missing = config.missing_parts(folder.path(), &Bare);
    let messages: Vec<(Severity, &str)> = missing.iter().map(|p| (p.severity, p.message.split(": ").next().unwrap())).collect();
    let expected = [(Severity::Warning, "The environment variable `P` is not set"), (Severity::Warning, "Cannot read `ca.pem`")];
    assert_eq!(messages, expected);

    let ca_file = config.servers[0].ca_file.as_ref().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "no certificate").unwrap();
    assert_eq!(ca_file.read(folder.path()).unwrap_err().message, "`ca.pem` has no certificate");
    std::fs::write(&path, vec![b'x'; CA_FILE_BYTES_MAX as usize + 1]).unwrap();
    assert_eq!(ca_file.read(folder.path()).unwrap_err().message, "`ca.pem` has more than 1048576 bytes");
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert_eq!(ca_file.read(folder.path()).unwrap(), b"-----BEGIN CERTIFICATE-----\n");
}

#[test]
fn spans_of_time_and_rates_have_few_spellings() {
    let retry = |text: &str| problems(&format!("{LEAST}retry: {{ first: 1 s, most: 1 s, give_up_after: {text} }}\n"));
    for fine in ["90 s", "5 min", "5min", "24h", "1 day", "2 days"] {
        assert_eq!(retry(fine), Vec::<String>::new(), "{fine}");
    }
    for bad in ["5", "0 s", "-5 min", "5 m", "1 week", "400 days", "99999999999999999999 s", "1.5 h", "\"\""] {
        assert_eq!(retry(bad).len(), 1, "{bad}: {:?}", retry(bad));
    }
    for bad in ["60", "0/min", "60/m", "/min", "-1/s", "2000000/s", "1.5/s"] {
        assert_eq!(server_problems(&format!("{{ host: a.example, security: implicit, rate: {bad} }}")).len(), 1, "{bad}");
    }
    let order = problems(&format!("{LEAST}retry: {{ first: 5 h, most: 4 h }}\n"));
    assert_eq!(
        order,
        ["config.yaml:12:8: A retry policy has `first` ≤ `most` ≤ `give_up_after`; the usual ones are 5 min, 4 h and 24 h"]
    );
}

/// Returns the keys a map of the reader knows at `path`, as it lists them itself when it meets one it does not know.
fn known_at(path: &str) -> BTreeSet<String> {
    let mut text = String::new();
    let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
    for (depth, part) in parts.iter().enumerate() {
        let part = part.replace("<file>", "invoices").replace("<id>", "x").replace("<currency>", "EUR");
        text.push_str(&format!("{}{part}:\n", "  ".repeat(depth)));
    }
    text.push_str(&format!("{}no_such_key_anywhere: 1\n", "  ".repeat(parts.len())));
    let (_, problems) = read_text(&text, Readers::Few);
    let unknown = problems.iter().find(|problem| problem.message == "Unknown field `no_such_key_anywhere`");
    let hint = unknown.unwrap_or_else(|| panic!("{text}{problems:#?}")).hint.clone().unwrap();
    let keys = hint.split_once(" has: ").expect("no key is near that one").1;
    keys.split(", ").map(str::to_owned).collect()
}

#[test]
fn what_is_kept_is_kept_long_enough_and_who_is_allowed_is_somebody() {
    let with = |more: &str| problems(&format!("{LEAST}{more}"));
    for (more, told) in [
        ("retention: { archive: a, mails: 30 days }\n", "30 days are too few"),
        ("retention: { mails: 90 days }\n", "`archive`"),
        (
            "redirect_allow: [\"*@seller\", nobody]\nredirect_to: me@abc.example\n",
            "`nobody` is neither an address nor all of a domain",
        ),
        ("redirect_allow: me@abc.example\n", "`redirect_allow` needs `redirect_to`"),
    ] {
        let found = with(more).join("\n");
        assert!(found.contains(told), "{more}: {found}");
    }
}

#[test]
fn the_reader_knows_exactly_the_keys_of_the_table() {
    let free = ["smtp", "senders", "documents", "recipient_keys", "company.bank_accounts", "ledger.customers.columns.contacts"];
    let mut parents: BTreeSet<&str> = BTreeSet::from([""]);
    parents.extend(KEYS.iter().filter_map(|key| key.path.rsplit_once('.')).map(|(parent, _)| parent));
    for parent in parents.into_iter().filter(|parent| !free.contains(parent)) {
        // The four files share what stands in the table once; the customers' own columns are looked at by themselves.
        let child = |key: &Key| {
            let key = key.path.replace("ledger.<file>", "ledger.invoices");
            let parent = parent.replace("ledger.<file>", "ledger.invoices");
            let rest = if parent.is_empty() { key.as_str() } else { key.strip_prefix(&format!("{parent}."))? };
            (!rest.contains('.') && rest != "<file>").then(|| rest.to_owned())
        };
        let written: BTreeSet<String> = KEYS.iter().filter_map(child).collect();
        assert_eq!(known_at(parent), written, "under `{parent}`");
    }
}

#[test]
fn the_health_page_is_for_this_machine_alone() {
    let listen = |written: &str| config(&format!("{LEAST}daemon: {{ listen: {written} }}\n")).daemon.listen;
    for (written, expected) in [
        ("\"127.0.0.1:0\"", Some("127.0.0.1:0")),
        ("localhost:80", Some("127.0.0.1:80")),
        ("\"[::1]:9645\"", Some("[::1]:9645")),
        ("off", None),
    ] {
        assert_eq!(listen(written), expected.map(|address| address.parse().unwrap()), "{written}");
    }
    for (written, expected) in [
        (
            "0.0.0.0:9645",
            "config.yaml:12:19: `0.0.0.0` can be reached from other machines, and the health page asks nobody who they are; \
             write `127.0.0.1:9645`, and put a proxy that asks before it",
        ),
        ("9645", "config.yaml:12:19: `9645` is not an address with a port; write `127.0.0.1:9645`, or `off`"),
    ] {
        assert_eq!(problems(&format!("{LEAST}daemon: {{ listen: {written} }}\n")), [expected]);
    }
}

#[test]
fn every_phrase_of_the_table_has_a_meaning_for_the_schema() {
    let plain = |path: &str| path.replace("<file>", "customers");
    let has_keys = |key: &Key| KEYS.iter().any(|other| plain(other.path).starts_with(&format!("{}.", plain(key.path))));
    let is_unknown =
        |key: &&Key| key.form != "PRESETS" && !has_keys(key) && crate::schema::form::value_schema(key.form).is_none();
    let unknown: Vec<&str> = KEYS.iter().filter(is_unknown).map(|key| key.form).collect();
    assert!(unknown.is_empty(), "give these a meaning in src/schema/form.rs: {unknown:?}");
}

#[test]
fn the_reference_page_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference/config.md");
    if std::env::var_os("DUNLIN_BLESS").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == reference(), "out of date; run `DUNLIN_BLESS=1 cargo test reference` and commit the page");
}

#[test]
fn the_workspace_that_ships_has_no_problem() {
    let text = include_str!("../../config.yaml");
    let (config, problems) = read_text(text, Readers::Everybody);
    assert_eq!(problems, []);
    let config = config.unwrap();
    let keys: Vec<&str> = config.recipient_keys.iter().map(|role| role.key.as_str()).collect();
    assert_eq!(keys, ["billing", "management", "account_manager"]);
    assert_eq!(config.contact_gap.days.count(), 3);
}

/// What the remarks show must be right too: each becomes a configuration when the `#` is taken away.
#[test]
fn the_remarks_of_the_shipped_configuration_are_right() {
    let text = include_str!("../../config.yaml");
    let setting = |line: &str| {
        let word = line.trim_start().strip_prefix("# ")?.trim_start();
        let key: String = word.chars().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_').collect();
        (word[key.len()..].starts_with(':') && KEYS.iter().any(|known| known.path.ends_with(&key)) || word.ends_with(':'))
            .then(|| line.replacen("# ", "", 1))
    };
    // The lines in which a remark explains rather than sets.
    let explains = |line: &str| line.starts_with("# live:");
    let lines: Vec<String> =
        text.lines().map(|line| setting(line).filter(|_| !explains(line)).unwrap_or_else(|| line.to_owned())).collect();
    let (config, problems) = read_text(&lines.join("\n"), Readers::Few);
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, [""; 0]);
    let ids: Vec<String> = config.unwrap().servers.iter().map(|server| server.id.to_string()).collect();
    assert_eq!(ids, ["primary", "company", "microsoft"]);
}

/// What the page on signing in shows must be right: each of its entries becomes the only server.
#[test]
fn the_examples_of_the_page_on_signing_in_are_right() {
    let page = include_str!("../../docs/sign-in.md");
    let entries: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(entries.len(), 7);
    for entry in entries {
        let indented: String = entry.lines().map(|line| format!("  {line}\n")).collect();
        let text = least_with("  primary: { host: smtp.abc.example, security: starttls }\n", &indented);
        assert_eq!(problems(&text), Vec::<String>::new(), "{entry}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(
        line in 0usize..11,
        text in "[ -~é\u{0}\t]{0,30}",
    ) {
        let lines: Vec<&str> = LEAST.lines().enumerate().map(|(at, own)| if at == line { text.as_str() } else { own }).collect();
        read_text(&lines.join("\n"), Readers::Few);
    }
}

#[test]
fn limits_in_business_days_need_a_calendar() {
    let limits = "limits: { contact_gap: 2 business days, reminder_days: business_days }\n";
    let calendar = "calendar: { weekend: [sat, sun] }\n";
    let found = config(&format!("{LEAST}{calendar}{limits}"));
    assert_eq!((found.contact_gap.to_string(), found.reminder_days), ("2 business days".to_owned(), ReminderDays::Business));
    assert_eq!(
        problems(&format!("{LEAST}{limits}")),
        [
            "config.yaml:12:11: `contact_gap` needs to know which days are business days; add `calendar: { weekend: [sat, sun] }`",
            "config.yaml:12:41: `reminder_days` needs to know which days are business days; add `calendar: { weekend: [sat, sun] }`",
        ]
    );
}
