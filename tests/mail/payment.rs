//! Payment codes in mails: the picture of each kind of mail, read back from its bytes by another decoder.

use std::io;

use super::*;

/// Returns the text of the only payment code among a mail's parts, and the name of its picture.
fn read_back(composed: &Composed) -> Option<(String, String)> {
    let message = MessageParser::new().parse(&composed.bytes).unwrap();
    let part = message.parts.iter().find(|part| part.content_type().is_some_and(|kind| kind.ctype() == "image"))?;
    let mut reader = png::Decoder::new(io::Cursor::new(part.contents())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let is_light = |x: usize, y: usize| bytes[y * info.line_size + x / 8] & (0x80 >> (x % 8)) != 0;
    let (width, height) = (info.width as usize, info.height as usize);
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| if is_light(x, y) { 255 } else { 0 });
    let text = picture.detect_grids()[0].decode().unwrap().1;
    Some((text, part.attachment_name().unwrap_or_default().to_owned()))
}

const BODY: &str = "{% if payment_code is defined %}<img src=\"{{ image(payment_code) }}\" alt=\"{{ payment_code.alt }}\">{% else %}none{% endif %}\
                    {% if statement is defined %}{{ statement.balance }}{% endif %}";

fn coded(setting: &Setting, body: &str) -> Option<(String, String)> {
    read_back(&setting.compose(&templates(&[("a.subject.txt", "S"), ("a.html", body)])).unwrap())
}

#[test]
fn a_mail_shows_the_code_for_the_sum_it_asks_for() {
    let text = |sum: &str, message: &str| {
        format!("BCD\n002\n1\nSCT\nCOBADEFFXXX\nACME GmbH\nDE89370400440532013000\nEUR{sum}\n\n\n{message}")
    };
    let reminder = Setting::new("C-1", "a");
    for (setting, sum, message) in [
        (Setting::new("C-1", "a"), "777.50", "R-2027-0042, R-2027-0057 / C-1"),
        (Setting { items_max: 1, ..Setting::new("C-1", "a") }, "690.00", "R-2027-0042 / C-1"),
        (Setting::statement("C-1", "a"), "987.50", "R-2027-0042, R-2027-0057, R-2027-0071 / C-1"),
        (Setting { tells: Tells::Invoice, items_max: 1, ..Setting::new("C-1", "a") }, "690.00", "R-2027-0042 / C-1"),
    ] {
        let found = coded(&setting, BODY).unwrap();
        assert_eq!(found.0, text(sum, message));
        assert_eq!(coded(&setting, BODY).unwrap(), found, "the same each time");
    }
    // Another sum than the mail's own: the whole account.
    let whole = "<img src=\"{{ image(payment_code_for(account_total)) }}\" alt=\"{{ payment_code_for(account_total).alt }}\">";
    assert_eq!(coded(&reminder, whole).unwrap().0, text("1027.50", "R-2027-0042, R-2027-0057 / C-1"));
}

#[test]
fn a_swiss_account_and_the_books_own_reference_stand_in_the_code() {
    let swiss = |iban: &str, column: &str| Company {
        payment_reference: column.into(),
        bank_accounts: vec![BankAccount { iban: Some(Iban::parse(iban).unwrap()), bic: None, ..acme().bank_accounts[0].clone() }],
        ..acme()
    };
    let one = |company| Setting { items_max: 1, company: Some(company), ..Setting::new("C-1", "a") };
    let read = coded(&one(swiss("CH5800791123000889012", "")), BODY).unwrap().0;
    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(
        (lines[0], lines[3], lines[5], lines[18], lines[19]),
        ("SPC", "CH5800791123000889012", "ACME GmbH", "690.00", "EUR")
    );
    assert_eq!(&lines[27..], ["NON", "", "R-2027-0042 / C-1", "EPD"]);
    // The column `order` of the invoices holds `PO 7781`, which is no structured reference.
    let read = coded(&one(swiss("DE89370400440532013000", "order")), BODY).unwrap().0;
    assert!(read.ends_with("EUR690.00\n\n\nPO 7781"), "{read}");
}

#[test]
fn there_is_no_code_where_no_account_fits_or_nothing_is_owed() {
    let dollars = Company {
        bank_accounts: vec![BankAccount { currency: Currency::parse("USD").unwrap(), ..acme().bank_accounts[0].clone() }],
        ..acme()
    };
    for setting in [
        Setting { company: None, ..Setting::new("C-1", "a") },
        Setting { company: Some(dollars), ..Setting::new("C-1", "a") },
        Setting { items_max: 0, ..Setting::new("C-1", "a") },
    ] {
        assert_eq!(coded(&setting, BODY), None);
    }
}
