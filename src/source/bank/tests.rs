//! Banks' files: CSV without a word of configuration, camt.053 of two versions, and what is wrong with bad ones.

use std::path::PathBuf;

use rust_decimal::dec;

use super::*;

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

const TODAY: Date = jiff::civil::date(2026, 3, 20);

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bank").join(name)
}

/// Reads a text as a file; `name` tells its ending alone.
fn read_text(text: &str, format: &BankFormat) -> Result<BankFile, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank");
    std::fs::write(&path, text).unwrap();
    let shown = format!("{}:", path.display());
    read(&path, format, eur(), TODAY)
        .map_err(|problems| problems.iter().map(|problem| problem.to_string().replace(&shown, "")).collect())
}

/// Returns lines as `day amount currency payer account reference`.
fn told(file: &BankFile) -> Vec<String> {
    let line = |line: &BankLine| {
        format!("{} {} {} | {} | {} | {}", line.booked_on, line.amount, line.currency, line.payer, line.account, line.reference)
    };
    file.lines.iter().map(line).collect()
}

#[test]
fn lines_before_the_header_are_left_alone_and_faults_keep_their_places() {
    let before =
        "\"Umsatzanzeige\";\"Datei erstellt am: 12.03.2026\"\n\nIBAN;DE02 1203 0000 0000 2020 51\nSaldo;1.234,50 EUR\n\n";
    let rows = "Buchungstag;Auftraggeber;Verwendungszweck;Betrag\n21.02.2026;Abc;R-1;1.234,50\n";
    let file = read_text(&format!("{before}{rows}"), &BankFormat::default()).unwrap();
    assert_eq!(told(&file), ["2026-02-21 1234.50 EUR | Abc |  | R-1"]);
    let wrong = read_text(&format!("{before}{rows}22.02.2026;Abc;R-2;1x\n"), &BankFormat::default()).unwrap_err();
    assert!(wrong.len() == 1 && wrong[0].starts_with("8:"), "{wrong:?}");
    // Headings of its own: those that config.yaml names.
    let column = |field: &str, column: &str| ColumnName { field: field.into(), column: column.into(), place: None };
    let columns = vec![column("booked_on", "Wann"), column("amount", "Wieviel")];
    let text = format!("{before}Wann;Wer;Wieviel\n21.02.2026;Abc;5,00\n");
    let file = read_text(&text, &BankFormat { columns, ..BankFormat::default() }).unwrap();
    assert_eq!(told(&file), ["2026-02-21 5.00 EUR |  |  | "]);
    assert_eq!(read_text(&text, &BankFormat::default()).unwrap_err().len(), 2, "nothing tells where its header is");
}

#[test]
fn a_usual_export_needs_no_configuration() {
    for (text, expected) in [
        (
            "Buchungstag;Valutadatum;Verwendungszweck;Beguenstigter/Zahlungspflichtiger;Kontonummer/IBAN;Betrag;Waehrung\n\
             21.02.2026;21.02.2026;\"EREF+R-2001 Danke\";Kranwerk Nord GmbH;DE02 1203 0000 0000 2020 51;1.234,50;EUR\n\
             22.02.2026;22.02.2026;Miete;Vermieter;DE00;-800,00;EUR\n",
            vec!["2026-02-21 1234.50 EUR | Kranwerk Nord GmbH | DE02120300000000202051 | EREF+R-2001 Danke"],
        ),
        (
            "Date,Description,Paid in,Paid out\n21/02/2026,Invoice R-2001,100.00,\n22/02/2026,Rent,,800.00\n",
            vec!["2026-02-21 100.00 EUR |  |  | Invoice R-2001"],
        ),
        (
            "Date\tAmount\tCredit/Debit\tName\tReference\n2026-02-21\t5.00\tCRDT\tAbc\tR-1\n2026-02-21\t5.00\tDBIT\tAbc\tR-1\n",
            vec!["2026-02-21 5.00 EUR | Abc |  | R-1"],
        ),
    ] {
        let file = read_text(text, &BankFormat::default()).unwrap();
        assert_eq!(told(&file), expected);
        assert_eq!(file.outgoing_count, text.lines().count() - 1 - expected.len());
        assert_eq!(file.notes.len(), 2);
    }
}

#[test]
fn what_cannot_be_told_is_asked_and_bad_rows_are_told_all_at_once() {
    let asked = read_text("Date,Amount,Reference\n03/04/2026,5.00,R-1\n", &BankFormat::default()).unwrap_err();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("`03/04/2026` in `Date` can be read as %d/%m/%Y or %m/%d/%Y"), "{asked:?}");
    let asked = read_text("When,Sum\n2026-03-04,5.00\n", &BankFormat::default()).unwrap_err();
    assert!(
        asked.iter().any(|words| words.contains("`booked_on`")) && asked.iter().any(|words| words.contains("`amount`")),
        "{asked:?}"
    );
    let format = BankFormat { dates: Some("%d/%m/%Y".into()), ..BankFormat::default() };
    let bad = "Date,Amount,Currency,Reference\n03/04/2026,5.00,EUR,R-1\n31/02/2026,x,EU,R-2\n05/04/2026,6.00,EUR\n";
    let problems = read_text(bad, &format).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems[0].contains("`31/02/2026`") && problems[1].contains("`x`") && problems[2].contains("`EU`"), "{problems:?}");
    assert!(problems[3].contains("This row has 3 cells, the header 4"), "{problems:?}");
    let mapped = BankFormat {
        columns: vec![ColumnName { field: "amount".into(), column: "Amout".into(), place: None }],
        ..BankFormat::default()
    };
    let problems = read_text("Date,Amount\n2026-03-04,5.00\n", &mapped).unwrap_err();
    assert!(problems[0].contains("The file has no column `Amout`"), "{problems:?}");
}

#[test]
fn a_form_of_dates_that_fits_no_row_is_told_with_one_that_does() {
    let text = "Booking date;Name;Amount\n03/04/2026;Abc;5.00\n25/04/2026;Abc;6.00\n";
    for dates in ["%d.%m.%Y", "relative"] {
        let format = BankFormat { dates: Some(dates.into()), ..BankFormat::default() };
        let message =
            format!("`03/04/2026` in `Booking date` is not `{dates}`; write `dates: \"%d/%m/%Y\"` under `bank` in config.yaml");
        let told: Vec<String> = read_text(text, &format)
            .unwrap_err()
            .iter()
            .map(|told| told.trim_start_matches(|c: char| c != '`').to_owned())
            .collect();
        assert_eq!(told, [message]);
    }
}

#[test]
fn statements_of_two_versions_give_the_same_lines() {
    let expected = [
        "2026-03-02 1480.00 EUR | Harbour Lights Hotels Ltd | GB33BUKB20201555555555 | Invoice R-2001",
        "2026-03-03 100.00 EUR | Kranwerk Nord GmbH | DE02120300000000202051 | RF18539007547034 E2E-1",
        "2026-03-03 250.50 EUR | Meadow & Mill Bakery |  | R-2006 E2E-2",
        "2026-03-04 75.00 USD | Atlas Freight Inc | 123456 | R-2018",
        "2026-03-05 12.00 EUR |  |  | CASH DEPOSIT",
    ];
    let (old, new) = (fixture("camt.053.001.02.xml"), fixture("camt.053.001.08.xml"));
    let files = [&old, &new].map(|path| read(path, &BankFormat::default(), eur(), TODAY).unwrap());
    for file in &files {
        assert_eq!(told(file), expected);
        assert_eq!((file.outgoing_count, file.pending_count, file.reversal_count), (1, 1, 2));
    }
    let ids = |file: &BankFile| file.lines.iter().map(|line| line.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&files[0]), ids(&files[1]), "a line has one id, whatever the file's version");
}

#[test]
fn a_statement_that_is_wrong_is_told_with_every_place() {
    let wrap = |entries: &str| format!("<Document><BkToCstmrStmt><Stmt>\n{entries}\n</Stmt></BkToCstmrStmt></Document>");
    let bad = wrap(
        "<Ntry><Amt Ccy=\"EUR\">1,50</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2026-03-04</Dt></BookgDt></Ntry>\n\
         <Ntry><Amt Ccy=\"EURO\">1.50</Amt><CdtDbtInd>CREDIT</CdtDbtInd><BookgDt><Dt>4.3.2026</Dt></BookgDt></Ntry>\n\
         <Ntry><CdtDbtInd>CRDT</CdtDbtInd></Ntry>",
    );
    let problems = read_text(&bad, &BankFormat::default()).unwrap_err();
    let expected = [
        ("2:7", "`1,50` is not an amount"),
        ("3:7", "`EURO` is not a currency"),
        ("3:", "`4.3.2026` is not the day of a booking"),
        ("3:1", "The entry says `CREDIT` where CRDT or DBIT belongs"),
        ("4:1", "The entry has no amount"),
        ("4:1", "`` is not the day of a booking"),
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, (place, words)) in problems.iter().zip(expected) {
        assert!(problem.starts_with(place) && problem.contains(words), "{problem} is not {place} {words}");
    }
    let whole = |text: &str| read_text(text, &BankFormat::default()).unwrap_err().join("; ");
    assert!(whole("<Document><BkToCstmrDbtCdtNtfctn/></Document>").contains("it holds `BkToCstmrDbtCdtNtfctn`"));
    assert!(whole("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>").contains("not XML that can be read"));
    for cut in ["<Document><BkToCstmrStmt>", "<Document><BkToCstmrStmt><St", "<Document><BkToCstmrStmt><Stmt a=\"", "<Document>x"]
    {
        assert!(whole(cut).contains("The file is cut off: its end is missing; fetch it from the bank again"), "{cut}");
    }
    let deep = "<a>".repeat(200_000);
    assert!(whole(&deep).contains("41 deep"));
    assert!(whole(&wrap("<Ntry><Amt Ccy=\"EUR\">&undefined;</Amt></Ntry>")).contains("not XML that can be read"));
}

#[test]
fn a_batch_whose_parts_do_not_add_up_is_one_line() {
    let part =
        |amount: &str| format!("<TxDtls><Amt Ccy=\"EUR\">{amount}</Amt><RmtInf><Ustrd>R-{amount}</Ustrd></RmtInf></TxDtls>");
    let entry = |parts: &str| {
        format!(
            "<Document><BkToCstmrStmt><Stmt><Ntry><Amt Ccy=\"EUR\">30.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>\
             <BookgDt><Dt>2026-03-04</Dt></BookgDt><NtryDtls>{parts}</NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"
        )
    };
    let amounts = |parts: &str| -> Vec<_> {
        read_text(&entry(parts), &BankFormat::default())
            .unwrap()
            .lines
            .into_iter()
            .map(|line| (line.amount, line.reference))
            .collect()
    };
    let two = format!("{}{}", part("10.00"), part("20.00"));
    assert_eq!(amounts(&two), [(dec!(10.00), "R-10.00".to_owned()), (dec!(20.00), "R-20.00".to_owned())]);
    let short = format!("{}{}", part("10.00"), part("19.00"));
    assert_eq!(amounts(&short), [(dec!(30.00), "R-10.00 R-19.00".to_owned())]);
}
