//! DMARC records: what a domain asks receivers to do with mail that fails SPF and DKIM. Pure but for the look-up.
//!
//! The record of a name is its own, or that of the nearest domain above it. Source: RFC 7489 §6.3 (the form), §6.6.3 (the
//! look-up; the public suffix list is not kept, instead each domain above is asked, as DMARC's revision does).

use crate::dns::resolver::{Resolver, Silence};

/// The most domains that are asked on the way up.
const CLIMBED_MAX: usize = 8;

/// What a domain asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing: the owner only watches.
    None,
    /// To lay it among the spam.
    Quarantine,
    /// To refuse it.
    Reject,
}

impl Policy {
    /// Returns the record's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Quarantine, Self::Reject].into_iter().find(|policy| policy.as_str().eq_ignore_ascii_case(word))
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// What is asked for mail of the domain itself; `None` where the record does not say so, and so says nothing.
    pub policy: Option<Policy>,
    /// What is asked for mail of the domains below, where that differs.
    pub below: Option<Policy>,
    /// Whether DKIM's domain must be the sender's own, not one of the same organisation.
    pub dkim_is_strict: bool,
    /// Whether SPF's domain must be.
    pub spf_is_strict: bool,
    /// Whether others have their domains below this one (`psd=y`), as below `example` or `co.example`.
    pub is_public_suffix: bool,
}

impl Dmarc {
    /// Reads a record; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut tags = text.split(';').filter_map(|tag| tag.split_once('=')).map(|(name, value)| (name.trim(), value.trim()));
        tags.next().filter(|(name, value)| *name == "v" && *value == "DMARC1")?;
        let mut dmarc = Self { policy: None, below: None, dkim_is_strict: false, spf_is_strict: false, is_public_suffix: false };
        for (name, value) in tags {
            match name.to_ascii_lowercase().as_str() {
                "p" => dmarc.policy = Policy::parse(value),
                "sp" => dmarc.below = Policy::parse(value),
                "adkim" => dmarc.dkim_is_strict = value.eq_ignore_ascii_case("s"),
                "aspf" => dmarc.spf_is_strict = value.eq_ignore_ascii_case("s"),
                "psd" => dmarc.is_public_suffix = value.eq_ignore_ascii_case("y"),
                _ => {}
            }
        }
        Some(dmarc)
    }

    /// Returns what is asked for mail of `domain`, the record being that of `owner`.
    pub fn policy_for(&self, domain: &str, owner: &str) -> Option<Policy> {
        if domain.eq_ignore_ascii_case(owner) { self.policy } else { self.below.or(self.policy) }
    }
}

/// Returns the DMARC records that count for `domain`, and the domain they were found at; none where there is none above it.
///
/// # Errors
/// A look-up had no answer.
pub async fn look_up(resolver: &Resolver, domain: &str) -> Result<Option<(String, Vec<Dmarc>)>, Silence> {
    let mut owner = domain;
    for _ in 0..CLIMBED_MAX {
        // A top-level domain speaks for nobody below it.
        if !owner.contains('.') {
            break;
        }
        let texts = resolver.texts(&format!("_dmarc.{owner}")).await?;
        let found: Vec<Dmarc> = texts.iter().filter_map(|text| Dmarc::parse(text)).collect();
        if !found.is_empty() {
            return Ok(Some((owner.to_owned(), found)));
        }
        owner = owner.split_once('.').map_or("", |(_, above)| above);
    }
    Ok(None)
}

/// Returns whether what is proven of `proven` counts for mail of `from`, asked strictly or not.
///
/// Where it is not asked strictly, both must be of one organisation. One above the other is; of any other two, the topmost
/// domain with a record above each must be the same. Source: RFC 7489 §3.1; the tree walk of DMARC's revision.
///
/// # Errors
/// A look-up had no answer.
pub async fn is_aligned(resolver: &Resolver, proven: &str, from: &str, is_strict: bool) -> Result<bool, Silence> {
    let is_below = |below: &str, above: &str| below.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
    if proven == from || is_strict {
        return Ok(proven == from);
    }
    if is_below(proven, from) || is_below(from, proven) {
        return Ok(true);
    }
    Ok(organisation(resolver, proven).await? == organisation(resolver, from).await?)
}

/// Returns the topmost domain above `domain`, or itself, that has a record and is one organisation's; `domain` where none has.
async fn organisation(resolver: &Resolver, domain: &str) -> Result<String, Silence> {
    let (mut topmost, mut below, mut owner) = (domain, domain, domain);
    for _ in 0..CLIMBED_MAX {
        if !owner.contains('.') {
            break;
        }
        let texts = resolver.texts(&format!("_dmarc.{owner}")).await?;
        match texts.iter().find_map(|text| Dmarc::parse(text)) {
            Some(record) if record.is_public_suffix => return Ok(below.to_owned()),
            Some(_) => topmost = owner,
            None => {}
        }
        below = owner;
        owner = owner.split_once('.').map_or("", |(_, above)| above);
    }
    Ok(topmost.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_with_what_it_leaves_out() {
        let none = Dmarc { policy: None, below: None, dkim_is_strict: false, spf_is_strict: false, is_public_suffix: false };
        let whole = Dmarc { policy: Some(Policy::Reject), below: Some(Policy::None), dkim_is_strict: true, ..none.clone() };
        let above = Dmarc { policy: Some(Policy::None), is_public_suffix: true, ..none.clone() };
        for (text, expected) in [
            ("v=DMARC1; p=Reject; sp=none; adkim=s; aspf=r; rua=mailto:a@b.example", Some(&whole)),
            ("v=DMARC1; p=none; psd=y", Some(&above)),
            ("v=DMARC1", Some(&none)),
            ("v=DMARC1; p=refuse", Some(&none)),
            ("v=spf1 -all", None),
            ("p=reject; v=DMARC1", None),
            ("", None),
        ] {
            assert_eq!(Dmarc::parse(text).as_ref(), expected, "{text}");
        }
        assert_eq!(whole.policy_for("acme.example", "ACME.example"), Some(Policy::Reject));
        assert_eq!(whole.policy_for("mail.acme.example", "acme.example"), Some(Policy::None));
    }
}
