//! Whole ledgers from whole files: what is read, and every way in which it is refused.

use std::fs::{self, File};
use std::path::Path;

use jiff::civil::date;
use rust_decimal::dec;

use super::*;
use crate::domain::customer::{Contacts, Customer};
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::id::{CustomerId, DocumentNumber, Language, RecipientKey};
use crate::domain::ledger::{CustomerIndex, DocumentIndex};

const AS_OF: Date = Date::constant(2026, 11, 21);

const CUSTOMERS: &str = "id,name,billing\nA1,Alpha,a@alpha.example\nB2,Beta,\n";
const INVOICES: &str = "number,customer,issued_on,due_on,total\n1,A1,2026-01-10,2026-02-09,100.00\n2,B2,2026-01-11,,50\n";

/// Files of a ledger in a folder that vanishes.
struct Books {
    folder: tempfile::TempDir,
    ledger: CsvLedger,
}

impl Books {
    fn new(customers: Option<&str>, invoices: &str, credit_notes: Option<&str>, payments: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let table = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            CsvTable { name: name.into(), ..CsvTable::new(path) }
        };
        let mut customers = customers.map(|text| table("customers.csv", text));
        if let Some(customers) = &mut customers {
            customers.columns.push(column("contacts.billing", "billing"));
        }
        let ledger = CsvLedger {
            currency: Currency::parse("EUR").unwrap(),
            customers,
            invoices: table("invoices.csv", invoices),
            credit_notes: credit_notes.map(|text| table("credit_notes.csv", text)),
            payments: payments.map(|text| table("payments.csv", text)),
        };
        Self { folder, ledger }
    }

    fn read(&self) -> Result<Ledger, Vec<String>> {
        let read = CsvSource::new(self.ledger.clone(), AS_OF).read(&mut |_, _| {});
        read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn problems(&self) -> Vec<String> {
        self.read().map(|_| ()).unwrap_err()
    }
}

fn column(field: &str, column: &str) -> ColumnName {
    ColumnName { field: field.into(), column: column.into(), place: Some(place_in_config(7)) }
}

fn place_in_config(line: u32) -> Place {
    Place { file: "config.yaml".into(), line, column: 9, width: 1, text: String::new() }
}

#[test]
fn every_field_of_every_file_arrives() {
    let mut books = Books::new(
        Some(
            "No;Name;Lang;Labels;billing;Boss;Pause;City\n\
             K1;\"Müller; Söhne\";de_AT;vip; net30|vat;a@k.example, b@k.example;chef@k.example;31/12/2026;Kiel\n"
                .replace("vip; net30|vat", "vip| net30,vat")
                .as_str(),
        ),
        "number;customer;issued_on;due_on;total;open;currency;settled_on;disputed;hold_until;Site\n\
         R1;K1;01/10/2026;31/10/2026;1.234,50;1.000,00;usd;;ja;30/11/2026;north\n\
         \n;;;;;;;;;;\n\
         R2;K1;2/10/2026;;70;;;1/11/2026;;;\n",
        Some("number;customer;issued_on;total;invoice;Why\nG1;K1;05/10/2026;20,00;R2;damaged\n"),
        Some("invoice;amount;received_on;reference\nR2;12,50;06/10/2026;T-9\n"),
    );
    let german = |table: &mut CsvTable| {
        table.dates = DateFormat::parse("%d/%m/%Y").unwrap();
        table.decimal = DecimalMark::Comma;
        table.thousands = ThousandsMark::parse(".");
    };
    german(&mut books.ledger.invoices);
    german(books.ledger.credit_notes.as_mut().unwrap());
    german(books.ledger.payments.as_mut().unwrap());
    let customers = books.ledger.customers.as_mut().unwrap();
    german(customers);
    customers.columns.extend([
        column("id", "No"),
        column("name", "Name"),
        column("language", "Lang"),
        column("tags", "Labels"),
        column("hold_until", "Pause"),
        column("contacts.management", "Boss"),
    ]);
    let ledger = books.read().unwrap();

    let mut contacts = Contacts::default();
    contacts.add(&RecipientKey::new("billing"), ["a@k.example", "b@k.example"].into_iter());
    contacts.add(&RecipientKey::new("management"), ["chef@k.example"].into_iter());
    assert_eq!(
        ledger.customers(),
        [Customer {
            id: CustomerId::new("K1"),
            name: "Müller; Söhne".into(),
            language: Some(Language::new("de-at")),
            tags: ["vip", "net30", "vat"].map(CompactString::from).into(),
            contacts,
            hold_until: Some(date(2026, 12, 31)),
            row: 0,
        }]
    );
    let currency = |code| Currency::parse(code).unwrap();
    let plain = Document {
        number: DocumentNumber::new("R2"),
        customer: CustomerIndex(0),
        kind: DocumentKind::Invoice,
        currency: currency("EUR"),
        issued_on: date(2026, 10, 2),
        due_on: None,
        settled_on: Some(date(2026, 11, 1)),
        total: dec!(70),
        open: None,
        disputed: false,
        approved: true,
        hold_until: None,
        promised_on: None,
        row: 1,
    };
    let credit_note = Document {
        number: DocumentNumber::new("G1"),
        kind: DocumentKind::CreditNote,
        issued_on: date(2026, 10, 5),
        settled_on: None,
        total: dec!(-20),
        row: 2,
        ..plain.clone()
    };
    let dollars = Document {
        number: DocumentNumber::new("R1"),
        currency: currency("USD"),
        issued_on: date(2026, 10, 1),
        due_on: Some(date(2026, 10, 31)),
        settled_on: None,
        total: dec!(1234.50),
        open: Some(dec!(1000)),
        disputed: true,
        approved: true,
        hold_until: Some(date(2026, 11, 30)),
        promised_on: None,
        row: 0,
        ..plain.clone()
    };
    assert_eq!(ledger.documents(), [plain, credit_note, dollars]);
    assert_eq!(
        ledger.payments_of(CustomerIndex(0)),
        [Payment {
            customer: CustomerIndex(0),
            document: Some(DocumentIndex(0)),
            amount: dec!(12.5),
            currency: currency("EUR"),
            received_on: date(2026, 10, 6),
            reference: "T-9".into(),
        }]
    );
    assert_eq!(ledger.open_on(DocumentIndex(0), date(2026, 10, 31)), dec!(37.5));
    assert_eq!(ledger.customer_attribute(CustomerIndex(0), "City"), Some("Kiel"));
    assert_eq!(ledger.document_attribute(DocumentIndex(2), "Site"), Some("north"));
    assert_eq!(ledger.document_attribute(DocumentIndex(1), "Why"), Some("damaged"));
}

#[test]
fn every_bad_cell_is_found_in_one_reading_with_its_place() {
    let books = Books::new(
        Some("id,name,language,billing,tags\nA1,\"two\nlines\",German,nobody,\n,Beta,,,\nA1,,,,\nA1,again,,,\nC3,c\n"),
        "number,customer,issued_on,due_on,total,currency,disputed\n\
         1,A1,2026-02-30,soon,\"1,000\",EURO,perhaps\n\
         \"\",Z9,2026-01-01,,,,\n",
        None,
        None,
    );
    assert_eq!(
        books.problems(),
        [
            "customers.csv:2:4: `two\nlines` in column `name` has a line break or control character; take it out",
            "customers.csv:3:8: `German` in column `language` is not a language tag; write en, de, pt-br and so on",
            "customers.csv:3:15: `nobody` in column `billing` is not an address; write name@company.example alone; several are \
             separated by `;`",
            "customers.csv:4:1: The column `id` is empty in this row; every row needs a value here",
            "customers.csv:6:1: Customer `A1` is listed twice; it is first on line 5",
            "customers.csv:7: This row has 2 cells, the header 5; a cell that contains the delimiter must stand in quotes",
            "invoices.csv:2:6: `2026-02-30` in column `issued_on` is not a date like 2026-11-21; correct the cell, or set \
             `dates:` for this file; now it is `%Y-%m-%d`",
            "invoices.csv:2:17: `soon` in column `due_on` is not a date like 2026-11-21; correct the cell, or set `dates:` for \
             this file; now it is `%Y-%m-%d`",
            "invoices.csv:2:22: `1,000` in column `total` is not an amount; if `,` marks decimals, set `decimal: comma` for this \
             file; if thousands, `thousands: \",\"`",
            "invoices.csv:2:30: `EURO` in column `currency` is not a currency; write the three letters of ISO 4217, such as EUR",
            "invoices.csv:2:35: `perhaps` in column `disputed` is neither yes nor no; write yes, y, true, 1, x, ja, oui or si; \
             or no, n, false, 0, nein, non or nothing",
            "invoices.csv:3:1: The column `number` is empty in this row; every row needs a value here",
            "invoices.csv:3:19: The column `total` is empty in this row; every row needs a value here",
        ]
    );
}

#[test]
fn a_parent_may_stand_anywhere_in_the_file_and_a_group_is_one_step_deep() {
    let books = |customers: &str| {
        let customers = format!("id,parent,billing\n{customers}");
        Books::new(Some(&customers), "number,customer,issued_on,total\n1,B2,2026-01-10,100\n", None, None)
    };
    let ledger = books("B2,A1,\nA1,,\nC3,A1,\nD4,,\n").read().unwrap();
    let [a1, b2, c3, d4] = ["A1", "B2", "C3", "D4"].map(|id| ledger.find_customer(id).unwrap());
    assert_eq!([a1, b2, c3, d4].map(|customer| ledger.parent_of(customer)), [None, Some(a1), Some(a1), None]);
    assert_eq!(ledger.branches_of(a1).collect::<Vec<_>>(), [b2, c3]);
    assert_eq!([b2, d4].map(|customer| ledger.branches_of(customer).count()), [0, 0]);

    let hint = "a group is one step deep: give every branch the one customer at the head";
    for (customers, expected) in [
        (
            "A1,Z9,\nB2,,\n",
            "customers.csv:2:4: Customer `Z9` is not in the customers' file; add the parent as a customer, correct the id, or \
             leave the cell empty"
                .to_owned(),
        ),
        ("A1,,\nB2,B2,\n", format!("customers.csv:3:4: Customer `B2` cannot be its own parent; {hint}")),
        (
            "A1,B2,\nB2,A1,\n",
            format!("customers.csv:3:4: Customer `A1` cannot be a parent: it is itself a branch of `B2`; {hint}"),
        ),
        (
            "A1,B2,\nB2,C3,\nC3,,\n",
            format!("customers.csv:3:4: Customer `B2` cannot be a branch: it is itself the parent of `A1`; {hint}"),
        ),
        (
            "B2,C3,\nC3,,\nA1,B2,\n",
            format!("customers.csv:4:4: Customer `B2` cannot be a parent: it is itself a branch of `C3`; {hint}"),
        ),
    ] {
        assert_eq!(books(customers).problems(), [expected], "{customers}");
    }
}

#[test]
fn rows_that_refer_to_nothing_or_to_another_customer_are_refused() {
    let books = Books::new(
        Some(CUSTOMERS),
        "number,customer,issued_on,total\n1,A1,2026-01-10,100\n\n2,B2,2026-01-11,50\n2,A1,2026-01-12,5\n3,Z9,2026-01-12,5\n",
        None,
        None,
    );
    assert_eq!(
        books.problems(),
        [
            "invoices.csv:5:1: Document `2` is listed twice; it is first on line 4 of invoices.csv",
            "invoices.csv:6:3: Customer `Z9` is not in the customers' file; add the customer, or correct the id",
        ]
    );
    let books = Books::new(
        Some(CUSTOMERS),
        INVOICES,
        Some(
            "number,customer,issued_on,total,invoice,currency\n1,A1,2026-02-01,5,,\nG1,B2,2026-02-01,5,1,\nG2,A1,2026-02-01,5,1,USD\nG2,A1,2026-02-01,5,,\nG2,A1,2026-02-01,5,,\n",
        ),
        Some("customer,invoice,amount,received_on\n,,5,2026-02-01\nA1,2,5,2026-02-01\nA1,77,5,2026-02-01\nB2,,0,2026-02-01\n"),
    );
    assert_eq!(
        books.problems(),
        [
            "credit_notes.csv:2:1: Document `1` is listed twice; it is first on line 2 of invoices.csv",
            "credit_notes.csv:3:20: Invoice `1` belongs to customer `A1`, not to `B2`; correct one of the two cells",
            "credit_notes.csv:4:1: Invoice `1` is in EUR, not in USD; write the currency of the invoice in the row's currency \
             column",
            "credit_notes.csv:6:1: Document `G2` is listed twice; it is first on line 5 of credit_notes.csv",
            "payments.csv:2:1: This row names neither a customer nor an invoice; fill in one of the two",
            "payments.csv:3:4: Invoice `2` belongs to customer `B2`, not to `A1`; correct one of the two cells",
            "payments.csv:4:4: Invoice `77` is not in the invoices' file; add the invoice, or leave the cell empty where nothing \
             is settled yet",
        ]
    );
}

#[test]
fn a_bad_row_is_not_blamed_on_those_that_refer_to_it() {
    let books = Books::new(
        Some("id,billing\nA1,nobody\n"),
        "number,customer,issued_on,total\n1,A1,2026-01-10,100\n",
        None,
        Some("invoice,amount,received_on\n1,5,2026-02-01\n"),
    );
    let expected = "customers.csv:2:4: `nobody` in column `billing` is not an address; write name@company.example alone; several \
                    are separated by `;`";
    assert_eq!(books.problems(), [expected]);
    let books = Books::new(
        Some("id,billing\nA1,a@b.example\n"),
        "number,customer,issued_on,total\n1,A1,never,100\n",
        None,
        Some("invoice,amount,received_on\n1,5,2026-02-01\n"),
    );
    let problems = books.problems();
    assert!(matches!(&problems[..], [only] if only.starts_with("invoices.csv:2:6: ")), "{problems:?}");
}

#[test]
fn a_mapping_is_held_against_the_header() {
    let mut books = Books::new(Some(CUSTOMERS), "InvoiceNo,Cust,total,,total\n", None, Some("amount,received_on\n"));
    books.ledger.invoices.columns = vec![
        column("number", "InvoceNo"),
        column("custmer", "Cust"),
        column("due_on", "Zahlungsziel"),
        column("number", "Cust"),
        column("contacts.billing", "Cust"),
    ];
    assert_eq!(
        books.problems(),
        [
            "config.yaml:7:9: invoices.csv has no column `InvoceNo`; did you mean `InvoiceNo`?",
            "config.yaml:7:9: The invoices' file has no field `custmer`; did you mean `customer`?",
            "config.yaml:7:9: invoices.csv has no column `Zahlungsziel`; its columns are `InvoiceNo`, `Cust`, `total`, ``, `total`",
            "config.yaml:7:9: The field `number` is mapped twice; keep one of the two columns",
            "config.yaml:7:9: The invoices' file has no field `contacts.billing`; the fields are number, customer, issued_on, \
             due_on, total, open, currency, settled_on, disputed, approved, hold_until, promised_on",
            "invoices.csv: No column is mapped to `customer`; map it: `columns: { customer: … }`; its columns are `InvoiceNo`, \
             `Cust`, `total`, ``, `total`",
            "invoices.csv: No column is mapped to `issued_on`; map it: `columns: { issued_on: … }`; its columns are `InvoiceNo`, \
             `Cust`, `total`, ``, `total`",
            "invoices.csv:1:22: Column 4 has no name; name it, or take the column out of the export",
            "invoices.csv:1:23: The column `total` is there twice; give each column a name of its own",
            "payments.csv: No column is mapped to `customer` or `invoice`; map one of them, so that it is known who paid",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_a_ledger_says_why() {
    let check = |bytes: &[u8], expected: &str| {
        let books = Books::new(None, "", None, None);
        fs::write(&books.ledger.invoices.path, bytes).unwrap();
        assert_eq!(books.problems(), [expected], "{:?}", String::from_utf8_lossy(bytes));
    };
    check(b"", "invoices.csv: The file is empty; its first line must name the columns");
    check(b"\n1,2\n", "invoices.csv: The file is empty; its first line must name the columns");
    check(b"\xff\xfen\0", "invoices.csv: The file is UTF-16; export it as UTF-8; in a spreadsheet: \"CSV UTF-8\"");
    check(
        b"number,customer,issued_on,total\n1,M\xfcller,2026-01-01,5\n",
        "invoices.csv:2:4: Line 2 is not UTF-8 text; export it as UTF-8, or set `encoding: windows-1252` for this file",
    );
    check(
        b"number,customer,issued_on,total\n1,A,2026-01-01,5\n2,\"A,2026-01-01,5\n",
        "invoices.csv:3: A quoted cell that starts on line 3 does not end; close the quote, or write a quote in a cell twice",
    );
    let books = Books::new(Some(CUSTOMERS), INVOICES, None, None);
    fs::remove_file(&books.ledger.invoices.path).unwrap();
    let [problem] = &books.problems()[..] else { panic!("one problem expected") };
    assert!(problem.starts_with("invoices.csv: The file cannot be read: "), "{problem}");
    assert!(problem.ends_with("; check the path in config.yaml and that Dunlin may read the file"), "{problem}");
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    let mut books = Books::new(None, INVOICES, None, None);
    books.ledger.invoices.thousands = Some(ThousandsMark::Point);
    assert_eq!(
        books.problems(),
        ["invoices.csv: `decimal` and `thousands` are the same character; set them to two different ones"]
    );
    let mut books = Books::new(None, INVOICES, None, None);
    books.ledger.invoices.delimiter = Some(b'"');
    assert_eq!(
        books.problems(),
        ["invoices.csv: The delimiter must be one plain character; set `delimiter:` to `,`, `;`, `|` or a tab"]
    );
}

#[test]
fn without_a_customers_file_customers_come_from_invoices_alone() {
    let books = Books::new(None, INVOICES, None, Some("customer,amount,received_on\nZ9,5,2026-02-01\n"));
    let expected = "payments.csv:2:1: Customer `Z9` has no invoice; add a customers' file to the ledger in config.yaml";
    assert_eq!(books.problems(), [expected]);
    let ledger = Books::new(None, INVOICES, None, None).read().unwrap();
    let names: Vec<&str> = ledger.customers().iter().map(|customer| customer.name.as_str()).collect();
    assert_eq!(names, ["A1", "B2"]);
}

#[test]
fn a_file_in_windows_1252_or_with_another_delimiter_reads_the_same() {
    let expected = Books::new(None, "number,customer,issued_on,total\n1,Müller,2026-01-10,5\n", None, None).read().unwrap();
    for (bytes, encoding) in [
        (&b"\xef\xbb\xbfnumber;customer;issued_on;total\r\n1;M\xc3\xbcller;2026-01-10;5\r\n"[..], Encoding::Utf8),
        (b"sep=|\r\nnumber|customer|issued_on|total\r\n1|M\xfcller|2026-01-10|5", Encoding::Windows1252),
        (b"number\tcustomer\tissued_on\ttotal\n\"1\"\t M\xfcller \t2026-01-10\t5\n\n", Encoding::Windows1252),
    ] {
        let mut books = Books::new(None, "", None, None);
        books.ledger.invoices.encoding = encoding;
        fs::write(&books.ledger.invoices.path, bytes).unwrap();
        let ledger = books.read().unwrap();
        assert_eq!((ledger.customers(), ledger.documents()), (expected.customers(), expected.documents()));
    }
}

#[test]
fn only_the_first_hundred_problems_of_a_file_are_listed() {
    let rows: String = (0..LISTED_MAX + 7).map(|number| format!("{number},A,never,1\n")).collect();
    let problems = Books::new(None, &format!("number,customer,issued_on,total\n{rows}"), None, None).problems();
    assert_eq!(problems.len(), LISTED_MAX + 1);
    assert_eq!(problems[LISTED_MAX], "invoices.csv: 7 more problems in this file are not listed");
}

#[test]
fn cells_and_texts_beyond_their_limit_are_refused() {
    let long = "x".repeat(KEY_BYTES_MAX + 1);
    let longer = "x".repeat(CELL_BYTES_MAX + 1);
    let invoices = format!("number,customer,issued_on,total,note\n{long},A,2026-01-01,5,\n2,A,2026-01-01,5,{longer}\n");
    let cut = "x".repeat(60);
    assert_eq!(
        Books::new(None, &invoices, None, None).problems(),
        [
            format!("invoices.csv:2:1: `{cut}…` in column `number` is too long; write at most 255 bytes"),
            "invoices.csv:3:18: This cell is too long; a quote may be missing its partner".to_owned(),
        ]
    );
}

#[test]
fn a_header_and_lists_in_cells_have_their_limits() {
    let names = |count: usize| (0..count).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    let problems = Books::new(None, &format!("{}\n", names(COLUMNS_MAX + 1)), None, None).problems();
    assert_eq!(problems[0], "invoices.csv:1: The header has 16385 columns; at most 16384 columns are read");

    let long = "n".repeat(COLUMN_NAME_BYTES_MAX + 1);
    let problems = Books::new(None, &format!("number,customer,issued_on,total,{long}\n"), None, None).problems();
    let hint = "the first line must be the header; lines end in LF or CR LF";
    assert_eq!(problems, [format!("invoices.csv:1:33: `{}…` is no column name; {hint}", "n".repeat(60))]);

    let (tags, addresses) = ("a;".repeat(TAGS_MAX + 1), "a@b.example;".repeat(ADDRESSES_MAX + 1));
    let problems = Books::new(Some(&format!("id,tags,billing\n1,{tags},{addresses}\n")), INVOICES, None, None).problems();
    let (tags, addresses) = (&tags[..60], &addresses[..60]);
    assert_eq!(
        problems[..2],
        [
            format!("customers.csv:2:3: `{tags}…` in column `tags` has too many tags; write at most 64"),
            format!("customers.csv:2:134: `{addresses}…` in column `billing` has too many addresses; write at most 50"),
        ]
    );
}

#[test]
fn a_file_that_changes_under_the_reader_is_refused() {
    let rows: String = (0..9000).map(|number| format!("{number},A,2026-01-01,1\n")).collect();
    let books = Books::new(None, &format!("number,customer,issued_on,total\n{rows}"), None, None);
    let path = books.ledger.invoices.path.clone();
    let mut is_written = false;
    let problems = CsvSource::new(books.ledger.clone(), AS_OF).read(&mut |_, _| {
        if !std::mem::replace(&mut is_written, true) {
            std::io::Write::write_all(&mut File::options().append(true).open(&path).unwrap(), b"x\n").unwrap();
        }
    });
    let problems: Vec<String> = problems.map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect();
    let changed = "invoices.csv: The file changed while it was read; read it again once the export is done; best is to rename \
                   it into place";
    assert!(problems.iter().any(|problem| problem == changed), "{problems:?}");
}

#[test]
fn progress_ends_at_the_size_of_all_files() {
    let books = Books::new(Some(CUSTOMERS), INVOICES, None, None);
    let mut told = vec![];
    CsvSource::new(books.ledger, AS_OF).read(&mut |read, total| told.push((read, total))).unwrap();
    let (customers, total) = (CUSTOMERS.len() as u64, (CUSTOMERS.len() + INVOICES.len()) as u64);
    assert_eq!(told, [(customers, total), (total, total)]);
}

#[test]
fn further_columns_and_times_of_change_are_known_without_reading_rows() {
    let books = Books::new(Some(CUSTOMERS), "number,customer,issued_on,total,site,note\nnot a row\n", None, None);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    File::options().append(true).open(&books.ledger.invoices.path).unwrap().set_modified(time).unwrap();
    let source = CsvSource::new(books.ledger.clone(), AS_OF);
    let expected = Header { invoices: vec!["site".into(), "note".into()], ..Header::default() };
    assert_eq!(source.header(), Ok(expected));
    let changes = source.changes().unwrap();
    assert_eq!(
        changes[1],
        FileChange { name: "invoices.csv".into(), changed_at: "2023-11-14T22:13:20Z".parse().unwrap(), bytes: changes[1].bytes }
    );
    assert!(changes[1].bytes > 0);
    assert_eq!(changes[0].name.as_ref(), "customers.csv");
    fs::remove_dir_all(books.folder.path()).unwrap();
    assert_eq!((source.header().unwrap_err().len(), source.changes().unwrap_err().len()), (2, 2));
}

/// Returns the mapping that the shipped config.yaml writes down for the sample receivables.
fn sample() -> CsvLedger {
    let table = |name: &str, columns: &[(&str, &str)]| CsvTable {
        name: name.into(),
        dates: DateFormat::parse("relative").unwrap(),
        columns: columns.iter().map(|(field, name)| column(field, name)).collect(),
        ..CsvTable::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/receivables").join(name))
    };
    let customers = [
        ("id", "CustomerNo"),
        ("name", "Name"),
        ("language", "Language"),
        ("tags", "Tags"),
        ("contacts.billing", "BillingEmail"),
        ("contacts.management", "ManagementEmail"),
        ("contacts.account_manager", "AccountManagerEmail"),
        ("hold_until", "HoldUntil"),
    ];
    let invoices = [
        ("number", "InvoiceNo"),
        ("customer", "CustomerNo"),
        ("issued_on", "InvoiceDate"),
        ("due_on", "DueDate"),
        ("total", "Amount"),
        ("currency", "Currency"),
        ("settled_on", "SettledOn"),
        ("disputed", "Disputed"),
    ];
    let credit_notes = [
        ("number", "CreditNoteNo"),
        ("customer", "CustomerNo"),
        ("issued_on", "Date"),
        ("total", "Amount"),
        ("currency", "Currency"),
        ("invoice", "InvoiceNo"),
    ];
    let payments = [
        ("customer", "CustomerNo"),
        ("invoice", "InvoiceNo"),
        ("amount", "Amount"),
        ("currency", "Currency"),
        ("received_on", "Date"),
        ("reference", "Reference"),
    ];
    CsvLedger {
        currency: Currency::parse("EUR").unwrap(),
        customers: Some(table("customers.csv", &customers)),
        invoices: table("invoices.csv", &invoices),
        credit_notes: Some(table("credit_notes.csv", &credit_notes)),
        payments: Some(table("payments.csv", &payments)),
    }
}

#[test]
fn the_sample_receivables_show_what_their_page_says() {
    let ledger = CsvSource::new(sample(), AS_OF).read(&mut |_, _| {}).unwrap();
    assert_eq!((ledger.customers().len(), ledger.documents().len()), (30, 53));
    assert_eq!(ledger.document_attribute_names().collect::<Vec<_>>(), ["Project"]);
    let open: Vec<String> = ledger
        .documents()
        .iter()
        .zip(0..)
        .map(|(document, index)| (document, ledger.open_on(DocumentIndex(index), AS_OF)))
        .filter(|(document, open)| *open != document.total)
        .map(|(document, open)| format!("{} {}", document.number, open.normalize()))
        .collect();
    let expected = [
        "R-2048 0",
        "R-2008 2760",
        "R-2026 3200",
        "R-2028 4000",
        "G-301 0",
        "R-2029 0",
        "R-2033 0",
        "R-2037 0",
        "G-302 0",
        "R-2049 0",
        "R-2042 19.95",
    ];
    assert_eq!(open, expected);
    let overdue: Vec<i32> = ledger
        .documents_of(ledger.find_customer("10001").unwrap())
        .map(|place| ledger.documents()[place].days_overdue(AS_OF))
        .collect();
    assert_eq!(overdue, [32, 22, 8, -3]);
}
