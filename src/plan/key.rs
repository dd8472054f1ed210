//! The key of a message: what makes it this message and no other.

use std::fmt;

use sha2::{Digest, Sha256};

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
    /// Returns the word that keys are made with.
    fn word(self) -> &'static str {
        match self {
            Self::Customers => "reminder 1",
            Self::Redirected => "redirected reminder 1",
            Self::Nobody => "dry reminder 1",
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
        let mut hash = Sha256::new();
        // Every part is preceded by its length, so that no two lists of parts give the same bytes.
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        part(audience.word());
        part(rule.as_str());
        part(customer.as_str());
        part(currency.as_str());
        for (document, level, repeat) in items {
            part(document.as_str());
            part(level.as_str());
            part(&repeat.to_string());
        }
        Self(hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the 32 characters.
    pub fn as_str(&self) -> &str {
        &self.0
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
