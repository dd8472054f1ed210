//! Papers as a whole: the shipped layouts, made from a ledger, read back by another program and compared as pictures.
//!
//! `DUNLIN_BLESS=1 cargo test --test papers -- --ignored` writes the pictures anew; look at them before you commit them.

// Helpers of tests are tests too, which clippy does not see in an integration test.
#![allow(clippy::unwrap_used)]

mod desk;
mod pictures;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use desk::{Desk, Kind};
use dunlin::domain::company::Company;
use dunlin::domain::money::{Currency, Money};
use dunlin::domain::statement::StatementForm;
use dunlin::domain::variable::Variable;
use jiff::civil::date;
use pictures::{assert_looks_as_before, scanned};

const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];
/// The shipped layouts and the mails they go with.
const SHIPPED: [(&str, Kind); 3] = [("statement", Kind::Statement), ("reminder", Kind::Reminder), ("items", Kind::Reminder)];

#[test]
fn every_shipped_layout_gives_a_small_pdf_in_every_language_and_the_same_each_time() {
    for (layout, kind) in SHIPPED {
        for language in LANGUAGES {
            let desk = Desk::new(language, 19);
            let paper = desk.paper(layout, kind).unwrap();
            let bytes = paper.contents.bytes().unwrap();
            assert!(bytes.starts_with(b"%PDF-1.7") && bytes.len() < 60_000, "{}", bytes.len());
            assert!(paper.name.ends_with("C-1042 EUR 2027-03-31.pdf"), "{}", paper.name);
            assert_eq!(paper, desk.paper(layout, kind).unwrap(), "{layout} in {language}");
        }
    }
}

#[test]
fn a_statement_of_every_form_has_its_own_columns_and_its_paper() {
    let mut sizes = vec![];
    for form in [StatementForm::OpenItem, StatementForm::BalanceForward, StatementForm::Activity] {
        let mut desk = Desk::new("de", 19);
        desk.layout.form = form;
        sizes.push(desk.paper("statement", Kind::Statement).unwrap().contents.byte_count());
    }
    sizes.dedup();
    assert_eq!(sizes.len(), 3, "no two of them are the same paper");
}

#[test]
fn a_statements_layout_refuses_a_mail_that_is_none() {
    let fault = Desk::new("en", 2).paper("statement", Kind::Reminder).unwrap_err().to_string();
    assert!(fault.contains("rules/papers/statement.yaml:") && fault.contains("`period"), "{fault}");
}

/// Returns the block of the page about papers that follows these words.
fn example(behind: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/papers.md")).unwrap();
    let rest = page.split_once(behind).unwrap_or_else(|| panic!("{behind} is not in the page")).1;
    rest.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_examples_of_the_page_stand_in_the_shipped_layouts() {
    let column = example("A further column of your invoices' file");
    let slip = example("so that their sum is always that of the code");
    for layout in ["reminder", "items"] {
        let mut desk = Desk::new("fr", 3).paid_on("DE89370400440532013000");
        let bare = desk.paper(layout, Kind::Reminder).unwrap().contents.byte_count();
        let file = desk.layouts.iter_mut().find(|file| file.path.ends_with(&format!("/{layout}.yaml"))).unwrap();
        file.text = file.text.replace("      columns: &columns\n", &format!("      columns: &columns\n{column}"));
        let with = desk.paper(layout, Kind::Reminder).unwrap().contents.byte_count();
        assert!(with > bare, "{layout} has the column");
    }
    let mut desk = Desk::new("en", 3).paid_on("DE89370400440532013000");
    let file = desk.layouts.iter_mut().find(|file| file.path.ends_with("/reminder.yaml")).unwrap();
    file.text = format!("{}{slip}", file.text.split_once("  - slip:").unwrap().0);
    desk.paper("reminder", Kind::Reminder).unwrap();
}

#[test]
fn a_company_of_which_only_a_part_of_the_address_is_known_has_its_papers() {
    for (street, postal_code, city) in
        [("Hafenstraße 12", "", "Hamburg"), ("", "20457", "Hamburg"), ("Hafenstraße 12", "20457", "")]
    {
        let own = |company| Company { street: street.into(), postal_code: postal_code.into(), city: city.into(), ..company };
        for (layout, kind) in SHIPPED {
            let desk = Desk::new("en", 2).paid_on("DE89370400440532013000");
            let desk = Desk { company: desk.company.map(own), ..desk };
            desk.paper(layout, kind).unwrap();
        }
    }
}

#[test]
fn a_name_that_no_font_can_write_is_a_fault_and_a_layouts_own_font_mends_it() {
    let desk = || Desk::of("東京商事", "ja", (1..3).map(|n| format!("R-{n}")));
    let fault = desk().paper("reminder", Kind::Reminder).unwrap_err().to_string();
    assert!(fault.starts_with("The layout `reminder` has no font for '東' (U+6771)"), "{fault}");
}

/// Returns what `pdftotext` reads in a PDF.
fn read_back(pdf: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("paper.pdf");
    fs::write(&file, pdf).unwrap();
    let output = Command::new("pdftotext").args(["-layout".as_ref(), file.as_os_str(), "-".as_ref()]).output();
    String::from_utf8(output.expect("pdftotext of poppler-utils").stdout).unwrap()
}

#[test]
#[ignore = "needs poppler-utils: tests/papers/fetch.sh"]
fn another_program_reads_every_row_once_and_the_page_numbers() {
    let text = read_back(&Desk::new("de", 90).paper("statement", Kind::Statement).unwrap().contents.bytes().unwrap());
    for number in 1..=90 {
        assert_eq!(text.matches(&format!("R-2027-{number:04}")).count(), 1, "{number}");
    }
    for expected in ["Kontoauszug", "Seite 1 von 3", "Seite 3 von 3", "Zahlung TR-7", "Harbour Coffee & Sons Ltd", "-40,00"] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert_eq!(text.matches("Fällig ").count(), 3, "the titles stand on every page");
}

#[test]
#[ignore = "needs poppler-utils: tests/papers/fetch.sh"]
fn the_shipped_papers_look_as_they_did() {
    for (layout, kind) in SHIPPED {
        let paper = Desk::new("en", 8).paper(layout, kind).unwrap();
        assert_looks_as_before(layout, &paper.contents.bytes().unwrap());
    }
    for (name, iban) in [("slip", "DE89370400440532013000"), ("slip-swiss", "CH5800791123000889012")] {
        let paper = Desk::new("de", 5).paid_on(iban).paper("reminder", Kind::Reminder).unwrap();
        assert_looks_as_before(name, &paper.contents.bytes().unwrap());
    }
    let long = Desk::new("de", 70).paper("statement", Kind::Statement).unwrap();
    assert_looks_as_before("statement-long.de", &long.contents.bytes().unwrap());
}

#[test]
#[ignore = "needs poppler-utils: tests/papers/fetch.sh"]
fn a_reminder_says_everywhere_the_sum_it_asks_for_and_what_is_not_due_stands_apart() {
    let euros =
        |amount: &str| Variable::Money(Money { amount: amount.parse().unwrap(), currency: Currency::parse("EUR").unwrap() });
    let map = |entries: Vec<(&str, Variable)>| {
        Variable::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let line = map(vec![
        ("from", Variable::Date(date(2026, 11, 4))),
        ("to", Variable::Date(date(2027, 3, 30))),
        ("days", Variable::Integer(147)),
        ("rate", Variable::Decimal("11.27".parse().unwrap())),
        ("principal", euros("10.00")),
        ("amount", euros("0.46")),
    ]);
    let item = map(vec![
        ("number", Variable::Text("R-2027-0001".into())),
        ("lines", Variable::List(vec![line])),
        ("fixed_sum", euros("40.00")),
    ]);
    // Five invoices of 10.00, 89.19, 168.38, 247.57 and 326.76, of which the fifth is not due yet.
    for (mode, asked) in [("claim", "555.60"), ("mention", "515.14")] {
        let claim = map(vec![
            ("mode", Variable::Text(mode.into())),
            ("basis", Variable::Text("§ 288 BGB".into())),
            ("items", Variable::List(vec![item.clone()])),
            ("fee", euros("0")),
            ("total", euros("40.46")),
            ("amount_asked", euros(asked)),
        ]);
        let mut desk = Desk::new("en", 5).paid_on("DE89370400440532013000");
        desk.as_of = date(2027, 3, 30);
        desk.variables.insert("late_payment".into(), claim);
        let pdf = desk.paper("reminder", Kind::Reminder).unwrap().contents.bytes().unwrap();
        let text = read_back(&pdf);
        assert!(text.contains(&format!("€{asked}")) && !text.contains("841.90"), "{text}");
        for line in ["Hafenstrasse 12, 20457 Hamburg", "DE123456789"] {
            assert!(text.lines().any(|own| own.trim() == line), "{line} is a line of\n{text}");
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let words = words.join(" ");
        for expected in
            ["R-2027-0001, 4 Nov 2026 – 30 Mar 2027: 147 days, 11.27 % on €10.00: €0.46", "Coming up for payment as well:"]
        {
            assert!(words.contains(expected), "{expected} in\n{text}");
        }
        assert!(scanned(&pdf).contains(&format!("\nEUR{asked}\n")), "{}", scanned(&pdf));
    }
}

#[test]
fn a_slip_is_there_where_the_company_has_an_account_and_only_there() {
    let size = |desk: Desk| desk.paper("statement", Kind::Statement).unwrap().contents.byte_count();
    let (bare, paid) = (Desk::new("en", 5), Desk::new("en", 5).paid_on("DE89370400440532013000"));
    let dollars =
        Desk { company: paid.company.clone().map(|company| Company { bank_accounts: vec![], ..company }), ..Desk::new("en", 5) };
    let (bare, dollars, paid) = (size(bare), size(dollars), size(paid));
    assert!(paid > dollars + 1_000 && dollars.abs_diff(bare) < 1_000, "{bare} {dollars} {paid}");
}

/// Writes papers into the folder that `DUNLIN_PAPERS` names, to be looked at with other programs; `DUNLIN_FONTS` names one with
/// fonts of other scripts. Does nothing where nobody asks for them.
#[test]
#[ignore = "writes files, for a person to look at"]
fn papers_to_look_at() {
    let Some(folder) = env::var_os("DUNLIN_PAPERS") else { return };
    let write = |name: String, desk: &Desk, layout: &str, kind: Kind| {
        fs::write(Path::new(&folder).join(name), desk.paper(layout, kind).unwrap().contents.bytes().unwrap()).unwrap();
    };
    for (layout, kind) in SHIPPED {
        for language in LANGUAGES {
            write(format!("{layout}.{language}.pdf"), &Desk::new(language, 19), layout, kind);
        }
        write(format!("{layout}-long.de.pdf"), &Desk::new("de", 90), layout, kind);
    }
    for (name, iban) in [("slip.pdf", "DE89370400440532013000"), ("slip-swiss.pdf", "CH5800791123000889012")] {
        write(name.to_owned(), &Desk::new("de", 5).paid_on(iban), "reminder", Kind::Reminder);
    }
    let Some(fonts) = env::var_os("DUNLIN_FONTS") else { return };
    for (language, name, number, font) in [
        ("ja", "東京商事株式会社 御中", "請求書", "ipag.ttf"),
        ("ar", "شركة القهوة الدولية", "فاتورة", "Amiri-Regular.ttf"),
        ("he", "חברת הקפה בע״מ", "חשבונית", "DejaVuSans.ttf"),
    ] {
        let title = match language {
            "ja" => {
                "お支払いのお願い：下記のご請求につきまして、お支払いがまだ確認できておりません。ご確認のうえ、お早めにお支払いくださいますようお願い申し上げます。"
            }
            "ar" => "تذكير بالدفع: لم نستلم بعد دفع الفواتير التالية. يرجى دفع {{ due_total }} الآن.",
            _ => "תזכורת תשלום: טרם קיבלנו תשלום עבור החשבוניות הבאות. נא לשלם {{ due_total }} בהקדם.",
        };
        let text = format!(
            "languages: [{language}]\ntitle: T\nfonts: [{{ regular: house.ttf }}]\nfooter: {{ left: \"{{{{ sender.name }}}}\", right: \"{{{{ page }}}} / {{{{ pages }}}}\" }}\nbody:\n  - address: {{ lines: \"{{{{ customer.name }}}}\", details: [{{ label: \"{number}\", value: \"{{{{ customer.id }}}}\" }}] }}\n  - heading: \"{number}\"\n  - paragraph: \"{title}\"\n  - table:\n      rows: items\n      columns:\n        - {{ title: \"{number}\", value: \"{number} {{{{ row.number }}}}\" }}\n        - {{ title: \"{number}\", value: \"{{{{ row.due_on }}}}\", width: 45 mm }}\n        - {{ title: \"{number}\", value: \"{{{{ row.open }}}}\", width: 35 mm, align: right }}\n      totals: [{{ label: \"{number}\", value: \"{{{{ total }}}}\", strong: true }}]\n"
        );
        let bytes = fs::read(Path::new(&fonts).join(font)).unwrap();
        let desk = Desk::of(name, language, (1..9).map(|n| format!("R-{n}"))).with("own", &text).beside("house.ttf", bytes);
        write(format!("own.{language}.pdf"), &desk, "own", Kind::Reminder);
    }
}
