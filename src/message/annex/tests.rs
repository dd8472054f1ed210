//! Lists of items as files, and the names of files.

use jiff::civil::date;
use rust_decimal::{Decimal, dec};

use super::*;
use crate::domain::id::Language;
use crate::domain::money::Currency;
use crate::domain::statement::LineKind;
use crate::message::annex::table::Row;
use crate::template::Reader;

fn row(number: &str, total: Decimal, open: Decimal) -> Row {
    Row {
        kind: if total.is_sign_negative() { LineKind::CreditNote } else { LineKind::Invoice },
        number: number.into(),
        date: Some(date(2027, 3, 1)),
        due_on: Some(date(2027, 3, 15)),
        days_overdue: Some(21),
        total,
        open: Some(open),
    }
}

fn table() -> Table {
    let rows = vec![
        row("R-1", dec!(1190), dec!(690.5)),
        row("=HYPERLINK(\"http://x.example\",\"pay\")", dec!(87.5), dec!(87.5)),
        Row { due_on: None, days_overdue: None, ..row("-7;a", dec!(-40), dec!(-40)) },
    ];
    Table { currency: Currency::parse("EUR").unwrap(), rows, open: Some(dec!(738)) }
}

fn in_csv(language: &str) -> String {
    let language = Language::new(language);
    String::from_utf8(csv::for_reader(&table(), Words::of(&language), &Reader::new(&language))).unwrap()
}

#[test]
fn a_list_opens_in_the_excel_of_its_reader_and_holds_no_formula() {
    let german = "\u{feff}Beleg;Nummer;Datum;Fällig am;Tage überfällig;Währung;Betrag;Offen\r\n\
        Rechnung;R-1;2027-03-01;2027-03-15;21;EUR;1190,00;690,50\r\n\
        Rechnung;\"'=HYPERLINK(\"\"http://x.example\"\",\"\"pay\"\")\";2027-03-01;2027-03-15;21;EUR;87,50;87,50\r\n\
        Gutschrift;\"'-7;a\";2027-03-01;;;EUR;-40,00;-40,00\r\n\
        Summe;;;;;EUR;;738,00\r\n";
    assert_eq!(in_csv("de"), german);
    let english = in_csv("en");
    assert!(english.starts_with("\u{feff}Document,Number,Date,Due on,"), "{english}");
    assert!(english.contains("Invoice,R-1,2027-03-01,2027-03-15,21,EUR,1190.00,690.50\r\n"), "{english}");
    // Swiss numbers have a point, though the words are German.
    assert!(in_csv("de-ch").contains("Rechnung,R-1,2027-03-01,2027-03-15,21,EUR,1190.00,690.50\r\n"), "{}", in_csv("de-ch"));
    assert!(in_csv("nl").contains("Invoice;R-1;2027-03-01;2027-03-15;21;EUR;1190,00;690,50\r\n"), "{}", in_csv("nl"));
}

#[test]
fn a_list_for_programs_has_names_of_fields_points_and_no_sum() {
    let text = String::from_utf8(csv::plain(&table())).unwrap();
    let mut lines = text.split("\r\n");
    assert_eq!(lines.next(), Some("kind,number,date,due_on,days_overdue,currency,total,open"));
    assert_eq!(lines.next(), Some("invoice,R-1,2027-03-01,2027-03-15,21,EUR,1190.00,690.50"));
    assert_eq!(lines.last(), Some(""));
    // Another reader of CSV understands it.
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let numbers: Vec<String> = reader.records().map(|record| record.unwrap()[1].to_owned()).collect();
    assert_eq!(numbers, ["R-1", "'=HYPERLINK(\"http://x.example\",\"pay\")", "'-7;a"]);
}

/// Returns a file of a workbook.
fn of_workbook(bytes: &[u8], name: &str) -> String {
    let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    std::io::read_to_string(archive.by_name(name).unwrap()).unwrap()
}

#[test]
fn a_workbook_has_numbers_and_days_that_are_such_and_no_formula() {
    let words = Words::of(&Language::new("de"));
    let made = || xlsx::workbook(&table(), words, words.items, date(2027, 4, 5)).unwrap();
    let (first, second) = (made(), made());
    assert_eq!(first, second, "the same table gives the same bytes");
    let (sheet, texts) = (of_workbook(&first, "xl/worksheets/sheet1.xml"), of_workbook(&first, "xl/sharedStrings.xml"));
    // 1 March 2027 is day 46447 of Excel.
    for cell in ["<v>1190</v>", "<v>690.5</v>", "<v>-40</v>", "<v>738</v>", "<v>46447</v>", "<v>21</v>"] {
        assert!(sheet.contains(cell), "{cell}: {sheet}");
    }
    assert!(!sheet.contains("<f>") && !sheet.contains("<hyperlink"), "{sheet}");
    assert!(texts.contains("Tage überfällig") && texts.contains("=HYPERLINK("), "{texts}");
    assert!(of_workbook(&first, "docProps/core.xml").contains("2027-04-05T00:00:00Z"));
    assert!(of_workbook(&first, "xl/styles.xml").contains("#,##0.00"));
    // An amount that a float cannot hold is written as it is.
    let exact = "12345678901234567.89".parse().unwrap();
    let large = Table { rows: vec![row("R-1", exact, exact)], open: Some(exact), ..table() };
    let texts = of_workbook(&xlsx::workbook(&large, words, "x", date(2027, 4, 5)).unwrap(), "xl/sharedStrings.xml");
    assert!(texts.contains("12345678901234567.89"), "{texts}");
}

#[test]
fn a_password_is_found_however_a_mail_writes_it() {
    for text in ["your pin: Secret&1234", "secret&amp;1234", "secret&\r\n1234", "SECRET&1234", "x-secret&1234.pdf"] {
        assert!(is_shown("Secret&1234", text), "{text}");
    }
    for (password, text) in [("Secret&1234", "Secret & more"), ("", "anything"), ("abcdefgh", "abc")] {
        assert!(!is_shown(password, text), "{text}");
    }
}

#[test]
fn every_sign_that_begins_a_formula_is_disarmed() {
    for text in ["=1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"] {
        assert_eq!(csv::disarmed(text), format!("'{text}"));
    }
    for text in ["R-1", "1=1", "", "'=1", "Ä"] {
        assert_eq!(csv::disarmed(text), text);
    }
}

#[test]
fn two_files_of_one_name_are_told_apart() {
    let taken = ["a.pdf", "a (2).pdf", "b"];
    let next = |name: &str| unused(name, |name| taken.contains(&name));
    assert_eq!([next("a.pdf"), next("b"), next("c.pdf")], ["a (3).pdf", "b (2)", "c.pdf"]);
}

#[test]
fn any_text_becomes_the_name_of_a_file() {
    for (text, name) in [
        ("Open items 2027-03-08", "Open items 2027-03-08.csv"),
        ("RE/2027\\1", "RE-2027-1.csv"),
        ("list.CSV", "list.csv"),
        ("../../etc/passwd", "etc-passwd.csv"),
        ("€\r\nBcc: x", "Bcc- x.csv"),
        ("", "file.csv"),
        ("...", "file.csv"),
        (&"é".repeat(300), &format!("{}.csv", "é".repeat(116))),
    ] {
        let made = file_name(text, "csv");
        assert_eq!(made, name);
        assert_eq!(crate::message::attachment_fault(&made, "text/csv"), None);
    }
}
