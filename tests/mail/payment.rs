//! Payment codes in mails: the picture of each kind of mail, read back from its bytes by another decoder.

use std::io;

use dunlin::domain::money::Money;
use dunlin::paper::{self, LayoutFile};

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

const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];

/// Returns what the plugin late-payment claims or mentions: 60.00 besides `open`.
fn late_payment(mode: &str, open: Decimal) -> BTreeMap<String, Variable> {
    let money = |amount| Variable::Money(Money { amount, currency: Currency::parse("EUR").unwrap() });
    let amount_asked = if mode == "claim" { open + dec!(60) } else { open };
    let claim = [
        ("mode", Variable::Text(mode.into())),
        ("basis", Variable::Text(String::new())),
        ("items", Variable::List(vec![])),
        ("fee", money(dec!(60))),
        ("total", money(dec!(60))),
        ("amount_asked", money(amount_asked)),
    ];
    let claim = claim.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    BTreeMap::from([("late_payment".to_owned(), Variable::Map(claim))])
}

/// Returns the sum and the reference that the paper of a reminder asks for: those of its code, behind the sum of the box at its top.
/// The shipped layout's own texts say them, here as the name of the file.
fn asked_on_paper(setting: &Setting) -> String {
    let shipped = fs::read_to_string(root().join("rules/papers/reminder.yaml")).unwrap();
    let between = |from: &str, to: &str| shipped.split_once(from).unwrap().1.split_once(to).unwrap().0.trim().to_owned();
    let at_top = between("- label: { en: To pay, de: Zu zahlen, fr: À payer, es: A pagar }\n          value: \"", "\"\n");
    let code = between("code: >-\n", "title:").split_whitespace().collect::<Vec<_>>().join(" ");
    let code = code.strip_prefix("{{").and_then(|code| code.strip_suffix("}}")).unwrap();
    let name = format!("{at_top} {{% set code = {code} %}}{{{{ code.amount }}}} {{{{ code.reference }}}}.pdf");
    let text = format!("title: T\nfile: '{}'\nbody: [{{ heading: H }}]\n", name.replace('\'', "''"));
    let mut templates = Templates::load(Vec::new(), &message::known_names()).0;
    let file = LayoutFile { path: "rules/papers/asked.yaml".into(), text };
    let (layouts, problems) = paper::load(&[file], &[], &mut templates, &message::known_names());
    assert_eq!(problems, Vec::<Problem>::new());
    setting.with_letter(|letter| message::paper(letter, layouts.find("asked").unwrap(), &templates)).unwrap().name
}

#[test]
fn every_shipped_mail_that_asks_for_money_has_the_code_and_the_link_for_just_that_sum() {
    let templates = shipped();
    let check = |setting: Setting, sum: &str, message: &str| {
        for language in LANGUAGES {
            let setting = Setting { language: Some(language), ..setting.clone() };
            let (about, composed) = (format!("{} in {language}", setting.template), setting.compose(&templates).unwrap());
            let (html, digits) = (composed.html.as_ref().unwrap(), |text: &str| text.replace(|c: char| !c.is_ascii_digit(), ""));
            // The first large figure is what the mail asks for.
            let box_at_top = html.split_once("font-size:20px").unwrap().1.split(['>', '<']).nth(1).unwrap();
            assert_eq!(digits(box_at_top), digits(sum), "{about}: the box says {box_at_top}");
            let Some((code, _)) = read_back(&composed) else { panic!("{about}: no code for {sum}") };
            assert!(code.ends_with(&format!("\nEUR{sum}\n\n\n{message}")), "{about}: {sum}, {message} expected in\n{code}");
            let links: Vec<&str> = html.split("amount&#x3d;").skip(1).chain(html.split("amount=").skip(1)).collect();
            let is_right = |link: &&str| link.split(|c: char| c != '.' && !c.is_ascii_digit()).next() == Some(sum);
            assert!(links.iter().all(is_right), "{about}: not {sum}: {links:?}");
            assert_eq!(links.is_empty(), setting.template == "statement", "{about}: the link");
            if setting.tells == Tells::Reminder {
                let told = asked_on_paper(&setting);
                assert_eq!(digits(&told), digits(&format!("{sum}{sum}{message}")), "{about}: the paper asks for {told}");
            }
            // Those who see no pictures read what the code holds.
            let text = composed.text.replace('\n', " ");
            let told = text.split_once("QR – ").unwrap_or_else(|| panic!("{about}: {text}")).1;
            assert_eq!(
                digits(told.split_once(", ACME GmbH, DE89 3704 0044 0532 0130 00, ").unwrap().0),
                digits(sum),
                "{about}: {told}"
            );
        }
    };
    let both = "R-2027-0042, R-2027-0057 / C-1";
    for template in ["first", "second", "final"] {
        let new = || Setting::new("C-1", template);
        check(new(), "777.50", both);
        check(Setting { items_max: 1, ..new() }, "690.00", "R-2027-0042 / C-1");
        // What is carried along and not due yet is not asked for.
        check(Setting { as_of: date(2027, 3, 12), ..new() }, "1190.00", "R-2027-0042 / C-1");
        // Nothing is due: a preview is about all.
        check(Setting { as_of: date(2027, 3, 11), ..new() }, "1277.50", both);
        check(Setting { variables: late_payment("claim", dec!(777.5)), ..new() }, "837.50", both);
        check(Setting { variables: late_payment("mention", dec!(777.5)), ..new() }, "777.50", both);
    }
    check(Setting { as_of: date(2027, 3, 11), ..Setting::new("C-1", "upcoming") }, "1277.50", both);
    // A note ahead of time is about all it lists, also where one of them is due by now.
    check(Setting { as_of: date(2027, 3, 12), ..Setting::new("C-1", "upcoming") }, "1277.50", both);
    check(Setting { variables: late_payment("claim", dec!(777.5)), ..Setting::new("C-1", "upcoming") }, "777.50", both);
    check(Setting::statement("C-1", "statement"), "987.50", "R-2027-0042, R-2027-0057, R-2027-0071 / C-1");
    let invoice = |as_of| Setting { tells: Tells::Invoice, items_max: 1, as_of, ..Setting::new("C-1", "invoice") };
    check(invoice(date(2027, 3, 12)), "1190.00", "R-2027-0042 / C-1");
    // 500.00 have been paid of it.
    check(invoice(AS_OF), "690.00", "R-2027-0042 / C-1");
}

#[test]
fn a_shipped_mail_without_an_account_or_a_sum_says_nothing_of_codes() {
    let templates = shipped();
    let activity = StatementLayout { form: StatementForm::Activity, ..StatementLayout::default() };
    let no_account = || Some(Company { bank_accounts: vec![], ..acme() });
    for setting in [
        Setting { company: no_account(), ..Setting::new("C-1", "upcoming") },
        Setting { company: no_account(), ..Setting::new("C-1", "first") },
        Setting { company: None, ..Setting::new("C-1", "second") },
        Setting { company: no_account(), variables: late_payment("claim", dec!(777.5)), ..Setting::new("C-1", "final") },
        Setting { company: no_account(), ..Setting::statement("C-1", "statement") },
        Setting { layout: activity, ..Setting::statement("C-1", "statement") },
        // Of March the 29th: 500.00 were paid the day after, so what it came to is not owed any more.
        Setting { as_of: date(2027, 3, 29), ..Setting::statement("C-1", "statement") },
        // In credit, and settled.
        Setting::statement("C-1-2", "statement"),
        Setting { tells: Tells::Receipt, items_max: 1, ..Setting::new("C-1", "receipt") },
        Setting { tells: Tells::Invoice, ..Setting::new("C-1", "portal") },
    ] {
        for language in LANGUAGES {
            let setting = Setting { language: Some(language), ..setting.clone() };
            let composed = setting.compose(&templates).unwrap();
            let html = composed.html.as_ref().unwrap();
            let about = format!("{} in {language}", setting.template);
            assert!(!html.contains("<img") && !composed.text.contains("QR"), "{about}: {}", composed.text);
            let words = ["scan this code", "diesen Code", "ce code", "este código"];
            assert!(words.iter().all(|word| !composed.text.replace('\n', " ").contains(word)), "{about}: {}", composed.text);
        }
    }
}

#[test]
fn a_function_asks_for_another_sum_of_other_invoices() {
    let company = Company { payment_reference: "order".into(), ..acme() };
    let setting = Setting { company: Some(company), as_of: date(2027, 3, 12), ..Setting::new("C-1", "a") };
    let body = "<p>{{ payment_link_for(due_total, due_items) }}</p><p>{{ payment_link_for(account_total) }}</p>\
                <img src=\"{{ image(payment_code_for(due_total, due_items)) }}\" alt=\"\">";
    let composed = setting.compose(&templates(&[("a.subject.txt", "S"), ("a.html", body)])).unwrap();
    let page = "https://pay.acme.example/C-1?for=R-2027-0042";
    assert_eq!(
        composed.text.split_whitespace().take(2).collect::<Vec<_>>(),
        [format!("{page}&amount=1190.00"), format!("{page}%2CR-2027-0057&amount=1277.50")]
    );
    // One invoice alone has the books' own reference.
    assert!(read_back(&composed).unwrap().0.ends_with("EUR1190.00\n\n\nPO 7781"));
    // The same sum of other invoices is another picture.
    let two = "<p>x</p><img src=\"{{ image(payment_code_for(total)) }}\" alt=\"\"><img src=\"{{ image(payment_code_for(total, items)) }}\" alt=\"\">\
               <img src=\"{{ image(payment_code_for(total, due_items)) }}\" alt=\"\">";
    let html = setting.compose(&templates(&[("a.subject.txt", "S"), ("a.html", two)])).unwrap().html.unwrap();
    assert_eq!((html.matches("cid:image-1.").count(), html.matches("cid:image-2.").count()), (2, 1), "{html}");
    for (call, expected) in [
        ("payment_code_for(total, [total])", "is not an invoice: pass `items`, or some of them"),
        ("payment_link_for(5)", "`5` is not an amount with its currency"),
    ] {
        let body = format!("{{{{ {call} }}}}");
        let fault = setting.compose(&templates(&[("a.subject.txt", "S"), ("a.html", &body)])).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
}
