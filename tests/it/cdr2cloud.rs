//! Templates as CDR2Cloud has them: every variable of its four kinds of templates, through the whole program.

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace, counts};

/// The tables of CDR2Cloud's page on its templates, with what each variable is here.
const INVOICE: &[(&str, &str)] = &[("customername", "John Doe"), ("invoicenumber", "00002365"), ("invoicetotal", "€120.50")];
const RECEIPT: &[(&str, &str)] = &[
    ("customername", "John Doe"),
    ("invoiceduedate", "2 March 2026"),
    ("invoicenumber", "00002365"),
    ("invoicetotal", "€120.50"),
    ("paymentdate", "1 March 2026"),
    ("paymentamount", "€40.00"),
    ("paymentmethod", "Bank transfer"),
    ("paidtodate", "€70.00"),
];
const WEB_ACCESS: &[(&str, &str)] = &[
    ("customername", "John Doe"),
    ("logonlink", "https://portal.seller.example/logon"),
    ("customerusername", "jdoe"),
    ("customerpassword", "begin-with-this"),
];
const CALL_DETAIL: &[(&str, &str)] = &[
    ("customername", "John Doe"),
    ("invoicenumber", "00002365"),
    ("cdrstartdate", "1 January 2026"),
    ("cdrenddate", "31 January 2026"),
];
/// What all four have besides.
const TENANT: &[(&str, &str)] = &[
    ("tenantcompanyname", "Seller & Sons Inc."),
    ("tenantstreet", "1 Harbour Street"),
    ("tenantcity", "Springfield"),
    ("tenantstate", "Illinois"),
    ("tenantpostal", "62701"),
    ("tenantcountry", "United States"),
    ("tenantemail", "ar@seller.example"),
    ("tenantphone", "+1 217 555 0100"),
];

const COMPANY: &str = "  payments: { csv: payments.csv }
company:
  name: Seller & Sons Inc.
  street: 1 Harbour Street
  city: Springfield
  state: Illinois
  postal_code: \"62701\"
  country: United States
  email: ar@seller.example
  phone: +1 217 555 0100
  logon_url: https://portal.seller.example/logon
";

/// Returns a workspace with one customer, one invoice and two payments, and the notice rules of the four kinds; yesterday all of
/// it was there but what the notices are about.
fn workspace(port: u16) -> Workspace {
    let workspace = Workspace::new(port, 1);
    workspace.write("config.yaml", &Workspace::config(port, COMPANY));
    let header = "id,name,billing,user_name,temporary_password\n";
    workspace.write("customers.csv", &format!("{header}C1,John Doe,jd@customer.example,jdoe,begin-with-this\n"));
    let header = "number,customer,issued_on,due_on,total,cdr_start,cdr_end\n";
    workspace.write("invoices.csv", &format!("{header}00002365,C1,2026-02-01,2026-03-02,120.50,2026-01-01,2026-01-31\n"));
    let header = "customer,invoice,amount,received_on,method\n";
    workspace.write(
        "payments.csv",
        &format!("{header}C1,00002365,40.00,2026-03-01,Bank transfer\nC1,00002365,30.00,2026-03-09,Cheque\n"),
    );
    std::fs::remove_file(workspace.path().join("rules/overdue.yaml")).unwrap();
    for (name, kind) in [("invoice", "invoice"), ("receipt", "payment"), ("access", "customer"), ("calls", "invoice")] {
        let rule = format!(
            "id: {name}\nkind: notice\nfor_each: {kind}\ntemplate: {name}\nfrom: receivables\nto: [billing]\nstart: all\n"
        );
        workspace.write(&format!("rules/{name}.yaml"), &rule);
    }
    workspace
}

/// Returns a template with every variable of a table, each in a line of its own, in signs.
fn template(table: &[(&str, &str)]) -> String {
    let lines = table.iter().chain(TENANT).map(|(name, _)| format!("<p>{name}: #{name}#</p>\n"));
    format!("<style>a:hover {{ color: #fff; background: #000 }}</style>\n<a href=\"#top\">#1</a>\n{}", lines.collect::<String>())
}

/// Returns the lines that such a template has once it is filled, as HTML has them.
fn filled(table: &[(&str, &str)]) -> Vec<String> {
    let line = |(name, value): &(&str, &str)| format!("{name}: {}", value.replace('&', "&amp;").replace('/', "&#x2f;"));
    table.iter().chain(TENANT).map(line).collect()
}

const KINDS: [(&str, &[(&str, &str)]); 4] =
    [("invoice", INVOICE), ("receipt", RECEIPT), ("access", WEB_ACCESS), ("calls", CALL_DETAIL)];

fn lines_of(html: &str) -> Vec<String> {
    html.lines().filter_map(|line| line.strip_prefix("<p>")?.strip_suffix("</p>")).map(str::to_owned).collect()
}

#[test]
fn every_variable_of_cdr2cloud_is_filled_in_templates_of_its_own_spelling() {
    let workspace = workspace(1);
    for (kind, table) in KINDS {
        workspace.write(
            &format!("rules/templates/{kind}.subject.txt"),
            "{# syntax: hash #}\n#tenantcompanyname# for #customername#\n",
        );
        workspace.write(&format!("rules/templates/{kind}.html"), &format!("<!-- syntax: hash -->\n{}", template(table)));
    }
    for (kind, table) in KINDS {
        let ran = workspace.dunlin(&["preview", "C1", "--rule", kind, "--as-of", AS_OF, "--json"]);
        let mail = ran.json();
        assert_eq!(mail["subject"], "Seller & Sons Inc. for John Doe", "{kind}: {ran:?}");
        let html = mail["html"].as_str().unwrap();
        assert_eq!(lines_of(html), filled(table), "{kind}");
        assert!(html.contains("color: #fff; background: #000") && html.contains("<a href=\"#top\">#1</a>"), "{html}");
    }
}

#[test]
fn imported_templates_go_as_mails_and_say_the_same() {
    let server = Server::willing();
    let workspace = workspace(server.port);
    for (kind, table) in KINDS {
        workspace.write(&format!("theirs/{kind}.subject.txt"), "#tenantcompanyname# for #customername#");
        workspace.write(&format!("theirs/{kind}.html"), &template(table));
    }
    let path = |name: &str| workspace.path().join(name).display().to_string();
    let (from, into) = (path("theirs"), path("rules/templates"));
    let looked = workspace.dunlin(&["template", "import", &from]);
    assert_eq!(looked.code, Some(0), "{looked:?}");
    assert!(looked.out.contains("line 4: #invoicenumber# → {{ items|map(attribute=\"number\")|join(\", \") }}"), "{looked:?}");
    assert!(!workspace.path().join("rules/templates/invoice.html").exists(), "{looked:?}");
    let imported = workspace.dunlin(&["template", "import", &from, "--out", &into]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert!(!workspace.read("rules/templates/receipt.html").contains("#tenant"));
    let again = workspace.dunlin(&["template", "import", &from, "--out", &into]);
    assert_eq!(again.code, Some(1), "nothing is written over: {again:?}");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
    assert_eq!(counts(&ran.json()), "accepted=5", "{ran:?}");
    let seen = server.taken().into_iter().map(|message| {
        let mail = mail_parser::MessageParser::default().parse(&message.bytes).unwrap();
        assert_eq!(mail.subject(), Some("Seller & Sons Inc. for John Doe"));
        lines_of(&mail.body_html(0).unwrap().replace("\r\n", "\n"))
    });
    let seen: Vec<Vec<String>> = seen.collect();
    for (kind, table) in KINDS {
        assert!(seen.contains(&filled(table)), "{kind}: {seen:#?}");
    }
}

#[test]
fn a_name_that_is_none_is_told_where_it_stands_and_is_not_imported() {
    let workspace = workspace(1);
    workspace.write("rules/templates/invoice.subject.txt", "Invoice");
    workspace.write("rules/templates/invoice.html", "<!-- syntax: hash -->\n<p>Dear #custmername#,</p>\n");
    let checked = workspace.dunlin(&["check", "--json"]);
    assert_eq!(checked.code, Some(3));
    assert!(
        checked.out.contains("Unknown name `#custmername#`") && checked.out.contains("did you mean `#customername#`?"),
        "{checked:?}"
    );
    let from = workspace.path().join("rules/templates/invoice.html").display().to_string();
    let into = workspace.path().join("ours").display().to_string();
    let imported = workspace.dunlin(&["template", "import", &from, "--out", &into]);
    assert_eq!(imported.code, Some(3), "{imported:?}");
    assert!(imported.err.contains("did you mean `#customername#`?") && imported.err.contains(":2:9"), "{imported:?}");
    assert!(!workspace.path().join("ours/invoice.html").exists());
}

#[test]
fn an_empty_value_that_a_template_prints_blocks_the_mail_and_says_which() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace
        .write("customers.csv", "id,name,region,billing\nC0001,One,North,a@customer1.example\nC0002,Two, ,b@customer2.example\n");
    workspace.write("rules/templates/note.html", "<p>{{ customer.attributes.region }}</p>\n");
    let preview = workspace.dunlin(&["preview", "C0002", "--as-of", AS_OF]);
    let told = format!("{}{}", preview.out, preview.err);
    assert!(told.contains("`customer.attributes.region` is empty, and the template prints it"), "{preview:?}");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
    assert_eq!(counts(&ran.json()), "accepted=1 blocked=1", "{ran:?}");
    let blocked = workspace.outbox().into_iter().find(|message| message["state"] == "blocked").unwrap();
    assert_eq!(blocked["reason"], "template_error");
    // Its author says that it may be empty: in one of these ways.
    for text in [
        "<p>Dear {{ customer.attributes.region|default(\"\") }}</p>\n",
        "<p>Dear {% if customer.attributes.region %}{{ customer.attributes.region }}{% endif %}</p>\n",
        "<p>Dear {{ customer.attributes.region or \"you\" }}</p>\n",
    ] {
        workspace.write("rules/templates/note.html", text);
        let preview = workspace.dunlin(&["preview", "C0002", "--as-of", AS_OF, "--json"]);
        assert_eq!(preview.code, Some(0), "{text}: {preview:?}");
    }
}
