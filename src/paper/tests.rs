//! Papers as a whole: what is read, what is refused, and what holds of every page whatever is on it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use minijinja::Value;
use proptest::prelude::*;

use crate::domain::id::Language;
use crate::paper::fault::PaperFault;
use crate::paper::flow::{Filling, Mark, Page};
use crate::paper::keys::KEYS;
use crate::paper::layout::{Block, Layout, Layouts};
use crate::paper::length::{Length, millimetres};
use crate::paper::line::Line;
use crate::paper::read::{LayoutFile, PaperFile, load};
use crate::paper::word::Shaper;
use crate::paper::{Imprint, Paper};
use crate::template::{KnownName, NameKind, Templates};
use crate::yaml;

const fn known(path: &'static str) -> KnownName {
    KnownName { path, kind: NameKind::Plain }
}

const KNOWN: &[KnownName] = &[
    known("customer"),
    known("customer.name"),
    known("items"),
    known("items[].number"),
    known("items[].text"),
    known("items[].open"),
    known("ageing"),
    known("ageing[].label"),
    known("ageing[].amount"),
    known("total"),
];

/// A picture of one pixel.
const PIXEL: &[u8] = include_bytes!("tests/pixel.png");

fn read(text: &str) -> (Layouts, Templates, Vec<String>) {
    let mut templates = Templates::load(Vec::new(), KNOWN).0;
    let file = LayoutFile { path: "rules/papers/p.yaml".into(), text: text.into() };
    let font = include_bytes!("fonts/LiberationSans-Regular.ttf").to_vec();
    let beside = [("logo.png", PIXEL.to_vec()), ("house.ttf", font), ("bad.ttf", vec![0; 9]), ("bad.png", PIXEL[..30].to_vec())];
    let beside = beside.map(|(path, bytes)| PaperFile { path: path.into(), bytes: bytes.into() });
    let (layouts, problems) = load(&[file], &beside, &mut templates, KNOWN);
    (layouts, templates, problems.iter().map(ToString::to_string).collect())
}

fn made(text: &str, values: &Value, language: &str) -> Result<Paper, PaperFault> {
    let (layouts, templates, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let layout = layouts.find("p").unwrap();
    let voice = templates.voice(layout.languages(), Some(&Language::new(language)));
    layout.make(&voice, values, &Imprint { id: "k", date: date(2027, 3, 31), author: "ACME", code: |_| None })
}

/// Returns the pages of a paper as they are before they are drawn.
fn pages(text: &str, values: &Value, language: &str) -> Result<Vec<Page>, PaperFault> {
    let (layouts, templates, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let layout = layouts.find("p").unwrap();
    let voice = templates.voice(layout.languages(), Some(&Language::new(language)));
    let mut shaper = Shaper::new(layout, voice.language());
    let mut all = Vec::new();
    layout.flow(&mut shaper, Filling { voice: &voice, values, code: |_| None }, &mut |page, _, _| {
        all.push(page);
        Ok(())
    })?;
    Ok(all)
}

fn values(rows: &[(String, String, String)]) -> Value {
    let item = |(number, text, open): &(String, String, String)| {
        Value::from_pairs([("number", number.as_str()), ("text", text.as_str()), ("open", open.as_str())])
    };
    let customer = Value::from_pairs([("name", "Harbour Coffee Ltd")]);
    Value::from_pairs([
        ("customer", customer),
        ("items", rows.iter().map(item).collect()),
        ("ageing", Value::from(Vec::<Value>::new())),
        ("total", Value::from("9,999.99")),
    ])
}

fn written(line: &Line) -> String {
    line.words.iter().map(|word| &*word.text).collect()
}

/// The texts of a page: where each begins, how wide it is, how far down it stands, and what it says.
fn texts(page: &Page) -> Vec<(Length, Length, Length, String)> {
    let text = |mark: &Mark| match mark {
        Mark::Text { x, y, line, .. } => Some((*x, line.width, *y, written(line))),
        Mark::Fill { .. } | Mark::Picture { .. } | Mark::Code { .. } => None,
    };
    page.marks.iter().filter_map(text).collect()
}

const WHOLE: &str = include_str!("tests/whole.yaml");

/// Returns the paths of all keys in a node, members of lists as `[]`.
fn paths(node: &yaml::Node, at: &str, found: &mut BTreeSet<String>) {
    match &node.value {
        yaml::Value::Map(entries) if !entries.iter().all(|entry| ["en", "de"].contains(&entry.key.as_str())) => {
            for entry in entries {
                let path = if at.is_empty() { entry.key.clone() } else { format!("{at}.{}", entry.key) };
                found.insert(path.clone());
                paths(&entry.value, &path, found);
            }
        }
        yaml::Value::List(members) => members.iter().for_each(|member| paths(member, &format!("{at}.[]"), found)),
        _ => {}
    }
}

#[test]
fn the_reader_knows_the_keys_of_the_table_and_no_others() {
    let (layouts, _, problems) = read(WHOLE);
    assert_eq!(problems, [""; 0]);
    assert!(layouts.find("p").is_some());
    let mut found = BTreeSet::new();
    paths(&yaml::parse("p.yaml", WHOLE).unwrap(), "", &mut found);
    let table: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(found, table, "the file with every key, and the table");
}

#[test]
fn every_problem_of_a_layout_is_told_at_its_place() {
    let (layouts, _, problems) = read(
        "languages: [en, de]
title: { en: T }
pge: a4
size: 40 pt
colours: { accent: red }
fonts: [{ regular: bad.ttf }, { regular: hous.ttf }]
footer: { right: '{{ pagse }}' }
body:
  - letterhead: { logo: bad.png }
  - heading: '{{ custmer.name }}'
  - paragraph: { en: a, de: b, fr: c }
  - table:
      rows: itms
      columns: []
  - table:
      rows: items
      columns:
        - { title: N, value: '{{ row.numbr }}', width: 150 mm }
        - { title: O, value: '{{ row.open', width: 60 mm }
  - slip: { code: 'of {{ total }}', details: [{ label: A, value: '{{ cod.amount }}' }] }
  - heading: x
    space: 5 mm
",
    );
    assert!(layouts.find("p").is_none());
    let expected = [
        "rules/papers/p.yaml:2:8: There is no text in `de`; add `de: …`; the layout has en, de",
        "rules/papers/p.yaml:3:1: Unknown field `pge`; did you mean `page`?",
        "rules/papers/p.yaml:4:7: `40 pt` is not a length allowed here",
        "rules/papers/p.yaml:5:20: `red` is not a colour; write red, green and blue: `\"#1a2b3c\"`",
        "rules/papers/p.yaml:6:20: `bad.ttf` is no font of the kinds TTF and OTF",
        "rules/papers/p.yaml:6:42: There is no file `hous.ttf` in `rules/papers`; did you mean `house.ttf`?",
        "rules/papers/p.yaml:7:22: Unknown name `pagse`",
        "rules/papers/p.yaml:9:25: The picture `bad.png` cannot be used",
        "rules/papers/p.yaml:10:18: Unknown name `custmer`; did you mean `customer`?",
        "rules/papers/p.yaml:11:32: `fr` is not a language of this layout; `languages` has en, de",
        "rules/papers/p.yaml:13:13: `itms` is not a list of mails; did you mean `items`?",
        "rules/papers/p.yaml:14:16: The table has 0 columns",
        "rules/papers/p.yaml:18:9: The columns want 210 mm at least, and the page has 165 mm between its margins",
        "rules/papers/p.yaml:18:34: Unknown name `row.numbr`; did you mean `row.number`?",
        "rules/papers/p.yaml:19:",
        "rules/papers/p.yaml:20:19: `of {{ total }}` is not one value in `{{ }}`; write `\"{{ payment_code_for(due_total, due_items) }}\"`",
        "rules/papers/p.yaml:20:70: Unknown name `cod`",
        "rules/papers/p.yaml:21:5: A part of the body has one key, this one has 2; begin a new part with `-`",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}\n  is not\n{expected}");
    }
}

const TABLE: &str = "
title: T
margins: { top: 20 mm, right: 20 mm, bottom: 20 mm, left: 20 mm }
footer: { right: '{{ page }} of {{ pages }}' }
body:
  - table:
      rows: items
      columns:
        - { title: Number of the invoice, value: '{{ row.number }}', width: 35 mm }
        - { title: Text, value: '{{ row.text }}' }
        - { title: Open, value: '{{ row.open }}', width: 30 mm, align: right }
      totals:
        - { label: Subtotal, value: '{{ total }}' }
        - { label: Total, value: '{{ total }}', strong: true }
";

fn columns(text: &str) -> Vec<(Length, Length)> {
    let (layouts, ..) = read(text);
    let Some(Layout { body, sheet, .. }) = layouts.find("p") else { panic!() };
    let Some(Block::Table(table)) = body.first() else { panic!() };
    let taken: Length = table.columns.iter().filter_map(|column| column.width).sum();
    let mut x = sheet.left;
    let stretch = table.columns.iter().map(|column| {
        let own = (x, x + column.width.unwrap_or(sheet.text_width() - taken));
        x = own.1;
        own
    });
    stretch.collect()
}

/// Holds the pages of [`TABLE`] against what must be true of each: nothing runs out of its column or page, titles stand on every
/// page, every row is whole and there once, and two rows at least stand where the totals do.
fn check_pages(rows: &[(String, String, String)], pages: &[Page]) {
    let columns = columns(TABLE);
    let mut numbers: Vec<String> = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        let texts = texts(page);
        assert!(texts.iter().any(|(.., text)| text.starts_with("Number of")), "page {index} has the titles");
        let mut on_page = 0;
        for (x, width, y, text) in &texts {
            assert!(*y <= millimetres(297 - 20), "{text:?} stands below the margin");
            let is_total = ["Subtotal", "Total", "9,999.99"].contains(&text.as_str());
            let is_within = columns.iter().any(|(left, right)| left <= x && x + width <= *right);
            assert!(is_total || is_within, "{text:?} at {x}, {width} wide, leaves its column");
            if text.starts_with('#') {
                numbers.push(text.clone());
                on_page += 1;
            }
        }
        if texts.iter().any(|(.., text)| text == "Total") {
            assert!(on_page >= rows.len().min(2), "the totals stand with {on_page} rows on page {index}");
            assert!(texts.iter().any(|(.., text)| text == "Subtotal"), "the totals stay together");
        }
    }
    let expected: Vec<String> = rows.iter().map(|(number, ..)| number.clone()).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn totals_never_stand_alone_whatever_the_number_of_rows() {
    // A page has room for some fifty rows.
    for count in (1..6).chain(38..64) {
        let rows: Vec<_> = (0..count).map(|n| (format!("#{n}"), "Coffee".to_owned(), format!("{n}.00"))).collect();
        check_pages(&rows, &pages(TABLE, &values(&rows), "en").unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_text_leaves_its_column_and_every_row_appears_once(
        rows in prop::collection::vec(("[a-zA-Z0-9/-]{0,12}", "[ -~äöüßéàñ€\u{a0}א-ת\u{300}]{0,160}", "-?[0-9]{1,40}[.][0-9]{2}"), 1..60)
    ) {
        let rows: Vec<_> = rows.into_iter().enumerate().map(|(n, (number, text, open))| (format!("#{n}{number}"), text.replace('#', ""), open)).collect();
        let short: Vec<_> = rows.iter().map(|(number, text, open)| (number.chars().take(9).collect::<String>(), text.clone(), open.clone())).collect();
        check_pages(&short, &pages(TABLE, &values(&short), "en").unwrap());
    }
}

#[test]
fn a_long_word_is_broken_and_a_sign_that_no_font_has_is_a_fault() {
    let row = |text: &str| values(&[("#1".into(), text.into(), "1.00".into())]);
    let long = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnungsentwurf".repeat(4);
    let found = pages(TABLE, &row(&long), "en").unwrap();
    let parts: String =
        texts(&found[0]).into_iter().map(|(.., text)| text).filter(|text| text.len() > 20 && !text.contains(' ')).collect();
    assert_eq!(parts, long);
    let fault = made(TABLE, &row("請求書"), "en").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "The layout `p` has no font for '請' (U+8ACB) in \"請求書\"; name one that has it under `fonts`"
    );
    for text in ["a\u{7}b", "tab\tstop", "soft\u{ad}hyphen", "\u{200f}", ""] {
        assert!(made(TABLE, &row(text), "en").is_ok(), "{text:?}");
    }
}

#[test]
fn a_mail_address_stays_in_one_line() {
    let row = |text: &str| values(&[("#1".into(), text.into(), "1.00".into())]);
    for fill in 0..30 {
        let found = pages(TABLE, &row(&format!("{} a-b@c-d.example, x-ray", "m".repeat(fill))), "en").unwrap();
        assert!(texts(&found[0]).iter().any(|(.., text)| text.contains("a-b@c-d.example")), "{fill}: {:?}", texts(&found[0]));
    }
}

#[test]
fn the_same_values_give_the_same_bytes_and_a_long_paper_is_as_one_that_is_kept() {
    let rows: Vec<_> = (0..1_800).map(|n| (format!("#{n}"), "Coffee".to_owned(), format!("{n}.00"))).collect();
    let long = made(TABLE, &values(&rows), "en").unwrap();
    assert!(long.page_count > 32, "{}", long.page_count);
    assert_eq!(long, made(TABLE, &values(&rows), "en").unwrap());
    let short = made(TABLE, &values(&rows[..30]), "en").unwrap();
    assert_eq!((short.page_count, short.name.as_str()), (1, "p.pdf"));
    assert_eq!(short, made(TABLE, &values(&rows[..30]), "en").unwrap());
    assert!(short.bytes.starts_with(b"%PDF-1.7"));
    assert!(short.bytes.len() < 40_000, "{} bytes", short.bytes.len());
}

#[test]
fn a_language_from_the_right_mirrors_the_page_and_orders_its_words() {
    let text = TABLE.replace("title: T\n", "title: T\nlanguages: [en, he]\n");
    let row = values(&[("#1".into(), "חשבונית 42 לתשלום".into(), "1.00".into())]);
    let (left, right) = (pages(&text, &row, "en").unwrap(), pages(&text, &row, "he").unwrap());
    let place = |pages: &[Page], wanted: &str| {
        let (x, width, ..) = texts(&pages[0]).into_iter().find(|(.., text)| text == wanted).unwrap();
        (x, width)
    };
    let ((x, width), (mirrored, _)) = (place(&left, "1.00"), place(&right, "1.00"));
    assert_eq!(mirrored, millimetres(210) - x - width, "what stood at the right edge stands at the left one");
    let words = texts(&right[0]).into_iter().find(|(.., text)| text.contains("42")).unwrap().3;
    assert_eq!(words, "לתשלום 42 חשבונית", "the first word stands on the right");
}

#[test]
fn a_column_without_a_title_is_left_out_and_the_others_take_its_room() {
    let text = TABLE
        .replace("title: Text, value: '{{ row.text }}'", "title: \"{{ 'Text' if total else '' }}\", value: '{{ row.text }}'");
    let text = text.replace("title: Number of the invoice", "title: '{% if not total %}Number{% endif %}'");
    let row = values(&[("#1".into(), "Coffee".into(), "1.00".into())]);
    let found = texts(&pages(&text, &row, "en").unwrap()[0]);
    let first = found.iter().find(|(.., text)| text == "Coffee").unwrap();
    assert_eq!(first.0, millimetres(20 + 1), "the text stands where the number would");
    assert!(found.iter().all(|(.., text)| text != "#1"));
}

#[test]
fn an_empty_list_leaves_its_table_out_and_a_missing_one_is_a_fault() {
    let found = pages(TABLE, &values(&[]), "en").unwrap();
    assert_eq!((found.len(), texts(&found[0]).len()), (1, 0));
    let nothing = Value::from(BTreeMap::<&str, &str>::new());
    let fault = made(TABLE, &nothing, "en").unwrap_err();
    assert_eq!(fault.to_string(), "rules/papers/p.yaml:7:7: this mail has no `items`");
    let fault =
        made(&TABLE.replace("row.text", "customer.name.x"), &values(&[("#1".into(), String::new(), String::new())]), "en");
    let told = fault.unwrap_err().to_string();
    assert!(told.starts_with("rules/papers/p.yaml:10:33: `customer.name.x` is not defined"), "{told}");
}
