//! A path or an address with gaps for what the books say of a document and its customer: `invoices/{year}/{number}.pdf`.
//!
//! What fills a gap never leads elsewhere: in a path it is one name of a file or a part of it, in an address it is
//! percent-encoded. The folder or the server of a pattern has no gap.

use crate::domain::percent::push_encoded;
use crate::domain::problem::nearest;

/// The most characters of a pattern.
const PATTERN_CHARACTERS_MAX: usize = 1_000;

/// What may fill a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The document's printed number.
    Number,
    /// `invoice` or `credit_note`.
    Kind,
    /// The day of issue: `2027-03-08`.
    IssuedOn,
    /// Its year, in four digits.
    Year,
    /// Its month, in two digits.
    Month,
    /// The code of the document's currency.
    Currency,
    /// A further column of the document's file.
    Attribute(String),
    /// The customer's id.
    CustomerId,
    /// The customer's language.
    CustomerLanguage,
    /// A further column of the customers' file.
    CustomerAttribute(String),
}

/// The gaps without a name of the writer's own, as they are written.
const GAPS: [(&str, Gap); 8] = [
    ("number", Gap::Number),
    ("kind", Gap::Kind),
    ("issued_on", Gap::IssuedOn),
    ("year", Gap::Year),
    ("month", Gap::Month),
    ("currency", Gap::Currency),
    ("customer.id", Gap::CustomerId),
    ("customer.language", Gap::CustomerLanguage),
];

impl Gap {
    /// Returns whether it is filled by the document, not by its customer alone.
    pub fn is_of_document(&self) -> bool {
        !matches!(self, Self::CustomerId | Self::CustomerLanguage | Self::CustomerAttribute(_))
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("attributes.").filter(|name| !name.is_empty()) {
            return Ok(Self::Attribute(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("customer.attributes.").filter(|name| !name.is_empty()) {
            return Ok(Self::CustomerAttribute(name.to_owned()));
        }
        let known = GAPS.iter().find(|(word, _)| *word == text).map(|(_, gap)| gap.clone());
        known.ok_or_else(|| match nearest(text, GAPS.iter().map(|(word, _)| *word)) {
            Some(near) => format!("`{{{text}}}` is not known; did you mean `{{{near}}}`?"),
            None => {
                let all = GAPS.map(|(word, _)| format!("{{{word}}}")).join(" ");
                format!("`{{{text}}}` is not known; there are {all} {{attributes.Column}} {{customer.attributes.Column}}")
            }
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Gap(Gap),
}

/// A text with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > PATTERN_CHARACTERS_MAX {
            return Err(format!("it has more than {PATTERN_CHARACTERS_MAX} characters"));
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (gap, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
            if before.contains('}') {
                return Err("a `}` has no `{`".to_owned());
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Gap(Gap::parse(gap)?));
            rest = after;
        }
        if rest.contains('}') {
            return Err("a `}` has no `{`".to_owned());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// Returns its gaps.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Gap(gap) => Some(gap),
            Piece::Text(_) => None,
        })
    }

    /// Returns what stands before the first gap.
    pub fn lead(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// Returns the folder that every path of it lies in: what stands before the last `/` before the first gap.
    pub fn folder(&self) -> &str {
        let lead = self.lead();
        lead.rfind('/').map_or("", |slash| &lead[..=slash])
    }

    /// Returns the path that `value` makes of it.
    ///
    /// # Errors
    /// A gap that cannot be filled: nothing is there, or it would lead elsewhere.
    pub fn path(&self, value: impl Fn(&Gap) -> Option<String>) -> Result<String, String> {
        self.filled(value, |value| {
            let leads_away =
                value.contains(['/', '\\', '\0']) || value.chars().any(char::is_control) || value.trim_matches('.').is_empty();
            if leads_away { Err(format!("{value:?} cannot be part of a path")) } else { Ok(value.to_owned()) }
        })
    }

    /// Returns the address that `value` makes of it; what fills a gap is percent-encoded. Source: RFC 3986 §2.1.
    ///
    /// # Errors
    /// A gap that nothing fills.
    pub fn address(&self, value: impl Fn(&Gap) -> Option<String>) -> Result<String, String> {
        self.filled(value, |value| {
            // A segment of dots alone would be taken for a way up, encoded or not.
            if value.trim_matches('.').is_empty() {
                return Err(format!("{value:?} cannot be part of an address"));
            }
            let mut encoded = String::new();
            push_encoded(&mut encoded, value);
            Ok(encoded)
        })
    }

    fn filled(
        &self,
        value: impl Fn(&Gap) -> Option<String>,
        safe: impl Fn(&str) -> Result<String, String>,
    ) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(own) => text.push_str(own),
                Piece::Gap(gap) => {
                    let value = value(gap).filter(|value| !value.is_empty());
                    let value = value.ok_or_else(|| format!("there is nothing to put in the place of {}", name(gap)))?;
                    text.push_str(&safe(&value)?);
                }
            }
        }
        Ok(text)
    }
}

fn name(gap: &Gap) -> String {
    match gap {
        Gap::Attribute(name) => format!("`{{attributes.{name}}}`"),
        Gap::CustomerAttribute(name) => format!("`{{customer.attributes.{name}}}`"),
        other => GAPS.iter().find(|(_, gap)| gap == other).map_or_else(String::new, |(word, _)| format!("`{{{word}}}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(gap: &Gap) -> Option<String> {
        match gap {
            Gap::Number => Some("R 7&1".into()),
            Gap::Year => Some("2027".into()),
            Gap::CustomerId => Some("../C1".into()),
            Gap::Kind => Some("..".into()),
            Gap::Attribute(name) if name == "PO" => Some("7781".into()),
            _ => None,
        }
    }

    #[test]
    fn a_gap_is_filled_and_never_leads_elsewhere() {
        let path = |text: &str| Pattern::parse(text).unwrap().path(value);
        assert_eq!(path("documents/{year}/{number}-{attributes.PO}.pdf"), Ok("documents/2027/R 7&1-7781.pdf".into()));
        assert_eq!(path("a/{customer.id}.pdf"), Err("\"../C1\" cannot be part of a path".into()));
        assert_eq!(path("a/{kind}/x"), Err("\"..\" cannot be part of a path".into()));
        assert_eq!(path("{month}"), Err("there is nothing to put in the place of `{month}`".into()));
        assert_eq!(
            path("{customer.attributes.x}"),
            Err("there is nothing to put in the place of `{customer.attributes.x}`".into())
        );
        let address = |text: &str| Pattern::parse(text).unwrap().address(value);
        assert_eq!(address("https://a.example/{customer.id}/{number}?x=1"), Ok("https://a.example/..%2FC1/R%207%261?x=1".into()));
        assert_eq!(address("https://a.example/{kind}/"), Err("\"..\" cannot be part of an address".into()));
    }

    #[test]
    fn a_pattern_is_read_or_its_fault_is_told() {
        for (text, fault) in [
            ("{numbr}", "`{numbr}` is not known; did you mean `{number}`?"),
            ("a{", "a `{` has no `}`"),
            ("a}", "a `}` has no `{`"),
            ("}{number}", "a `}` has no `{`"),
        ] {
            assert_eq!(Pattern::parse(text).unwrap_err(), fault);
        }
        let pattern = Pattern::parse("documents/out-{number}.pdf").unwrap();
        assert_eq!((pattern.folder(), pattern.gaps().count()), ("documents/", 1));
        assert_eq!(Pattern::parse("{number}.pdf").unwrap().folder(), "");
    }
}
