//! Which attributes the elements of MJML have. Its reader takes any of them in silence, so a misspelt one would change nothing and
//! nobody would be told.

use crate::domain::problem::nearest;

/// What every element has.
const EVERYWHERE: [&str; 2] = ["css-class", "mj-class"];

/// `padding` and `border` with their sides.
const PADDING: &str = "padding padding-top padding-right padding-bottom padding-left";
const BORDER: &str = "border border-top border-right border-bottom border-left border-radius";

/// The words of a row that stand for several attributes.
const GROUPS: [(&str, &str); 4] = [
    ("+padding", PADDING),
    ("+border", BORDER),
    ("+font", "color font-family font-size font-style font-weight letter-spacing line-height text-decoration text-transform"),
    (
        "+icon",
        "icon-align icon-width icon-height icon-wrapped-url icon-wrapped-alt icon-unwrapped-url icon-unwrapped-alt icon-position",
    ),
];

/// Element and attributes. Source: documentation.mjml.io (MJML 4), each component's table. What is not here is checked by the reader.
const ATTRIBUTES: [(&str, &str); 22] = [
    ("mj-body", "background-color width"),
    (
        "mj-section",
        "+padding +border background-color background-url background-repeat background-size background-position \
         background-position-x background-position-y direction full-width text-align text-padding",
    ),
    (
        "mj-wrapper",
        "+padding +border background-color background-url background-repeat background-size background-position \
         background-position-x background-position-y direction full-width text-align text-padding gap",
    ),
    (
        "mj-column",
        "+padding +border background-color direction inner-background-color inner-border inner-border-top inner-border-right \
         inner-border-bottom inner-border-left inner-border-radius vertical-align width",
    ),
    ("mj-group", "background-color direction vertical-align width"),
    (
        "mj-hero",
        "+padding background-color background-height background-position background-url background-width border-radius \
         container-background-color height inner-background-color inner-padding inner-padding-top inner-padding-right \
         inner-padding-bottom inner-padding-left mode vertical-align width align",
    ),
    ("mj-text", "+padding +font align background-color container-background-color height vertical-align"),
    (
        "mj-table",
        "+padding +font align border cellpadding cellspacing container-background-color role table-layout vertical-align width",
    ),
    (
        "mj-button",
        "+padding +border +font align background-color container-background-color height href inner-padding name rel target \
         text-align title vertical-align width",
    ),
    (
        "mj-image",
        "+padding +border align alt container-background-color fluid-on-mobile font-size full-width height href max-height name \
         rel sizes src srcset target title usemap width",
    ),
    ("mj-divider", "+padding align border-color border-style border-width container-background-color width"),
    ("mj-spacer", "+padding +border container-background-color height vertical-align width"),
    (
        "mj-social",
        "+padding +font align border-radius container-background-color icon-height icon-padding icon-size inner-padding mode \
         table-layout text-padding vertical-align",
    ),
    (
        "mj-social-element",
        "+padding +font align alt background-color border-radius href icon-height icon-padding icon-position icon-size name rel \
         sizes src srcset target text-padding title vertical-align",
    ),
    (
        "mj-navbar",
        "+padding align base-url hamburger ico-align ico-close ico-color ico-font-family ico-font-size ico-line-height ico-open \
         ico-padding ico-padding-top ico-padding-right ico-padding-bottom ico-padding-left ico-text-decoration ico-text-transform",
    ),
    ("mj-navbar-link", "+padding +font href name rel target"),
    ("mj-accordion", "+padding +icon border container-background-color font-family"),
    ("mj-accordion-element", "+icon background-color border font-family"),
    ("mj-accordion-title", "+padding +font background-color"),
    ("mj-accordion-text", "+padding +font background-color"),
    (
        "mj-carousel",
        "+padding align border-radius container-background-color icon-width left-icon right-icon tb-border tb-border-radius \
         tb-hover-border-color tb-selected-border-color tb-width thumbnails",
    ),
    ("mj-carousel-image", "alt border-radius href rel src target tb-border tb-border-radius thumbnails-src title"),
];

/// Returns whether an element is without an attribute, and the one that is nearest to it.
pub(crate) fn unknown_attribute(element: &str, attribute: &str) -> Option<Option<&'static str>> {
    let (_, words) = ATTRIBUTES.iter().find(|(name, _)| *name == element)?;
    let group = |word: &'static str| GROUPS.iter().find(|(name, _)| *name == word).map_or(word, |(_, all)| all);
    let known = || words.split_whitespace().flat_map(move |word| group(word).split_whitespace()).chain(EVERYWHERE);
    known().all(|own| own != attribute).then(|| nearest(attribute, known()))
}

/// Returns the name and place of each attribute of a tag; `text` is what follows the element's name.
pub(crate) fn attributes(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(start) = text[at..].find(|c: char| !c.is_whitespace() && c != '/').map(|start| at + start) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
        let length = text[start..].find(|c: char| !is_name(c)).unwrap_or(text.len() - start);
        if length == 0 {
            break;
        }
        found.push((start, &text[start..start + length]));
        at = start + length;
        let Some(value) = text[at..].trim_start().strip_prefix('=').map(str::trim_start) else { continue };
        let Some(quote) = value.chars().next().filter(|c| "\"'".contains(*c)) else { break };
        let begin = text.len() - value.len() + 1;
        let Some(end) = text[begin..].find(quote) else { break };
        at = begin + end + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_knows_its_own_attributes() {
        for (element, attribute, expected) in [
            ("mj-image", "widht", Some(Some("width"))),
            ("mj-image", "width", None),
            ("mj-text", "padding-left", None),
            ("mj-text", "css-class", None),
            ("mj-text", "src", Some(None)),
            ("mj-class", "anything", None),
        ] {
            assert_eq!(unknown_attribute(element, attribute), expected, "{element} {attribute}");
        }
        for (element, words) in ATTRIBUTES {
            for word in words.split_whitespace().filter(|word| word.starts_with('+')) {
                assert!(GROUPS.iter().any(|(name, _)| *name == word), "{element}: {word}");
            }
        }
    }

    #[test]
    fn the_attributes_of_a_tag_end_where_it_does() {
        assert_eq!(attributes(" a=\"x > y\" b-c = 'd=\"e\"'\n f/> g=\"h\""), [(1, "a"), (11, "b-c"), (26, "f")]);
        assert_eq!(attributes("> a"), []);
        assert_eq!(attributes(" a=b c"), [(1, "a")]);
    }
}
