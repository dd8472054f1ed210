//! The shipped templates, all of them in all their languages: what a customer reads, in HTML and without it.

use std::collections::BTreeSet;

use dunlin::domain::id::{Language, TemplateName};
use dunlin::domain::statement::{StatementForm, StatementLayout};
use dunlin::message::Composed;
use rust_decimal::dec;

use crate::{Setting, Tells, shipped, shipped_files};

const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];

/// How many characters a subject may have so that mail programs show it whole, or all that matters of it.
const SUBJECT_SHOWN: usize = 78;

/// Every template with the kind of mail it is for.
const TEMPLATES: [(&str, Tells); 8] = [
    ("upcoming", Tells::Reminder),
    ("first", Tells::Reminder),
    ("second", Tells::Reminder),
    ("final", Tells::Reminder),
    ("statement", Tells::Statement(dec!(0))),
    ("invoice", Tells::Invoice),
    ("receipt", Tells::Receipt),
    ("portal", Tells::Invoice),
];

/// Composes every template in every language for every customer, with all their items and with one alone.
fn each(mut look: impl FnMut(&str, &Composed)) {
    let templates = shipped();
    for (template, tells) in TEMPLATES {
        for language in LANGUAGES {
            for customer in ["C-1", "C-2", "C-3"] {
                // A statement is looked at in each form, a mail about items with one and with all of them.
                let forms = StatementForm::WORDS.map(|(_, form)| (form, usize::MAX));
                let counts = [1, usize::MAX].map(|items_max| (StatementForm::OpenItem, items_max));
                let cases = if template == "statement" { &forms[..] } else { &counts[..] };
                for (form, items_max) in cases.iter().copied() {
                    let about = format!("{template} in {language} for {customer}, {form:?}, {items_max} items at most");
                    let layout = StatementLayout { form, ..StatementLayout::default() };
                    let setting =
                        Setting { tells, layout, language: Some(language), items_max, ..Setting::new(customer, template) };
                    let composed = setting.compose(&templates).unwrap_or_else(|fault| panic!("{about}: {fault}"));
                    assert_eq!(composed.language.as_str(), language, "{about}");
                    look(&about, &composed);
                }
            }
        }
    }
}

#[test]
fn every_template_is_there_in_every_language() {
    let templates = shipped();
    let names: BTreeSet<&str> = templates.names().map(TemplateName::as_str).collect();
    assert_eq!(names, TEMPLATES.iter().map(|(name, _)| *name).collect());
    for (name, _) in TEMPLATES {
        for language in LANGUAGES {
            let choice = templates.choose(&TemplateName::new(name), Some(&Language::new(language))).unwrap();
            assert_eq!(choice.language().as_str(), language, "{name}");
        }
    }
}

#[test]
fn the_text_has_every_figure_that_the_html_has() {
    // What the text cannot keep narrow is a space at which no line ends all the same.
    let figures = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| c.is_whitespace() && c != '\u{a0}' && c != '\u{202f}');
        let words = words.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && !"€$-".contains(c)).to_owned());
        words.filter(|word| word.contains(|c: char| c.is_ascii_digit())).collect()
    };
    each(|about, mail| {
        let html = mail.html.as_ref().unwrap();
        let body = html.split_once("</head>").unwrap().1;
        let mut words = String::new();
        for piece in body.split('<').skip(1) {
            words.push(' ');
            words.push_str(piece.split_once('>').unwrap().1);
        }
        let words = words.replace("&#x2f;", "/").replace("&amp;", "&").replace('\u{202f}', "\u{a0}");
        let missing: Vec<String> = figures(&words).difference(&figures(&mail.text)).cloned().collect();
        assert!(missing.is_empty(), "{about}: the text lacks {missing:?}:\n{}", mail.text);
    });
}

#[test]
fn nothing_is_empty_and_every_subject_is_short_enough() {
    each(|about, mail| {
        let length = mail.subject.chars().count();
        assert!((10..=SUBJECT_SHOWN).contains(&length), "{about}: {length} characters: {}", mail.subject);
        let words = mail.text.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        for gap in [" ,", " .", "()", "<>", "None", "none,", "undefined", "{", "}", "““", "„“", "«\u{a0}\u{a0}»", "«»", "( "]
        {
            assert!(!words.contains(gap), "{about}: `{gap}` in {}", mail.text);
            assert!(!mail.subject.contains(gap), "{about}: `{gap}` in {}", mail.subject);
        }
        let lines = mail.text.lines().filter(|line| !line.contains("https://")).map(|line| line.chars().count());
        assert!(lines.max() <= Some(78), "{about}:\n{}", mail.text);
        assert!(!mail.text.contains(['─', '│', '━', '|']), "{about}: rules in\n{}", mail.text);
    });
}

#[test]
fn french_and_spanish_follow_their_own_rules() {
    each(|about, mail| {
        let whole = format!("{}\n{}", mail.subject, mail.text);
        let words = whole.split_inclusive([' ', '\n']).filter(|word| !word.contains("://"));
        let whole: String = words.collect();
        if about.contains(" in fr ") {
            let letters: Vec<char> = whole.chars().collect();
            for (at, sign) in letters.iter().enumerate().filter(|(_, c)| ":;!?»".contains(**c)) {
                assert!(['\u{a0}', '\u{202f}'].contains(&letters[at - 1]), "{about}: `{sign}` without its space in {whole}");
            }
            assert!(!whole.contains('\''), "{about}: a straight apostrophe in {whole}");
        }
        if about.contains(" in es ") {
            assert_eq!(whole.matches('¿').count(), whole.matches('?').count(), "{about}: {whole}");
            assert_eq!(whole.matches('¡').count(), whole.matches('!').count(), "{about}: {whole}");
        }
    });
}

#[test]
fn each_language_counts_in_its_own_forms() {
    let templates = shipped();
    for (language, one, many) in [
        ("en", "the following invoice is still open", "the following invoices are still open"),
        ("de", "Zu der folgenden Rechnung", "Zu den folgenden Rechnungen"),
        ("fr", "la facture suivante n’a pas encore été réglée", "les factures suivantes n’ont pas encore été réglées"),
        ("es", "la siguiente factura sigue pendiente", "las siguientes facturas siguen pendientes"),
    ] {
        for (items_max, expected) in [(1, one), (2, many)] {
            let setting = Setting { language: Some(language), items_max, ..Setting::new("C-1", "first") };
            let text = setting.compose(&templates).unwrap().text.replace('\n', " ");
            assert!(text.contains(expected), "{text}");
        }
    }
}

#[test]
fn every_shipped_template_can_be_read_in_the_dark_and_on_a_telephone() {
    let layout = shipped_files().into_iter().find(|file| file.path.ends_with("_layout.html")).unwrap().text;
    for part in ["name=\"viewport\"", "name=\"color-scheme\"", "@media (max-width: 520px)", "@media (prefers-color-scheme: dark)"]
    {
        assert!(layout.contains(part), "{part}");
    }
    each(|about, mail| assert!(mail.html.as_ref().unwrap().contains("@media (prefers-color-scheme: dark)"), "{about}"));
}
