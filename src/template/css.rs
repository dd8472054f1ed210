//! Styles of a `<style>` written into the elements they are of, for mail programs that read no `<style>`.
//!
//! What no element can hold stays: rules for narrow screens and dark mode, `:hover`, and all that stands in conditional comments.
//! Nothing is fetched: a stylesheet elsewhere is left where it is.

use css_inline::{CSSInliner, InlineOptions};

use crate::template::cover::{commented, outline, uncommented};

/// Returns HTML with the rules of its styles in its elements. What an element says itself wins, as it does in a `<style>`.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn inlined(html: &str) -> Result<String, String> {
    let inliner = CSSInliner::new(InlineOptions {
        keep_style_tags: true,
        remove_inlined_selectors: true,
        keep_link_tags: true,
        load_remote_stylesheets: false,
        ..InlineOptions::default()
    });
    inliner.inline(html).map_err(|fault| fault.to_string())
}

/// Does what [`inlined`] does with a template whose code is covered, before it is ever filled; `None` where the elements would not
/// stay what and where they are.
pub(crate) fn inlined_ahead(covered: &str) -> Option<String> {
    let commented = commented(covered);
    let inlined = inlined(&commented).ok()?;
    (outline(&commented) == outline(&inlined)).then(|| uncommented(&inlined))
}

/// Returns whether a template has a `<style>` with a rule that an element can hold.
pub(crate) fn has_rules(html: &str) -> bool {
    let lower = html.to_ascii_lowercase();
    let mut at = 0;
    while let Some(open) = lower[at..].find("<style").map(|found| at + found) {
        let Some(start) = lower[open..].find('>').map(|found| open + found + 1) else { return false };
        let end = lower[start..].find("</style").map_or(lower.len(), |found| start + found);
        let is_in_comment = lower[..open].rfind("<!--").is_some_and(|comment| !lower[comment..open].contains("-->"));
        if !is_in_comment && has_rule(&html[start..end]) {
            return true;
        }
        at = end;
    }
    false
}

/// Returns whether a stylesheet has a rule outside all `@` rules with a selector that is more than a state of an element.
fn has_rule(css: &str) -> bool {
    let css = without_comments(css);
    let mut rest = css.trim_start();
    while !rest.is_empty() {
        let stop = rest.find(['{', ';', '}']).unwrap_or(rest.len());
        let (head, is_block) = (rest[..stop].trim(), rest[stop..].starts_with('{'));
        if is_block
            && !head.starts_with('@')
            && head.split(',').any(|selector| !selector.contains(':') && !selector.trim().is_empty())
        {
            return true;
        }
        let after = if is_block { block_length(&rest[stop..]) } else { 1 };
        rest = rest.get(stop + after..).unwrap_or_default().trim_start();
    }
    false
}

/// Returns the length of a block with all blocks in it.
fn block_length(css: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in css.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    css.len()
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STYLE: &str = "<style>p { color: #111111; margin: 0 } td.sum, .none { font-weight: 600 } a:hover { color: red } \
        @media (prefers-color-scheme: dark) { p { color: #eeeeee !important } }</style>";

    #[test]
    fn a_rule_is_written_into_its_elements_and_what_none_can_hold_stays() {
        let html = format!(
            "<!DOCTYPE html><html><head><meta name=\"color-scheme\" content=\"light dark\">{STYLE}</head><body><p style=\"margin: 8px\">\
             a &lt; b</p><!--[if mso]><p>Outlook</p><![endif]--><table><tr><td class=\"sum\">1</td></tr></table></body></html>"
        );
        let out = inlined(&html).unwrap();
        for part in [
            "<p style=\"color: #111111;margin: 8px\">a &lt; b</p>",
            "<!--[if mso]><p>Outlook</p><![endif]-->",
            "<td class=\"sum\" style=\"font-weight: 600;\">1</td>",
            "<meta name=\"color-scheme\" content=\"light dark\">",
            "a:hover",
            "@media (prefers-color-scheme: dark)",
        ] {
            assert!(out.contains(part), "{part} is not in {out}");
        }
    }

    #[test]
    fn nothing_is_fetched() {
        let html = "<html><head><link rel=\"stylesheet\" href=\"http://127.0.0.1:1/a.css\"><link rel=\"stylesheet\" href=\"/etc/passwd\">\
            <style>@import url(\"http://127.0.0.1:1/b.css\"); p { color: red }</style></head><body><p>x</p></body></html>";
        let out = inlined(html).unwrap();
        assert!(out.contains("a.css") && out.contains("/etc/passwd") && out.contains("b.css"), "{out}");
        assert!(out.contains("<p style=\"color: red;\">x</p>"), "{out}");
    }

    #[test]
    fn only_a_style_with_a_rule_for_an_element_needs_the_work() {
        for (html, expected) in [
            (STYLE, true),
            ("<style>@media (max-width: 520px) { .a { b: c } .d { e: f } }</style>", false),
            ("<style>@import 'x'; a:hover { b: c } /* p { d: e } */</style>", false),
            ("<STYLE type='text/css'>p{a:b}</STYLE>", true),
            ("<!--[if mso]><style>p { a: b }</style><![endif]-->", false),
            ("<!-- x --><style>p { a: b }</style>", true),
            ("<style>@media x { p { a: b } } p { c: d }</style>", true),
            ("<style>", false),
            ("<style", false),
            ("<p>style</p>", false),
        ] {
            assert_eq!(has_rules(html), expected, "{html}");
        }
    }

    #[test]
    fn a_template_whose_elements_would_move_is_left_alone() {
        let style = "<html><head><style>td { color: red }</style></head><body>";
        let ahead = |body: &str| inlined_ahead(&format!("{style}{body}</body></html>"));
        let row = ahead("<table>dunlin-code-0-<tr><td title=\"dunlin-code-1-\">dunlin-code-2-</td></tr>dunlin-code-3-</table>")
            .unwrap();
        assert!(
            row.contains("dunlin-code-0-<tbody><tr><td title=\"dunlin-code-1-\" style=\"color: red;\">dunlin-code-2-</td></tr>dunlin-code-3-"),
            "{row}"
        );
        for moved in ["<table><p>x</p></table>", "<tr><td>x</td></tr>", "<p><table></table></p>x<div>"] {
            assert_eq!(ahead(moved), None, "{moved}");
        }
    }

    proptest! {
        #[test]
        fn what_a_mail_says_is_the_same_with_its_styles_inlined(
            words in prop::collection::vec("[a-zäß€ &<>\"'{}%]{0,20}", 1..8),
        ) {
            let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let paragraphs: String = words.iter().map(|text| format!("<p>{}</p>", escaped(text))).collect();
            let html = format!("<!DOCTYPE html><html><head>{STYLE}</head><body>{paragraphs}<table><tr><td class=\"sum\">1</td></tr></table></body></html>");
            let text = crate::template::text::text_of(&html).unwrap();
            prop_assert_eq!(crate::template::text::text_of(&inlined(&html).unwrap()).unwrap(), text);
        }
    }
}
