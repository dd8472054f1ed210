//! Payment codes against the examples of their standards, and read back.

use std::io;

use proptest::prelude::*;
use rust_decimal::{Decimal, dec};

use super::*;
use crate::domain::company::{BankAccount, Company};
use crate::domain::iban::{Bic, Iban};
use crate::domain::money::{Currency, Money};

fn account(currency: &str, holder: &str, iban: &str, qr_iban: Option<&str>, bic: &str) -> BankAccount {
    BankAccount {
        currency: Currency::parse(currency).unwrap(),
        holder: holder.into(),
        bank: String::new(),
        iban: Some(Iban::parse(iban).unwrap()),
        qr_iban: qr_iban.map(|iban| Iban::parse(iban).unwrap()),
        bic: Bic::parse(bic),
        account_number: String::new(),
        routing_number: String::new(),
    }
}

fn company(street: &str, postal_code: &str, city: &str) -> Company {
    let text = str::to_owned;
    Company {
        street: text(street),
        postal_code: text(postal_code),
        city: text(city),
        country_code: "CH".into(),
        ..Company::default()
    }
}

fn code(company: &Company, account: &BankAccount, amount: Decimal, reference: &str, messages: &[&str]) -> Option<PaymentCode> {
    PaymentCode::of(&Transfer {
        company,
        account,
        money: Money { amount, currency: account.currency },
        reference: Reference::parse(reference),
        messages: messages.iter().map(|message| (*message).to_owned()).collect(),
    })
}

#[test]
fn a_sepa_code_is_as_the_guideline_shows_it() {
    // The Red Cross of the guideline's example, with version 002 and without its purpose and hint.
    let red_cross = account("EUR", "Red Cross of Belgium", "BE72 0000 0000 1616", None, "BPOTBEB1");
    let company = Company::default();
    let text =
        |reference: &str, messages: &[&str]| code(&company, &red_cross, dec!(1), reference, messages).unwrap().text().to_owned();
    let head = "BCD\n002\n1\nSCT\nBPOTBEB1\nRed Cross of Belgium\nBE72000000001616\nEUR1.00\n\n";
    assert_eq!(text("", &["Urgency fund"]), format!("{head}\nUrgency fund"));
    assert_eq!(text("RF18 5390 0754 7034", &["Urgency fund"]), format!("{head}RF18539007547034"));
    assert_eq!(text("+++090/9337/55493+++", &["Urgency fund"]), format!("{head}\n+++090/9337/55493+++"));
    // What people type is what the code says.
    let typed = |reference: &str| code(&company, &red_cross, dec!(1), reference, &["Urgency fund"]).unwrap();
    assert_eq!((typed("").iban(), typed("").reference()), ("BE72 0000 0000 1616".into(), "Urgency fund".into()));
    assert_eq!(typed("RF18539007547034").reference(), "RF18 5390 0754 7034");
    assert_eq!(typed("+++090/9337/55493+++").reference(), "+++090/9337/55493+++");
    // A text that has no room makes way for the next one; line breaks would move every field behind them.
    assert_eq!(text("", &["x".repeat(141).as_str(), "C-1\r\n2027-04-05"]), format!("{head}\nC-1 2027-04-05"));
    // No bank's code is needed within the area.
    let bare = account("EUR", "Wikimedia Foerdergesellschaft", "DE33 1002 0500 0001 1947 00", None, "");
    assert_eq!(
        code(&company, &bare, dec!(123.45), "", &["Spende fuer Wikipedia"]).unwrap().text(),
        "BCD\n002\n1\nSCT\n\nWikimedia Foerdergesellschaft\nDE33100205000001194700\nEUR123.45\n\n\nSpende fuer Wikipedia"
    );
}

#[test]
fn a_swiss_code_is_as_the_guidelines_show_it() {
    // The creditor of the guidelines' examples; who pays is left open.
    let robert = company("Rue du Lac 1268", "2501", "Biel");
    let chf = account("CHF", "Robert Schneider AG", "CH58 0079 1123 0008 8901 2", Some("CH44 3199 9123 0008 8901 2"), "");
    let eur = account("EUR", "Robert Schneider AG", "CH58 0079 1123 0008 8901 2", None, "");
    let expected = |iban: &str, amount: &str, currency: &str, kind: &str, reference: &str, message: &str| {
        format!(
            "SPC\n0200\n1\n{iban}\nS\nRobert Schneider AG\nRue du Lac 1268\n\n2501\nBiel\nCH\n\n\n\n\n\n\n\n{amount}\n{currency}\n\n\n\n\n\n\n\n\
             {kind}\n{reference}\n{message}\nEPD"
        )
    };
    for (account, amount, reference, message, text) in [
        (
            &chf,
            dec!(1949.75),
            "21 00000 00003 13947 14300 09017",
            "Order of 15 June 2020",
            expected("CH4431999123000889012", "1949.75", "CHF", "QRR", "210000000003139471430009017", "Order of 15 June 2020"),
        ),
        (
            &eur,
            dec!(199.95),
            "RF18539007547034",
            "",
            expected("CH5800791123000889012", "199.95", "EUR", "SCOR", "RF18539007547034", ""),
        ),
        (&eur, dec!(0.5), "", "Donation", expected("CH5800791123000889012", "0.50", "EUR", "NON", "", "Donation")),
        // A QR reference without a QR-IBAN cannot be one; the message still says what is paid.
        (&eur, dec!(1), "210000000003139471430009017", "R-1", expected("CH5800791123000889012", "1.00", "EUR", "NON", "", "R-1")),
        // Nor can a QR-IBAN be paid without one.
        (&chf, dec!(1), "", "R-1", expected("CH5800791123000889012", "1.00", "CHF", "NON", "", "R-1")),
    ] {
        let found = code(&robert, account, amount, reference, &[message]).unwrap();
        assert_eq!((found.kind(), found.text()), (CodeKind::Swiss, text.as_str()));
        assert_eq!(found.text().lines().count(), 31);
        let said = if text.contains("\nNON\n") { message.to_owned() } else { Reference::parse(reference).printed() };
        let paid_on = text.lines().nth(3).unwrap();
        assert_eq!((found.iban().replace(' ', ""), found.reference()), (paid_on.to_owned(), said));
    }
}

#[test]
fn there_is_no_code_where_it_would_be_wrong() {
    let acme = company("", "20457", "Hamburg");
    let eur = account("EUR", "ACME GmbH", "DE89370400440532013000", None, "");
    let chf = account("CHF", "ACME GmbH", "CH5800791123000889012", None, "");
    let is_there = |company: &Company, account: &BankAccount, amount, message: &str| {
        code(company, account, amount, "", &[message]).is_some()
    };
    for (amount, expected) in [
        (dec!(0.01), true),
        (dec!(999999999.99), true),
        (dec!(0), false),
        (dec!(-1), false),
        (dec!(1000000000), false),
        (dec!(1.001), false),
        (dec!(1.1000), true),
        (Decimal::MAX, false),
    ] {
        assert_eq!(is_there(&acme, &eur, amount, "R-1"), expected, "{amount}");
        assert_eq!(is_there(&acme, &chf, amount, "R-1"), expected, "{amount}");
    }
    // Another currency than the codes know, an account without an IBAN, a message that says nothing, a creditor without a place.
    assert!(!is_there(&acme, &account("USD", "ACME GmbH", "DE89370400440532013000", None, ""), dec!(1), "R-1"));
    assert!(!is_there(&acme, &account("CHF", "ACME GmbH", "DE89370400440532013000", None, ""), dec!(1), "R-1"));
    assert!(!is_there(&acme, &BankAccount { iban: None, ..eur.clone() }, dec!(1), "R-1"));
    assert!(!is_there(&acme, &eur, dec!(1), " \n"));
    assert!(!is_there(&company("", "", ""), &chf, dec!(1), "R-1"));
    assert!(!is_there(&acme, &chf, dec!(1), "Ключ"));
    assert!(is_there(&acme, &eur, dec!(1), "Ключ"));
    // 70 letters of four bytes and a message as long as it may be do not fit into 331 bytes.
    let wide = account("EUR", &"𝄞".repeat(70), "DE89370400440532013000", None, "");
    assert!(!is_there(&acme, &wide, dec!(1), &"x".repeat(140)));
    assert!(!is_there(&acme, &account("EUR", &"x".repeat(71), "DE89370400440532013000", None, ""), dec!(1), "R-1"));
}

#[test]
fn a_picture_is_the_same_each_time_and_has_its_quiet_zone_and_its_cross() {
    let acme = company("", "20457", "Hamburg");
    let eur = account("EUR", "ACME GmbH", "DE89370400440532013000", None, "");
    let chf = account("CHF", "ACME GmbH", "CH5800791123000889012", None, "");
    for (account, has_cross) in [(&eur, false), (&chf, true)] {
        let found = code(&acme, account, dec!(690), "", &["R-2027-0042"]).unwrap();
        assert_eq!(found.png(), found.png());
        let pixels = pixels(&found.png());
        let side = pixels.len();
        assert_eq!(side, (found.matrix().size() + 2 * QUIET_MODULES) * 6);
        assert!(pixels.iter().take(24).chain(pixels.iter().rev().take(24)).all(|row| row.iter().all(|is_light| *is_light)));
        // The middle of the cross is white, and the black square around it has a white rim.
        let middle = &pixels[side / 2];
        let of_white = |tenths: usize| side / 2 + found.matrix().size() * 6 * tenths / 460 / 2;
        let seen = [side / 2, of_white(50), of_white(65)].map(|x| middle[x]);
        assert!(!has_cross || seen == [true, false, true], "{seen:?}");
    }
}

/// Returns the pixels of a picture, row by row, light or dark.
fn pixels(file: &[u8]) -> Vec<Vec<bool>> {
    let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let row = |row: &[u8]| (0..info.width as usize).map(|x| row[x / 8] & (0x80 >> (x % 8)) != 0).collect();
    bytes.chunks(info.line_size).map(row).collect()
}

/// Reads a picture with another program's library, which has nothing in common with the one that made it.
fn read_back(file: &[u8]) -> String {
    let pixels = pixels(file);
    let side = pixels.len();
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| if pixels[y][x] { 255 } else { 0 });
    let grids = picture.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_a_picture_shows_is_read_back_by_another_decoder(
        cents in 1i64..99_999_999_999,
        holder in "[A-Za-zäöüßéñ&.,' -]{1,70}",
        message in "[A-Za-z0-9 ,/.-]{0,80}[0-9]",
    ) {
        let amount = Decimal::new(cents, 2);
        let acme = company("Hafenstraße 12", "20457", "Hamburg");
        prop_assume!(!holder.trim().is_empty());
        for (currency, iban) in [("EUR", "DE89370400440532013000"), ("CHF", "CH5800791123000889012")] {
            let account = account(currency, &holder, iban, None, "COBADEFFXXX");
            let Some(found) = code(&acme, &account, amount, "", &[&message]) else {
                prop_assert!(currency == "EUR", "too long only where 331 bytes are");
                continue;
            };
            let read = read_back(&found.png());
            prop_assert_eq!(&read, found.text());
            let at = |line: usize| read.lines().nth(line).unwrap_or_default().to_owned();
            let told = if currency == "EUR" { at(7).replace("EUR", "EUR ") } else { format!("{} {}", at(19), at(18)) };
            prop_assert_eq!(told, format!("{currency} {amount:.2}"));
        }
    }
}
