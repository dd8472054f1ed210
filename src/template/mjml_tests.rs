//! Templates in MJML and templates with styles: what becomes of them, and what loading says of those that are wrong.

use minijinja::{Value, context};
use proptest::prelude::*;

use super::*;
use crate::domain::id::TemplateName;
use crate::domain::problem::Problem;

const NAMES: &[KnownName] = &[
    KnownName { path: "customer.name", kind: NameKind::Plain },
    KnownName { path: "items", kind: NameKind::Plain },
    KnownName { path: "vars.*", kind: NameKind::Plain },
];

fn load(files: &[(&str, &str)]) -> (Templates, Vec<String>) {
    let file = |(name, text): &(&str, &str)| TemplateFile { path: format!("rules/templates/{name}"), text: (*text).into() };
    let logo = ImageFile { path: "rules/templates/logo.png".into(), bytes: b"\x89PNG\r\n\x1a\n".as_slice().into() };
    let subject = ("a.subject.txt", "S");
    let (templates, problems) =
        Templates::load_with([&subject].into_iter().chain(files).map(file).collect(), vec![logo], NAMES, vec![]);
    (templates, problems.iter().map(Problem::to_string).collect())
}

fn fill(templates: &Templates, values: Value) -> Result<Rendered, String> {
    let choice = templates.choose(&TemplateName::new("a"), None).unwrap();
    let album = choice.album("k@acme.example");
    let context = context! { image => album.value(), ..values };
    choice.render(&context, &album).map_err(|fault| fault.to_string())
}

/// Returns the whole of a template in MJML around `column`, which begins at 1:42.
fn mjml(column: &str) -> String {
    format!("<mjml><mj-body><mj-section><mj-column>\n   {column}</mj-column></mj-section></mj-body></mjml>")
}

const WHOLE: &str = r#"<mjml>
<mj-head>
<mj-title>{{ customer.name }}</mj-title>
<mj-preview>Before</mj-preview>
<mj-style inline="inline">.sum { font-weight: 600 }</mj-style>
<mj-style>@media (prefers-color-scheme: dark) { .sum { color: #ffffff !important } } a:hover { color: red }</mj-style>
</mj-head>
<mj-body>
<mj-include path="_head.mjml" />
<mj-raw>{% if items %}</mj-raw>
<mj-section><mj-column>
<mj-text>Dear {{ customer.name }}, {{ "a > b" if items|length > 1 else 'c' }}</mj-text>
<mj-table>{% for item in items %}<tr {% if loop.first %}title="first"{% endif %}><td class="sum">{{ item }}</td></tr>{% endfor %}</mj-table>
<mj-button href="{{ vars.link }}">Pay</mj-button>
</mj-column></mj-section>
<mj-raw>{% endif %}</mj-raw>
</mj-body>
</mjml>"#;

const HEAD: &str = "<mj-section><mj-column><mj-image src=\"{{ image(\"logo.png\") }}\" alt=\"{{ vars.alt }}\" width=\"120px\" /></mj-column></mj-section>";

#[test]
fn mjml_becomes_html_whose_values_are_escaped_and_whose_code_works() {
    let (templates, problems) = load(&[("a.mjml", WHOLE), ("_head.mjml", HEAD)]);
    assert_eq!(problems, Vec::<String>::new());
    let evil = "\"><script>alert(1)</script>{{ 7 * 7 }}";
    let vars = context! { link => evil, alt => evil };
    let mail = fill(&templates, context! { customer => context! { name => evil }, items => vec!["1", "2"], vars }).unwrap();
    let html = mail.html.unwrap();
    for part in [
        "<!doctype html>",
        "src=\"cid:image-1.k@acme.example\"",
        "Dear &quot;&gt;&lt;script&gt;",
        "a &gt; b",
        "font-weight: 600;\">1</td>",
        "title=\"first\"",
        "@media (prefers-color-scheme: dark)",
        "a:hover",
        "<!--[if mso | IE]>",
    ] {
        assert!(html.to_ascii_lowercase().contains(&part.to_ascii_lowercase()), "{part} is not in {html}");
    }
    assert!(
        !html.contains("<script>") && !html.contains("49") && !html.contains("dunlin-code") && !html.contains("fonts."),
        "{html}"
    );
    assert_eq!(mail.images.len(), 1);

    let mail = fill(
        &templates,
        context! { customer => context! { name => "X" }, items => vec!["1,00 €"], vars => context! {
            link => "https://pay.example/1", alt => "ACME",
        } },
    );
    assert_eq!(mail.unwrap().text, "ACME\n\nDear X, c\n1,00 €\nPay <https://pay.example/1>\n");
}

#[test]
fn every_fault_of_mjml_is_told_at_its_place_when_templates_load() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        (
            mjml("<mj-image src=\"x\" alt=\"\"\n widht=\"5px\" />"),
            "rules/templates/a.mjml:3:2: `mj-image` of MJML has no attribute `widht`; did you mean `width`?",
        ),
        (mjml("<mj-txt>x</mj-txt>"), "rules/templates/a.mjml:2:5: MJML has no element `mj-txt`; did you mean `mj-text`?"),
        (
            mjml("<mj-text>{{ customer.nmae }}</mj-text>"),
            "rules/templates/a.mjml:2:16: Unknown name `customer.nmae`; did you mean `customer.name`?",
        ),
        (mjml("<mj-text>{{ 1|plurl }}</mj-text>"), "rules/templates/a.mjml:2:18: Unknown filter `plurl`; did you mean `plural`?"),
        (mjml("<mj-text>{% if items %}</mj-text>"), "rules/templates/a.mjml:2:"),
        (mjml("<mj-text>x</mj-tex>"), "rules/templates/a.mjml:2:15: MJML has no element `mj-tex`; did you mean `mj-text`?"),
        (
            mjml("<mj-text>x</mj-table>"),
            "rules/templates/a.mjml:2:15: `</mj-table>` ends what was not begun last; `<mj-text>` of line 2 has no end yet: write `</mj-text>` before it",
        ),
        (mjml("<mj-text>x"), "rules/templates/a.mjml"),
        (mjml("<mj-include path=\"_haed.mjml\" />"), "rules/templates/a.mjml:"),
        (
            mjml("<mj-image src=\"{{ image('logo.png') }}\" />"),
            "rules/templates/a.mjml:2:22: The image has no text for those who do not see it; ",
        ),
        (mjml(&"<div>".repeat(200)), "rules/templates/a.mjml: The elements are nested more than 100 deep"),
        ("<p>x</p>".to_owned(), "rules/templates/a.mjml"),
        (mjml("<mj-text>dunlin-code-1-</mj-text>"), "rules/templates/a.mjml: `dunlin-code-` cannot stand in a template"),
    ] {
        let (_, problems) = load(&[("a.mjml", &text), ("_head.mjml", HEAD)]);
        if !problems.iter().any(|problem| problem.starts_with(expected)) {
            wrong.push(format!("{text}: {problems:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (_, problems) = load(&[("a.mjml", &mjml("<mj-text>x</mj-text>")), ("a.html", "x")]);
    assert_eq!(problems, ["rules/templates/a.html: `a.html` and `a.mjml` are templates of one HTML; remove one of them"]);
    let many = format!("<mjml><mj-body>{}</mj-body></mjml>", "<mj-include path=\"_head.mjml\" />".repeat(101));
    let (_, problems) = load(&[("a.mjml", &many), ("_head.mjml", HEAD)]);
    assert!(problems[0].contains("More than 100 files are included"), "{problems:#?}");
    let (_, problems) = load(&[
        ("a.mjml", "<mjml><mj-body><mj-include path=\"_a.mjml\" /></mj-body></mjml>"),
        ("_a.mjml", "<mj-include path=\"_a.mjml\" />"),
    ]);
    assert!(problems[0].starts_with("rules/templates/_a.mjml:1:2: `mj-include` cannot stand here in MJML"), "{problems:#?}");
}

#[test]
fn a_mail_of_mjml_says_its_language() {
    for (file, text, expected) in [
        ("a.mjml", mjml("<mj-text>x</mj-text>"), "lang=\"en\""),
        ("a.de.mjml", mjml("<mj-text>x</mj-text>"), "lang=\"de\""),
        ("a.mjml", mjml("<mj-text>x</mj-text>").replace("<mjml>", "<mjml lang=\"fr\">"), "lang=\"fr\""),
    ] {
        let (templates, problems) = load(&[(file, &text), ("a.de.subject.txt", "S"), ("a.de.txt", "x"), ("a.txt", "x")]);
        assert_eq!(problems, Vec::<String>::new());
        let language = file.contains(".de.").then(|| crate::domain::id::Language::new("de"));
        let choice = templates.choose(&TemplateName::new("a"), language.as_ref()).unwrap();
        let html = choice.render(&context! {}, &choice.album("k@acme.example")).unwrap().html.unwrap();
        assert!(html.contains(expected) && !html.contains("\"und\""), "{html}");
    }
}

#[test]
fn what_fails_while_a_mail_is_filled_is_told_where_its_author_wrote_it() {
    for (files, expected) in [
        (
            vec![("a.mjml", mjml("<mj-text>ü {{ vars.none }}</mj-text>"))],
            "rules/templates/a.mjml:2:18: `vars.none` is not defined",
        ),
        (
            vec![
                ("a.mjml", mjml("<mj-include path=\"_b.mjml\" />")),
                ("_b.mjml", "<mj-text>{{ vars.none }}</mj-text>".to_owned()),
            ],
            "rules/templates/_b.mjml:1:13: `vars.none` is not defined",
        ),
        (
            vec![(
                "a.html",
                "<html><head><style>p { a: b }</style></head><body><p>\n{{ vars.none }}</p></body></html>".to_owned(),
            )],
            "rules/templates/a.html:2:4: `vars.none` is not defined",
        ),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let (templates, problems) = load(&files);
        assert_eq!(problems, Vec::<String>::new());
        let fault = fill(&templates, context! { vars => context! {} }).unwrap_err();
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn a_style_reaches_the_elements_of_every_file_a_mail_is_made_of() {
    let style = "<style>p { color: red } td { a: b } @media (max-width: 520px) { p { margin: 0 } }</style>";
    let layout = format!("<!DOCTYPE html><html><head>{style}</head><body>{{% block content %}}{{% endblock %}}</body></html>");
    let child = "{% extends \"_layout.html\" %}{% block content %}<p>{{ customer.name }}</p>{% endblock %}";
    let whole = layout.replace("{% block content %}{% endblock %}", "{% if items %}<p>{{ customer.name }}</p>{% endif %}");
    for files in [vec![("_layout.html", layout.as_str()), ("a.html", child)], vec![("a.html", whole.as_str())]] {
        let (templates, problems) = load(&files);
        assert_eq!(problems, Vec::<String>::new());
        let mail = fill(&templates, context! { customer => context! { name => "A & B <c>" }, items => vec![1] }).unwrap();
        let html = mail.html.unwrap();
        assert!(
            html.contains("<p style=\"color: red;\">A &amp; B &lt;c&gt;</p>") && html.contains("@media (max-width: 520px)"),
            "{html}"
        );
        assert_eq!(mail.text, "A & B <c>\n");
    }
}

#[test]
fn any_text_can_be_loaded_as_mjml() {
    let piece = prop_oneof![
        Just("<mjml>".to_owned()),
        Just("<mj-body>".into()),
        Just("</mj-body></mjml>".into()),
        Just("<mj-section><mj-column>".into()),
        Just("<mj-text>".into()),
        Just("</mj-text>".into()),
        Just("<mj-include path=\"_b.mjml\"/>".into()),
        Just("{{ x }}".into()),
        Just("{% if x %}".into()),
        Just("<mj-image width=\"{{ x }}\" ".into()),
        Just("<!--".into()),
        Just("\"".into()),
        ".{0,4}",
    ];
    proptest!(|(pieces in prop::collection::vec(piece, 0..20))| {
        let text = pieces.concat();
        load(&[("a.mjml", &text), ("_b.mjml", &text)]);
        load(&[("a.mjml", &mjml(&text))]);
        load(&[("a.html", &format!("<html><style>p {{ a: b }}</style>{text}"))]);
    });
}
