//! Templates as their authors meet them: what loading complains of, what filling prints, what stops them.

use std::sync::Arc;

use super::*;
use crate::domain::id::{Language, TemplateName};
use crate::domain::money::{Currency, Money};
use crate::domain::problem::{Problem, Severity};
use minijinja::{Value, context};
use rust_decimal::dec;

const NAMES: &[KnownName] = &[
    KnownName { path: "customer", kind: NameKind::Plain },
    KnownName { path: "customer.name", kind: NameKind::Plain },
    KnownName { path: "customer.attributes.*", kind: NameKind::Plain },
    KnownName { path: "items", kind: NameKind::Plain },
    KnownName { path: "items[].open", kind: NameKind::Money },
    KnownName { path: "total", kind: NameKind::Money },
    KnownName { path: "as_of", kind: NameKind::Date },
    KnownName { path: "vars.*", kind: NameKind::Plain },
];

fn load(files: &[(&str, &str)]) -> (Templates, Vec<String>) {
    let files = files.iter().map(|(name, text)| TemplateFile { path: format!("rules/templates/{name}"), text: (*text).into() });
    let (templates, problems) = Templates::load(files.collect(), NAMES);
    (templates, problems.iter().map(Problem::to_string).collect())
}

/// Loads one template `a` with this HTML and fills it for an English reader.
fn fill(html: &str, context: &Value) -> Result<Rendered, String> {
    let (templates, problems) = load(&[("a.subject.txt", "S"), ("a.html", html)]);
    assert_eq!(problems, Vec::<String>::new(), "{html}");
    render(&templates, None, context)
}

fn filled(choice: &Choice<'_>, context: &Value) -> Result<Rendered, TemplateFault> {
    choice.render(context, &choice.album("k@acme.example"))
}

fn render(templates: &Templates, language: Option<&str>, context: &Value) -> Result<Rendered, String> {
    let choice = templates.choose(&TemplateName::new("a"), language.map(Language::new).as_ref());
    choice.and_then(|choice| filled(&choice, context)).map_err(|fault| fault.to_string())
}

#[test]
fn every_problem_of_every_file_is_told_with_its_place_and_the_way_out() {
    let (_, problems) = load(&[
        ("_layout.html", "<p>{{ heading }}</p>\n{% block body %}{% endblock %}"),
        ("bad.html", "{% extends \"_layuot.html\" %}\n{{ custmer.name }} {{ customer.nmae }}\n  {{ total|mony }}{% if x %}"),
        ("bad.subject.txt", "{% if total is abov(100) or total > 100 %}{{ pay_by }}{% endif %}"),
        ("broken.txt", "a\n{% for x in %}"),
        ("broken.subject.txt", "S"),
        ("lonely.de.html", "x"),
        ("mute.subject.txt", "{% set heading = 'x' %}S"),
        ("new.mjml", "<mjml/>"),
        ("notes.md", "x"),
        ("old.german.html", "x"),
    ]);
    assert_eq!(
        problems,
        [
            "rules/templates/bad.html:1:12: Template file `_layuot.html` is not there; did you mean `_layout.html`?",
            "rules/templates/bad.html:3:12: Unknown filter `mony`; did you mean `money`?",
            "rules/templates/bad.html:3:27: Unexpected end of input, expected end of block",
            "rules/templates/bad.subject.txt:1:16: Unknown test `abov`; did you mean `above`?",
            "rules/templates/bad.subject.txt:1:35: `total` cannot be compared with `>`; \
             `is above(100)` and `is below(100)` compare amounts exactly",
            "rules/templates/bad.subject.txt:1:46: Unknown name `pay_by`; what the rule's script returns is `vars.pay_by`",
            "rules/templates/broken.txt:2:13: Unexpected end of block",
            "rules/templates/lonely.de.html: Template `lonely.de` has no subject; add `lonely.de.subject.txt` with one line",
            "rules/templates/mute.subject.txt: Template `mute` has a subject but no text; add `mute.html`, `mute.mjml` or `mute.txt`",
            "rules/templates/new.mjml: Template `new` has no subject; add `new.subject.txt` with one line",
            "rules/templates/notes.md: `notes.md` is not a template and is left alone; \
             templates end in `.subject.txt`, `.html`, `.mjml` or `.txt`",
            "rules/templates/old.german.html: `german` in `old.german.html` is not a language tag; \
             write it like `first.de.html` or `first.pt-br.html`",
        ]
    );
}

#[test]
fn names_filters_and_files_are_looked_up_when_a_template_loads() {
    for (html, expected) in [
        ("{% extends \"_layuot.html\" %}", "1:12: Template file `_layuot.html` is not there; did you mean `_layout.html`?"),
        ("\n  {{ custmer.name }}", "2:6: Unknown name `custmer`; did you mean `customer`?"),
        ("{{ customer.nmae }}", "1:4: Unknown name `customer.nmae`; did you mean `customer.name`?"),
        ("{{ total | mony }}", "1:12: Unknown filter `mony`; did you mean `money`?"),
        (
            "{% for item in items %}{{ items if item.open >= 5 }}{% endfor %}",
            "1:46: `open` cannot be compared with `>=`; \
             `is above(100)` and `is below(100)` compare amounts exactly",
        ),
        (
            "{% set limit = 5 %}{{ customer.name if total<limit }}",
            "1:45: `total` cannot be compared with `<`; \
             `is above(100)` and `is below(100)` compare amounts exactly",
        ),
        (
            "{{ total == as_of }}",
            "1:10: `total` cannot be compared with `==`; \
             `is above(100)` and `is below(100)` compare amounts exactly",
        ),
        (
            "{{ vars.limit >= 100 }}",
            "1:15: `limit` cannot be compared with `>=`; \
             `is above(100)` and `is below(100)` compare amounts exactly",
        ),
        (
            "{{ items|selectattr('open', 'gt', 100)|list }}",
            "1:29: `open` cannot be compared with `gt`; \
             `is above(100)` and `is below(100)` compare amounts exactly",
        ),
        (
            "{{ 5 < total.amount }}",
            "1:6: `amount` cannot be compared with `<`; \
             `is above(100)` and `is below(100)` compare amounts exactly",
        ),
        (
            "{{ as_of == '2027-03-08' }}",
            "1:10: `as_of` cannot be compared with `==`; \
             `is after(\"2027-03-08\")` and `is before(…)` compare dates",
        ),
    ] {
        let (_, problems) = load(&[("_layout.html", ""), ("a.subject.txt", "S"), ("a.html", html)]);
        assert_eq!(problems, [format!("rules/templates/a.html:{expected}")], "{html}");
    }
}

#[test]
fn what_is_right_has_no_problem() {
    for html in [
        "{{ customer.attributes.region }}{{ vars.anything }}{{ customer }}",
        "{% for item in items %}{{ loop.index }}{{ item.open }}{{ item.anything }}{% else %}none{% endfor %}",
        "{% set x = 1 %}{{ x }}{% macro m(a) %}{{ a }}{% endmacro %}{{ m(2) }}{% from '_parts.html' import part %}{{ part }}",
        "{% extends '_parts.html' %}{% block b %}{{ super() }}{% endblock %}",
        "{% if total is not above(100) and total > total %}{{ range(3)|join(', ') }}{% endif %}",
        "{{ items|selectattr('open', 'above', 100)|list }}{{ vars.kind == 'x' }}{{ items|length > 1 }}",
        "{% raw %}{{ nothing|nothing }}{% endraw %}{# {{ nothing }} #}{{ 'a|nothing > 5' }}",
    ] {
        let files = [("_parts.html", "{% set part = 1 %}{% block b %}{% endblock %}"), ("a.subject.txt", "S"), ("a.html", html)];
        assert_eq!(load(&files).1, Vec::<String>::new(), "{html}");
    }
}

#[test]
fn a_problem_carries_the_line_and_how_much_of_it_to_underline() {
    let files = vec![TemplateFile { path: "a.txt".into(), text: "x\n{{ custmer.name }}!".into() }];
    let (_, problems) = Templates::load(files, NAMES);
    let place = problems.iter().find_map(|problem| problem.place.clone().filter(|place| place.line > 0)).unwrap();
    assert_eq!((place.line, place.column, place.width, place.text.as_str()), (2, 4, 7, "{{ custmer.name }}!"));
}

#[test]
fn two_files_of_one_name_are_a_problem() {
    let file = |path: &str| TemplateFile { path: path.into(), text: String::new() };
    let (_, problems) = Templates::load(vec![file("rules/templates/_a.html"), file("plugins/x/_a.html")], NAMES);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Error);
    assert_eq!(problems[0].to_string(), "plugins/x/_a.html: `_a.html` is there twice; the other is `rules/templates/_a.html`");
}

#[test]
fn a_mail_keeps_to_one_language() {
    let (templates, problems) = load(&[
        ("a.subject.txt", "Reminder"),
        ("a.txt", "Hello {{ '5'|money('EUR') }}"),
        ("a.de.subject.txt", "Erinnerung"),
        ("a.de.html", "Hallo {{ '5'|money('EUR') }}"),
        ("a.de-at.subject.txt", "Erinnerung"),
        ("a.de-at.txt", "Servus {{ '5'|money('EUR') }}"),
    ]);
    assert_eq!(problems, Vec::<String>::new());
    for (language, subject, text) in [
        (None, "Reminder", "Hello €5.00"),
        (Some("en"), "Reminder", "Hello €5.00"),
        (Some("fr"), "Reminder", "Hello €5.00"),
        (Some("de"), "Erinnerung", "Hallo 5,00\u{a0}€\n"),
        (Some("DE-CH"), "Erinnerung", "Hallo €\u{a0}5.00\n"),
        (Some("de-at"), "Erinnerung", "Servus €\u{a0}5,00"),
        (Some("den"), "Reminder", "Hello €5.00"),
    ] {
        let rendered = render(&templates, language, &context! {}).unwrap();
        assert_eq!((rendered.subject.as_str(), rendered.text.as_str()), (subject, text), "{language:?}");
    }
}

#[test]
fn templates_without_a_tag_are_in_the_language_one_says() {
    let (templates, _) = load(&[("a.subject.txt", "Erinnerung"), ("a.txt", "{{ '5'|money('EUR') }}")]);
    let rendered = render(&templates.with_language(Language::new("de")), None, &context! {}).unwrap();
    assert_eq!((rendered.text.as_str(), rendered.language.as_str()), ("5,00\u{a0}€", "de"));
}

#[test]
fn a_template_that_is_not_there_is_named() {
    let (templates, _) = load(&[("first.de.subject.txt", "S"), ("first.de.txt", "T")]);
    let fault = |name, language| {
        templates.choose(&TemplateName::new(name), Some(&Language::new(language))).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(fault("frist", "de"), "There is no template `frist`; did you mean `first`?");
    assert_eq!(
        fault("first", "fr"),
        "Template `first` exists neither in `fr` nor without a language; \
         add `first.html` and `first.subject.txt` for everybody else"
    );
}

#[test]
fn an_undefined_value_is_an_error_wherever_it_stands() {
    let context = context! { customer => context! { name => "N" }, items => vec![context! {}], vars => context! {} };
    for (html, expected) in [
        ("\n<p>{{ customer.attributes.region }}", "2:7: `customer.attributes.region` is not defined"),
        ("{{ vars.pay_by }}", "1:4: `vars.pay_by` is not defined"),
        ("{% if vars.pay_by %}x{% endif %}", "1:7: `vars.pay_by` is not defined"),
        ("{% for item in items %}{{ item.numbr }}{% endfor %}", "1:27: `item.numbr` is not defined"),
    ] {
        let expected = format!("rules/templates/a.html:{expected}; a column that may be missing is asked for with `is defined`");
        assert_eq!(fill(html, &context), Err(expected), "{html}");
    }
    assert_eq!(fill("{% if vars.pay_by is defined %}x{% endif %}y", &context).unwrap().html.unwrap(), "y");
}

#[test]
fn a_fault_in_a_layout_is_told_where_it_is() {
    let files = [("_l.html", "<b>\n{{ vars.x }}</b>"), ("a.subject.txt", "S"), ("a.html", "{% include '_l.html' %}")];
    let (templates, _) = load(&files);
    let fault = render(&templates, None, &context! { vars => context! {} }).unwrap_err();
    assert!(fault.starts_with("rules/templates/_l.html:2:4: `vars.x` is not defined"), "{fault}");
}

#[test]
fn html_is_escaped_and_subject_and_text_are_not() {
    let (templates, _) = load(&[
        ("a.subject.txt", "{{ customer.name }}"),
        ("a.html", "<p>{{ customer.name }}</p>"),
        ("b.subject.txt", "S"),
        ("b.txt", "{{ customer.name }}"),
    ]);
    let context = context! { customer => context! { name => "<b>A & B</b>" } };
    let rendered = render(&templates, None, &context).unwrap();
    assert_eq!(
        (rendered.subject.as_str(), rendered.html.as_deref(), rendered.text.as_str()),
        ("<b>A & B</b>", Some("<p>&lt;b&gt;A &amp; B&lt;&#x2f;b&gt;</p>"), "<b>A & B</b>\n")
    );
    let text = filled(&templates.choose(&TemplateName::new("b"), None).unwrap(), &context).unwrap();
    assert_eq!((text.html, text.text.as_str()), (None, "<b>A & B</b>"));
}

#[test]
fn a_subject_is_one_line_of_printable_text() {
    for (subject, expected) in [
        ("  Reminder \n", Ok("Reminder")),
        ("", Err("The subject is empty; a subject has one line of text")),
        (
            "a\nBcc: x@y.example",
            Err("The subject has more than one line: \"a\\nBcc: x@y.example\"; a subject has one line of text"),
        ),
        ("a\u{7}b", Err("The subject \"a\\u{7}b\" has the control character '\\u{7}'; look at the values it was filled with")),
        ("a\u{85}b", Err("The subject \"a\\u{85}b\" has the control character '\\u{85}'; look at the values it was filled with")),
        (&"x".repeat(401), Err("The subject has 401 characters, more than 400; mail readers show about 70")),
    ] {
        let (templates, _) = load(&[("a.subject.txt", "{{ vars.subject }}"), ("a.txt", "T")]);
        let rendered = render(&templates, None, &context! { vars => context! { subject } });
        let expected = expected.map(str::to_owned).map_err(|fault| format!("rules/templates/a.subject.txt:1: {fault}"));
        assert_eq!(rendered.map(|rendered| rendered.subject), expected);
    }
}

#[test]
fn work_depth_and_size_are_bounded() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    assert_eq!(
        fill(nested, &context! {}).unwrap_err(),
        "rules/templates/a.html:1: The template takes more than 2000000 steps; a loop may be endless"
    );
    let endless = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    assert_eq!(fill(endless, &context! {}).unwrap_err(), "rules/templates/a.html:1:19: The template calls itself too deeply");
    let big = context! { vars => context! { text => "x".repeat(1_000_000) } };
    assert_eq!(
        fill("{% for a in range(6) %}{{ vars.text }}{% endfor %}", &big).unwrap_err(),
        "The template writes more than 5 MiB; a loop may be endless"
    );
    let (_, problems) = load(&[("_a.html", &"x".repeat(TEMPLATE_BYTES_MAX + 1))]);
    assert_eq!(problems, ["rules/templates/_a.html: `_a.html` has 1048577 bytes, more than 1048576"]);
}

#[test]
fn amounts_and_dates_compare_exactly_and_print_for_their_reader() {
    let (templates, problems) = load(&[
        ("a.subject.txt", "S"),
        (
            "a.txt",
            "{{ total }} {{ total.amount }} {{ total.currency }} {{ total|amount }} {{ total is above(1234.49) }} \
             {{ total is above('1234.50') }} {{ total is below(items[0].open) }} {{ as_of }} {{ as_of.iso }} \
             {{ as_of|date_short }} {{ as_of is before('2027-03-09') }} {{ items|map(attribute='open')|sort|join('; ') }}",
        ),
    ]);
    assert_eq!(problems, Vec::<String>::new());
    let choice = templates.choose(&TemplateName::new("a"), Some(&Language::new("en"))).unwrap();
    let money = |amount| money_value(Money { amount, currency: Currency::parse("EUR").unwrap() }, choice.reader());
    let context = context! {
        total => money(dec!(1234.5)),
        items => vec![context! { open => money(dec!(10000)) }, context! { open => money(dec!(9)) }],
        as_of => date_value(jiff::civil::date(2027, 3, 8), choice.reader()),
    };
    assert_eq!(
        filled(&choice, &context).unwrap().text,
        "€1,234.50 1234.50 EUR 1,234.50 True False True 8 March 2027 2027-03-08 8 Mar 2027 True €9.00; €10,000.00"
    );
}

#[test]
fn amounts_of_two_currencies_are_never_compared() {
    let (templates, _) = load(&[("a.subject.txt", "S"), ("a.txt", "{{ total is above(items[0].open) }}")]);
    let choice = templates.choose(&TemplateName::new("a"), None).unwrap();
    let money = |code| money_value(Money { amount: dec!(5), currency: Currency::parse(code).unwrap() }, choice.reader());
    let context = context! { total => money("EUR"), items => vec![context! { open => money("USD") }] };
    let fault = filled(&choice, &context).unwrap_err();
    assert_eq!(fault.message, "Amounts in EUR and USD cannot be compared");
    assert_eq!(fault.place.map(|place| (place.line, place.column)), Some((1, 13)));
}

#[test]
fn amounts_are_never_added_as_floats() {
    for template in ["{{ total + total }}", "{{ total * 2 }}", "{{ [total]|sum }}", "{{ total|round }}", "{{ total|float }}"] {
        let (templates, problems) = load(&[("a.subject.txt", "S"), ("a.txt", template)]);
        assert_eq!(problems, Vec::<String>::new());
        let choice = templates.choose(&TemplateName::new("a"), None).unwrap();
        let total = money_value(Money { amount: dec!(5), currency: Currency::parse("EUR").unwrap() }, choice.reader());
        assert!(filled(&choice, &context! { total }).is_err(), "{template}");
    }
}

#[test]
fn any_text_can_be_loaded() {
    use proptest::prelude::*;
    let piece = prop_oneof![
        Just("{{".to_owned()),
        Just("}}".into()),
        Just("{%".into()),
        Just("%}".into()),
        Just("{#".into()),
        Just("\"".into()),
        Just("raw".into()),
        Just("|".into()),
        Just(" is ".into()),
        Just(">".into()),
        Just("total".into()),
        Just("for x in ".into()),
        ".{0,4}",
    ];
    proptest!(|(pieces in prop::collection::vec(piece, 0..20))| {
        load(&[("a.html", &pieces.concat())]);
    });
}

#[test]
fn a_lent_filter_is_known_when_templates_load_and_gives_values_in_the_readers_convention() {
    use crate::domain::variable::Variable;
    let lent = |name: &str, call: LentCall| LentFilter { name: name.into(), call };
    let filters = vec![
        lent("same", std::sync::Arc::new(|values: &[Variable]| Ok(Variable::List(values.to_vec())))),
        lent("broken", std::sync::Arc::new(|_: &[Variable]| Err("It does not work".into()))),
    ];
    let file = |name: &str, text: &str| TemplateFile { path: format!("rules/templates/{name}"), text: text.into() };
    let text =
        "{{ as_of|same|first }} {{ total|same|first }} {{ 1.5|same|first }} {{ 'a'|same(as_of, 7, none, true, [1])|length }}";
    let files = vec![file("a.subject.txt", "S"), file("a.de.subject.txt", "S"), file("a.txt", text), file("a.de.txt", text)];
    let (templates, problems) = Templates::load_with(files, vec![], NAMES, filters.clone());
    assert_eq!(problems, []);
    for (language, expected) in [("en", "8 March 2027 €1,234.50 1.5 6"), ("de", "8. März 2027 1.234,50\u{a0}€ 1,5 6")] {
        let language = Language::new(language);
        let choice = templates.choose(&TemplateName::new("a"), Some(&language)).unwrap();
        let money = Money { amount: dec!(1234.5), currency: Currency::parse("EUR").unwrap() };
        let values = context! {
            as_of => date_value(jiff::civil::date(2027, 3, 8), choice.reader()),
            total => money_value(money, choice.reader()),
        };
        assert_eq!(filled(&choice, &values).unwrap().text, expected);
    }
    let files = vec![file("a.subject.txt", "S"), file("a.txt", "x\n{{ 1|broken }}")];
    let (templates, _) = Templates::load_with(files, vec![], NAMES, filters);
    let fault = render(&templates, None, &context! {}).unwrap_err();
    assert!(fault.starts_with("rules/templates/a.txt:2:") && fault.contains("It does not work"), "{fault}");
    let (_, problems) = Templates::load_with(
        vec![file("_a.txt", "{{ 1|sme }}")],
        vec![],
        NAMES,
        vec![lent("same", std::sync::Arc::new(|_| Ok(Variable::Nothing)))],
    );
    assert_eq!(problems[0].to_string(), "rules/templates/_a.txt:1:6: Unknown filter `sme`; did you mean `same`?");
}

fn logo() -> Vec<ImageFile> {
    vec![ImageFile { path: "rules/templates/logo.png".into(), bytes: b"\x89PNG\r\n\x1a\nlogo".as_slice().into() }]
}

/// Loads one template `a` with this HTML beside the image `logo.png`.
fn load_beside_logo(html: &str) -> (Templates, Vec<String>) {
    let file = |name: &str, text: &str| TemplateFile { path: format!("rules/templates/{name}"), text: text.into() };
    let files = vec![file("a.subject.txt", "S"), file("a.html", html)];
    let (templates, problems) = Templates::load_with(files, logo(), NAMES, vec![]);
    (templates, problems.iter().map(Problem::to_string).collect())
}

#[test]
fn a_file_with_errors_is_not_said_to_be_missing() {
    let file = |name: &str, text: &str| TemplateFile { path: format!("rules/templates/{name}"), text: text.into() };
    let broken = ImageFile { path: "rules/templates/logo.png".into(), bytes: b"GIF89a".as_slice().into() };
    let files = [
        ("_l.html", "{% block a %}"),
        ("a.html", "{% extends \"_l.html\" %}"),
        ("b.html", "<img alt=x src=\"{{ image('logo.png') }}\">"),
        ("c.html", "x"),
    ];
    let mut files: Vec<TemplateFile> = files.iter().map(|(name, text)| file(name, text)).collect();
    files.extend(["a", "b", "c"].map(|name| file(&format!("{name}.subject.txt"), "S")));
    let (templates, problems) = Templates::load_with(files, vec![broken], NAMES, vec![]);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(told.len() == 2 && !told.iter().any(|told| told.contains("not there")), "{told:?}");
    assert_eq!(["a", "b", "c"].map(|name| templates.is_whole(&TemplateName::new(name))), [false, false, true]);
    let choice = templates.choose(&TemplateName::new("a"), None).unwrap();
    let album = choice.album("k@acme.example");
    let fault = choice.render(&context! {}, &album).unwrap_err().to_string();
    assert!(fault.contains("Template file `_l.html` has errors"), "{fault}");
}

#[test]
fn an_image_that_is_missing_or_says_nothing_is_told_when_templates_load() {
    for (html, expected) in [
        ("<img src=\"{{ image('logo.png') }}\" alt=\"ACME > all\">", vec![]),
        ("<img alt='' src={{ image('logo.png') }}>", vec![]),
        ("<td background=\"{{ image('logo.png') }}\">x</td>", vec![]),
        (
            "<p>\n<img src=\"{{ image('logo.png') }}\" width=10>",
            vec![
                "rules/templates/a.html:2:14: The image has no text for those who do not see it; \
                 write `alt=\"…\"` with what it shows, or `alt=\"\"` where it only decorates",
            ],
        ),
        (
            "<img alt=x src=\"{{ image('lgoo.png') }}\">",
            vec!["rules/templates/a.html:1:26: Image `lgoo.png` is not there; did you mean `logo.png`?"],
        ),
    ] {
        assert_eq!(load_beside_logo(html).1, expected, "{html}");
    }
    let (_, problems) = load(&[("a.subject.txt", "{{ image('x.png') }}"), ("a.txt", "x")]);
    assert_eq!(problems, ["rules/templates/a.subject.txt:1:4: Only HTML can show an image; take it out of the text"]);
    let twice = [logo(), logo()].concat();
    let (_, problems) = Templates::load_with(vec![], twice, NAMES, vec![]);
    assert_eq!(problems[0].to_string(), "rules/templates/logo.png: `logo.png` is there twice");
}

#[test]
fn an_image_is_shown_once_however_often_it_is_named_and_within_limits() {
    let made = |name: &str, bytes: usize| {
        let bytes: Arc<[u8]> = [b"GIF89a".as_slice(), &vec![0; bytes]].concat().into();
        image_value(name, "Pay <b>now</b>".into(), Value::UNDEFINED, bytes, Arc::clone)
    };
    let html =
        "{% macro m() %}{{ image('logo.png') }}{% endmacro %}{{ image(made) }} {{ m() }} {{ image('logo.png') }} {{ made.alt }}";
    let (templates, problems) =
        load_beside_logo(&html.replace("image(made)", "image(vars.made)").replace("made.alt", "vars.made.alt"));
    assert_eq!(problems, Vec::<String>::new());
    let choice = templates.choose(&TemplateName::new("a"), None).unwrap();
    let fill = |made: Vec<Value>| {
        let album = choice.album("k@acme.example");
        let vars = context! { made => made[0].clone(), all => made };
        choice.render(&context! { vars, image => album.value() }, &album)
    };
    let rendered = fill(vec![made("code.gif", 0)]).unwrap();
    assert_eq!(
        rendered.html.unwrap(),
        "cid:image-1.k@acme.example cid:image-2.k@acme.example cid:image-2.k@acme.example Pay &lt;b&gt;now&lt;&#x2f;b&gt;"
    );
    let shown: Vec<(&str, &str)> =
        rendered.images.iter().map(|shown| (shown.content_id.as_str(), shown.image.name.as_str())).collect();
    assert_eq!(shown, [("image-1.k@acme.example", "code.gif"), ("image-2.k@acme.example", "logo.png")]);

    let (templates, _) = load_beside_logo("{% for made in vars.all %}{{ image(made) }}{% endfor %}");
    let choice = templates.choose(&TemplateName::new("a"), None).unwrap();
    for (count, bytes, expected) in [
        (IMAGES_MAX, 0, None),
        (IMAGES_MAX + 1, 0, Some("The mail shows more than 10 images")),
        (3, IMAGE_BYTES_MAX - 10, Some("The images of the mail have more than 1048576 bytes together")),
        (1, IMAGE_BYTES_MAX, Some("`c0.gif` has 524294 bytes, more than 524288")),
    ] {
        let album = choice.album("k@acme.example");
        let all: Vec<Value> = (0..count).map(|place| made(&format!("c{place}.gif"), bytes)).collect();
        let rendered = choice.render(&context! { vars => context! { all }, image => album.value() }, &album);
        assert_eq!(rendered.err().map(|fault| fault.message).as_deref(), expected);
    }
}
