//! Where mails go that do not go to customers: `redirect_to`, and who gets them all the same, `redirect_allow`.

use compact_str::CompactString;

use crate::domain::mailbox::is_address;
use crate::yaml::{Node, Problems, text};

/// Where redirected mails go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The address; `is_address` holds.
    pub to: CompactString,
    /// Whoever really gets their mails.
    pub allow: Vec<Allowed>,
}

impl Redirect {
    /// Returns whether this address gets its mails itself.
    pub fn allows(&self, address: &str) -> bool {
        self.allow.iter().any(|allowed| allowed.holds(address))
    }
}

/// An address, or all of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// This one.
    Address(CompactString),
    /// Every address at this domain, none at those below it.
    Domain(CompactString),
}

impl Allowed {
    fn holds(&self, address: &str) -> bool {
        match self {
            Self::Address(own) => is_same(own, address),
            Self::Domain(own) => address.rsplit_once('@').is_some_and(|(_, domain)| is_same(own, domain)),
        }
    }
}

/// Returns whether two addresses or domains are the same as far as letters go. No server that tells `A@x` from `a@x` is known
/// to give them to two people.
fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Reads an address or `*@domain`.
pub(crate) fn allowed(node: &Node, problems: &mut Problems<'_>) -> Option<Allowed> {
    let written = text(node, problems)?;
    let found = match written.strip_prefix("*@") {
        // Checked as the domain of an address: what no address can have allows nobody.
        Some(domain) => is_address(&format!("all@{domain}")).then(|| Allowed::Domain(domain.into())),
        None => is_address(&written).then(|| Allowed::Address(written.as_str().into())),
    };
    if found.is_none() {
        let message = format!("`{written}` is neither an address nor all of a domain");
        problems.error_hint(node.span, message, "write `you@example.com` or `\"*@example.com\"`");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_domain_is_allowed_and_nothing_that_only_looks_like_it() {
        let allow = vec![Allowed::Address("Boss@Other.example".into()), Allowed::Domain("seller.example".into())];
        let redirect = Redirect { to: "me@seller.example".into(), allow };
        for (address, is_allowed) in [
            ("boss@other.example", true),
            ("clerk@other.example", false),
            ("anybody@SELLER.example", true),
            ("anybody@mail.seller.example", false),
            ("anybody@notseller.example", false),
            ("seller.example@customer.example", false),
        ] {
            assert_eq!(redirect.allows(address), is_allowed, "{address}");
        }
    }
}
