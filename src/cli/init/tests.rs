//! The talk on a terminal: what is asked, in which order, and what becomes of the answers.

use super::*;
use clap::Parser;

/// Returns the answers, what was asked, and the notes, for a person who writes `lines`.
fn talk(arguments: &[&str], lines: &str) -> (Talk<Answers>, String, Vec<String>) {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: InitArgs,
    }
    let line = Line::parse_from(["init", "somewhere"].iter().chain(arguments));
    let mut person = Person { input: lines.as_bytes(), output: Vec::new(), asks: true };
    let mut notes = Vec::new();
    let answers = answers(&line.args, &mut person, &mut notes);
    (answers, String::from_utf8(person.output).unwrap(), notes)
}

#[test]
fn a_person_is_asked_for_what_no_argument_says() {
    let lines = "\n\nEurope/Berln\nEurope/Berlin\nSeller\nar@seller.example\nmail.seller.example\n";
    let (answers, asked, notes) = talk(&[], lines);
    let Ok(answers) = answers else { panic!("{asked}") };
    let questions: Vec<&str> = asked.lines().skip(2).collect();
    let zone = system_time_zone().unwrap_or_else(|| "UTC".to_owned());
    let expected = format!(
        "The export of your invoices, a CSV file; empty: a small example: The currency of rows that name none, such as EUR [EUR]: \
         The place by whose clock days begin [{zone}]:   `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?\n\
         The place by whose clock days begin [{zone}]: The name customers see [ACME Receivables]: \
         The address customers see [receivables@acme.example]: The mail server [smtp.acme.example]: "
    );
    assert_eq!(questions.join("\n"), expected);
    assert_eq!(answers.time_zone, "Europe/Berlin");
    assert_eq!((answers.currency.as_str(), answers.sender_name.as_str()), ("EUR", "Seller"));
    assert_eq!(answers.redirect_to.as_deref(), Some("ar@seller.example"), "nobody else gets a mail to begin with");
    assert_eq!(answers.server.user.as_deref(), Some("ar@seller.example"));
    assert_eq!(
        notes,
        [
            "data/ holds a small example; put your own exports in its place",
            "Every mail goes to ar@seller.example for now, none to a customer (`mode: redirect`)",
        ]
    );
}

#[test]
fn what_the_rows_leave_open_is_asked_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.csv");
    std::fs::write(&file, "number,Account Nr.,Booked,amount\n1,77,03/04/2026,\"1,234\"\n").unwrap();
    let file = file.display().to_string();
    let given =
        ["--invoices", &file, "--time-zone=UTC", "--sender-name=S", "--sender-address=s@s.example", "--smtp-host=s.example"];
    let lines = "\nAccount Nr.\nBookd\nBooked\n%m/%d/%Y\npoint\n\nusd\n";
    let (answers, asked, notes) = talk(&given, lines);
    let Ok(answers) = answers else { panic!("{asked}") };
    for part in [
        "which column is `customer`? The customer's id. (Account Nr., Booked): ",
        "`Bookd` is none of the columns",
        "how is `03/04/2026` in `Booked` written? %d/%m/%Y or %m/%d/%Y: ",
        "what stands before the cents in `1,234` in `amount`, point or comma?: ",
        "`` is not a currency; write its three letters: EUR",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let guess = &answers.exports.as_ref().unwrap().invoices.guess;
    assert_eq!((guess.dates.as_deref(), answers.currency.as_str()), (Some("%m/%d/%Y"), "USD"));
    let row = "1 row; dates like %m/%d/%Y; amounts like 1,234.50; number = number, customer = Account Nr., issued_on = Booked, total = amount";
    assert!(notes.iter().any(|note| note.ends_with(row)), "{notes:?}");
}

#[test]
fn a_person_who_goes_away_leaves_nothing_behind() {
    let (answers, asked, _) = talk(&[], "\nEUR\n");
    assert!(matches!(answers, Err(Stop::Gone)), "{asked}");
}
