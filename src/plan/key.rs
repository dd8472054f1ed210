//! The key of a message: what makes it this message and no other.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::hex::hexadecimal;
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RuleId};
use crate::domain::money::Currency;

/// The first 16 bytes of a SHA-256 in hex: 32 characters, the same for the same rule, subject and occasion for ever.
///
/// It depends on ids only: not on file names, other rules, amounts, texts or the time (invariant 4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey(String);

/// Where mails go. Each kind has keys of its own, so that a rehearsal never stands in the way of the real thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// To the customers.
    Customers,
    /// All to one address.
    Redirected,
    /// Nowhere: they are only composed.
    Nobody,
}

impl Audience {
    /// Returns the word that keys of this kind of mail are made with.
    fn word(self, kind: &str) -> String {
        match self {
            Self::Customers => format!("{kind} 1"),
            Self::Redirected => format!("redirected {kind} 1"),
            Self::Nobody => format!("dry {kind} 1"),
        }
    }
}

impl MessageKey {
    /// Returns the key of a reminder about `items` (document, level, repeat), in any order.
    pub fn reminder<'a>(
        audience: Audience,
        rule: &RuleId,
        customer: &CustomerId,
        currency: Currency,
        items: impl Iterator<Item = (&'a DocumentNumber, &'a LevelId, u16)>,
    ) -> Self {
        let mut items: Vec<_> = items.collect();
        items.sort_unstable();
        let mut parts = Parts::default();
        parts.add(&audience.word("reminder"));
        parts.add(rule.as_str());
        parts.add(customer.as_str());
        parts.add(currency.as_str());
        for (document, level, repeat) in items {
            parts.add(document.as_str());
            parts.add(level.as_str());
            parts.add(&repeat.to_string());
        }
        Self(parts.hex())
    }

    /// Returns the key of a statement or notice (`kind`) about `occasion`: a period, or an event.
    pub fn occasion(
        audience: Audience,
        kind: &str,
        rule: &RuleId,
        customer: &CustomerId,
        currency: Currency,
        occasion: &str,
    ) -> Self {
        let mut parts = Parts::default();
        for part in [&audience.word(kind), rule.as_str(), customer.as_str(), currency.as_str(), occasion] {
            parts.add(part);
        }
        Self(parts.hex())
    }

    /// Returns the 32 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hash over a list of texts.
#[derive(Default)]
pub(crate) struct Parts(Sha256);

impl Parts {
    /// Adds a text, preceded by its length, so that no two lists of parts give the same bytes.
    pub(crate) fn add(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    /// Returns the first 16 bytes in hex.
    pub(crate) fn hex(self) -> String {
        hexadecimal(&self.0.finalize()[..16])
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rule: &str, items: &[(&str, &str, u16)]) -> MessageKey {
        let items: Vec<_> =
            items.iter().map(|(number, level, repeat)| (DocumentNumber::new(number), LevelId::new(level), *repeat)).collect();
        let items = items.iter().map(|(number, level, repeat)| (number, level, *repeat));
        MessageKey::reminder(
            Audience::Customers,
            &RuleId::new(rule),
            &CustomerId::new("C1"),
            Currency::parse("EUR").unwrap(),
            items,
        )
    }

    #[test]
    fn a_key_is_the_same_for_ever() {
        // Written down once: a release that changes this would mail everybody again.
        assert_eq!(key("overdue", &[("INV-1", "first", 0)]).as_str(), "2085ded6790f23188651d7bd6249171f");
        for (kind, occasion, expected) in [
            ("statement", "2026-10-01/2026-10-31", "d565691a7e6e7028dde3e32730ccdc69"),
            ("notice", "invoice:INV-1", "b55389b8ed695780458913f50efba6e6"),
        ] {
            assert_eq!(occasion_key(Audience::Customers, kind, "EUR", occasion).as_str(), expected);
        }
    }

    fn occasion_key(audience: Audience, kind: &str, currency: &str, occasion: &str) -> MessageKey {
        let (rule, customer) = (RuleId::new("monthly"), CustomerId::new("C1"));
        MessageKey::occasion(audience, kind, &rule, &customer, Currency::parse(currency).unwrap(), occasion)
    }

    #[test]
    fn every_kind_audience_currency_and_occasion_has_keys_of_its_own() {
        let mut keys = std::collections::BTreeSet::new();
        for audience in [Audience::Customers, Audience::Redirected, Audience::Nobody] {
            for (kind, currency, occasion) in [
                ("statement", "EUR", "2026-10-01/2026-10-31"),
                ("statement", "USD", "2026-10-01/2026-10-31"),
                ("statement", "EUR", "2026-11-01/2026-11-30"),
                ("notice", "EUR", "2026-10-01/2026-10-31"),
            ] {
                keys.insert(occasion_key(audience, kind, currency, occasion));
            }
        }
        assert_eq!(keys.len(), 12);
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let both = key("overdue", &[("1", "first", 0), ("2", "second", 0)]);
        assert_eq!(both, key("overdue", &[("2", "second", 0), ("1", "first", 0)]));
        for other in [
            key("overdue", &[("1", "first", 0)]),
            key("overdue2", &[("1", "first", 0), ("2", "second", 0)]),
            key("overdue", &[("1", "first", 1), ("2", "second", 0)]),
            key("overdue", &[("1first", "", 0), ("2", "second", 0)]),
        ] {
            assert_ne!(both, other);
        }
    }
}
