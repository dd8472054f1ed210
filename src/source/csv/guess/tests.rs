//! Exports as they come: what is told from them, what is asked, and what is refused.

use super::*;

fn look(kind: Kind, bytes: &[u8], decided: &Decided) -> Result<Guess, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.csv");
    std::fs::write(&path, bytes).unwrap();
    guess(&path, kind, decided)
}

fn invoices(text: &str) -> Guess {
    look(Kind::Invoices, text.as_bytes(), &Decided::default()).unwrap()
}

fn pairs(columns: &[(&str, &str)]) -> Vec<(String, String)> {
    columns.iter().map(|(field, heading)| ((*field).to_owned(), (*heading).to_owned())).collect()
}

#[test]
fn a_german_export_is_told_in_full() {
    let text = "Rechnungsnr;Kundennr;Rechnungsdatum;Fälligkeit;Bruttobetrag;Währung;Sachbearbeiter\n\
                R-1;77;01.02.2026;03.03.2026;1.234,50;EUR;Ä\nR-2;78;02.02.2026;;99,00;EUR;B\n";
    let expected = Guess {
        kind: Kind::Invoices,
        columns: pairs(&[
            ("number", "Rechnungsnr"),
            ("customer", "Kundennr"),
            ("issued_on", "Rechnungsdatum"),
            ("due_on", "Fälligkeit"),
            ("total", "Bruttobetrag"),
            ("currency", "Währung"),
        ]),
        other_columns: vec!["Sachbearbeiter".to_owned()],
        dates: Some("%d.%m.%Y".to_owned()),
        amounts: AmountFormat { decimal: DecimalMark::Comma, thousands: Some(crate::source::csv::ThousandsMark::Point) },
        delimiter: b';',
        encoding: Encoding::Utf8,
        lines_before: 0,
        currency: Currency::parse("EUR"),
        row_count: 2,
        notes: vec![],
        questions: vec![],
    };
    assert_eq!(invoices(text), expected);
    let bytes: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
    let old = look(Kind::Invoices, &bytes, &Decided::default()).unwrap();
    let notes = vec![
        "The file is not UTF-8; read as Windows-1252 it has `Fälligkeit`. If that looks wrong, export it as UTF-8".to_owned(),
    ];
    assert_eq!(old, Guess { encoding: Encoding::Windows1252, notes, ..expected });
}

#[test]
fn a_date_that_can_be_two_days_is_asked_about_until_a_row_settles_it() {
    let export = |dates: &[&str]| {
        let rows: String = dates.iter().enumerate().map(|(row, date)| format!("A{row},C,{date},9.50\n")).collect();
        format!("number,customer,date,amount\n{rows}")
    };
    for (dates, expected) in [
        (&["03/04/2026", "13/04/2026"][..], Some("%d/%m/%Y")),
        (&["03/04/2026", "04/13/2026"], Some("%m/%d/%Y")),
        (&["03/04/2026"], None),
        (&["03/04/26", "31/04/26", "31/05/26"], Some("%d/%m/%y")),
        (&["2026-04-03"], Some("%Y-%m-%d")),
        (&["2026-04-03 00:00:00"], Some("%Y-%m-%d")),
        (&["3.4.2026"], Some("%d.%m.%Y")),
        (&["05/05/2026", "03/04/2026"], None),
        (&["20260403"], Some("%Y%m%d")),
        (&["03-Apr-2026"], Some("%d-%b-%Y")),
    ] {
        let guess = invoices(&export(dates));
        assert_eq!(guess.dates.as_deref(), expected, "{dates:?}");
        let asked = Question::Dates { column: "date".into(), cell: "03/04/2026".into(), patterns: vec!["%d/%m/%Y", "%m/%d/%Y"] };
        assert_eq!(guess.questions, if expected.is_none() { vec![asked] } else { vec![] }, "{dates:?}");
    }
    assert_eq!(invoices(&export(&["05/05/2026"])).questions.len(), 1, "tomorrow's export may have a day that differs");
    let decided = Decided { dates: Some("%m/%d/%Y".to_owned()), ..Decided::default() };
    let guess = look(Kind::Invoices, export(&["03/04/2026"]).as_bytes(), &decided).unwrap();
    assert_eq!((guess.dates.as_deref(), guess.questions), (Some("%m/%d/%Y"), vec![]));
}

#[test]
fn the_form_of_amounts_is_told_or_asked_and_never_a_thousandfold_wrong() {
    let point = |thousands| Some(AmountFormat { decimal: DecimalMark::Point, thousands });
    let comma = |thousands| Some(AmountFormat { decimal: DecimalMark::Comma, thousands });
    use crate::source::csv::ThousandsMark::{Apostrophe, Comma, Point, Space};
    for (amounts, expected) in [
        (&["1234.50", "7"][..], point(None)),
        (&["1234,50", "7"], comma(None)),
        (&["\"1,234.50\""], point(Some(Comma))),
        (&["1.234,50"], comma(Some(Point))),
        (&["1.234.567"], comma(Some(Point))),
        (&["1'234.50"], point(Some(Apostrophe))),
        (&["1 234,50"], comma(Some(Space))),
        (&["1.234", "500"], None),
        (&["\"1,234\"", "500"], None),
        (&["1.234", "97.60"], point(None)),
        (&["12", "13"], point(None)),
    ] {
        let rows: String = amounts.iter().enumerate().map(|(row, amount)| format!("A{row};C;2026-01-01;{amount}\n")).collect();
        let guess = invoices(&format!("number;customer;date;amount\n{rows}"));
        match expected {
            Some(format) => assert_eq!((guess.amounts, guess.questions), (format, vec![]), "{amounts:?}"),
            None => {
                let cell = amounts[0].trim_matches('"').to_owned();
                assert_eq!(guess.questions, [Question::Decimal { column: "amount".into(), cell }], "{amounts:?}");
            }
        }
    }
    let decided = Decided { decimal: Some(DecimalMark::Comma), ..Decided::default() };
    let guess = look(Kind::Invoices, b"number;customer;date;amount\nA;C;2026-01-01;1.234\n", &decided).unwrap();
    assert_eq!((Some(guess.amounts), guess.questions), (comma(Some(Point)), vec![]));
}

#[test]
fn a_column_that_no_heading_tells_is_asked_for() {
    let text = "Beleg-Nr.,Konto?,Date,Due,Amount\n1,C,2026-01-01,soon,5\n";
    let guess = invoices(text);
    let headings = vec!["Konto?".to_owned(), "Due".to_owned()];
    let meaning = "The customer's id.";
    assert_eq!(guess.questions, [Question::Column { field: "customer", meaning, headings }]);
    assert_eq!(guess.notes, ["The column `Due` was not taken for `due_on`: `soon` is not a date Dunlin can read"]);
    let decided = Decided { columns: pairs(&[("customer", "Konto?")]), ..Decided::default() };
    let guess = look(Kind::Invoices, text.as_bytes(), &decided).unwrap();
    assert_eq!(guess.questions, []);
    assert!(guess.columns.contains(&("customer".to_owned(), "Konto?".to_owned())));
}

#[test]
fn columns_of_addresses_become_recipient_keys() {
    let text = "customerID,name,Billing_Email,E-Mail,AccountManager,City\n1,A,a@a.example,,m@seller.example,Rome\n2,B,,b@b.example;c@b.example,,\n";
    let guess = look(Kind::Customers, text.as_bytes(), &Decided::default()).unwrap();
    let expected = pairs(&[
        ("id", "customerID"),
        ("name", "name"),
        ("contacts.billing", "Billing_Email"),
        ("contacts.billing_2", "E-Mail"),
        ("contacts.account_manager", "AccountManager"),
    ]);
    assert_eq!((guess.columns, guess.other_columns, guess.notes), (expected, vec!["City".to_owned()], vec![]));
    let guess = look(Kind::Customers, b"id\n1\n", &Decided::default()).unwrap();
    assert_eq!(guess.notes, ["No column holds e-mail addresses: every mail will be blocked until one does"]);
}

#[test]
fn a_file_that_is_no_table_is_refused_with_the_way_out() {
    let refused = |bytes: &[u8], decided: &Decided| {
        let problems = look(Kind::Invoices, bytes, decided).unwrap_err();
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    let none = Decided::default();
    assert_eq!(refused(b"", &none), ["The file is empty"]);
    assert_eq!(refused(b"\xff\xfea\0", &none), ["The file is UTF-16"]);
    assert_eq!(refused(b"a,b\n\"c\n", &none).len(), 1);
    let decided = Decided { columns: pairs(&[("customer", "Konto"), ("colour", "a")]), ..Decided::default() };
    assert_eq!(refused(b"a,b\n", &decided), ["The file has no column `Konto`", "`colour` is no field of invoices"]);
    let decided = Decided { dates: Some("dd/mm/yyyy".to_owned()), ..Decided::default() };
    assert_eq!(refused(b"a,b\n", &decided), ["`dd/mm/yyyy` does not name a year, a month and a day"]);
    let missing = guess(Path::new("/nowhere/export.csv"), Kind::Invoices, &Decided::default()).unwrap_err();
    assert!(missing[0].message.starts_with("The file cannot be read: "), "{missing:?}");
}

#[test]
fn what_fits_most_cells_is_taken_and_the_others_are_told() {
    let guess = invoices("number,customer,date,amount\n1,C,2026-01-01,5\n2,C,2026-01-02,n/a\n3,C,tomorrow,6\n");
    assert_eq!(guess.dates.as_deref(), Some("%Y-%m-%d"));
    assert_eq!(
        guess.notes,
        [
            "Dates are read as `%Y-%m-%d`, which 1 of 3 are not, such as `tomorrow` in `date`",
            "1 of 3 amounts cannot be read, such as `n/a` in `amount`",
        ]
    );
}

#[test]
fn no_more_is_looked_at_than_the_limit_and_that_is_told() {
    let rows: String = (0..=ROWS_LOOKED_AT_MAX).map(|row| format!("{row},C,2026-01-01,5\n")).collect();
    let guess = invoices(&format!("number,customer,date,amount\n{rows}"));
    assert_eq!(guess.row_count, ROWS_LOOKED_AT_MAX);
    assert_eq!(guess.notes, ["Only the first 50000 rows were looked at; the check reads them all"]);
    let wide = format!("number,customer,date,amount\n{}", format!("1,{},2026-01-01,5\n", "x".repeat(100_000)).repeat(180));
    assert!(invoices(&wide).row_count < 180);
}
