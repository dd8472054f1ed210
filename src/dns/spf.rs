//! SPF records: what a domain's own record says, how many look-ups it costs, and whether it lets an address send.
//!
//! A receiver follows it from the address it got the mail from, which is the smarthost's way out and mostly not the address
//! that we hand mails to. So this tells what can be told from here: whether the record is one, ends as it should, costs too
//! much, and whose addresses it names. Source: RFC 7208.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::dns::resolver::{Kind, Record, Resolver, Silence};

/// The most look-ups a record may cost; with more, receivers take it for broken. Source: RFC 7208 §4.6.4.
pub const LOOKUPS_MAX: usize = 10;

/// How many look-ups are made before it is enough to say that there are too many.
const FOLLOWED_MAX: usize = 3 * LOOKUPS_MAX;

/// One record, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpfRecord {
    /// What is allowed, each with its qualifier: `-`, `~`, `?` or `+`.
    pub mechanisms: Vec<(char, Mechanism)>,
    /// The domain whose record goes on for this one.
    pub redirect: Option<String>,
    /// The words that are none of SPF's; receivers take the whole record for broken.
    pub unknown: Vec<String>,
}

/// What a mechanism compares an address with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Every address.
    All,
    /// Those that another domain's record allows.
    Include(String),
    /// A network of either kind.
    Network(IpAddr, u8),
    /// The addresses of a name; of the domain itself where `None`.
    A(Option<String>),
    /// The addresses of the hosts that take a name's mail.
    Mx(Option<String>),
    /// By a name made of the sending address; costs a look-up and cannot be judged from here.
    Other,
}

/// Returns the texts that are SPF records.
pub fn records(texts: &[String]) -> Vec<&str> {
    let is_record = |text: &&str| text.eq_ignore_ascii_case("v=spf1") || text.to_ascii_lowercase().starts_with("v=spf1 ");
    texts.iter().map(String::as_str).filter(is_record).collect()
}

impl SpfRecord {
    /// Takes a record apart.
    pub fn parse(record: &str) -> Self {
        let mut parsed = Self::default();
        for word in record.split_ascii_whitespace().skip(1) {
            let lower = word.to_ascii_lowercase();
            if let Some(domain) = lower.strip_prefix("redirect=") {
                parsed.redirect = Some(domain.to_owned());
            } else if let Some(mechanism) = mechanism(lower.trim_start_matches(['+', '-', '~', '?'])) {
                let qualifier = lower.chars().next().filter(|c| "+-~?".contains(*c)).unwrap_or('+');
                parsed.mechanisms.push((qualifier, mechanism));
            } else if !lower.contains('=') {
                // A modifier that nobody knows is nothing; a mechanism that nobody knows breaks the record.
                parsed.unknown.push(word.to_owned());
            }
        }
        parsed
    }

    /// Returns the qualifier of `all`, if the record has it.
    pub fn all(&self) -> Option<char> {
        self.mechanisms.iter().find(|(_, mechanism)| *mechanism == Mechanism::All).map(|(qualifier, _)| *qualifier)
    }
}

fn mechanism(word: &str) -> Option<Mechanism> {
    // `a/24` and `mx:name//64` widen what is found; that much more is let through, which changes nothing that is told here.
    let name = |rest: &str| {
        let name = rest.split('/').next().unwrap_or_default().trim_start_matches(':');
        (!name.is_empty()).then(|| name.to_owned())
    };
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with([':', '/']);
    if word == "all" {
        return Some(Mechanism::All);
    }
    if let Some(domain) = word.strip_prefix("include:") {
        return (!domain.is_empty()).then(|| Mechanism::Include(domain.to_owned()));
    }
    if let Some(network) = word.strip_prefix("ip4:").or(word.strip_prefix("ip6:")) {
        let (address, length) = network.split_once('/').map_or((network, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Some(most), |length| length.parse().ok().filter(|length| *length <= most))?;
        return Some(Mechanism::Network(address, length));
    }
    if word == "ptr" || word.starts_with("ptr:") || word.starts_with("exists:") {
        return Some(Mechanism::Other);
    }
    if let Some(rest) = word.strip_prefix("mx").filter(|rest| is_end(rest)) {
        return Some(Mechanism::Mx(name(rest)));
    }
    word.strip_prefix('a').filter(|rest| is_end(rest)).map(|rest| Mechanism::A(name(rest)))
}

/// Returns whether `address` lies in the network of `length` bits around `network`.
pub fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => shifted(u32::from(a).into(), 32, length) == shifted(u32::from(b).into(), 32, length),
        (IpAddr::V6(a), IpAddr::V6(b)) => shifted(a.into(), 128, length) == shifted(b.into(), 128, length),
        _ => false,
    }
}

fn shifted(address: u128, bits: u8, length: u8) -> u128 {
    address.checked_shr(u32::from(bits.saturating_sub(length))).unwrap_or(0)
}

/// What following a record to its end showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many look-ups it costs; more than [`LOOKUPS_MAX`] are too many.
    pub lookup_count: usize,
    /// Every domain whose record is made part of it.
    pub includes: BTreeSet<String>,
    /// Domains that are made part of it and have no record: the whole is broken by them.
    pub without_record: BTreeSet<String>,
    /// Whether one of the addresses asked about is let through.
    pub is_covered: bool,
    /// The qualifier of the `all` that counts: its own, or that of the record it is redirected to.
    pub all: Option<char>,
}

/// Follows the record of `domain` with all that it includes, and looks whether any of `addresses` is let through.
///
/// # Errors
/// A part of it could not be looked up: nothing is known of the whole then.
pub async fn follow(resolver: &Resolver, domain: &str, record: &SpfRecord, addresses: &[IpAddr]) -> Result<Followed, Silence> {
    let mut followed = Followed { all: record.all(), ..Followed::default() };
    // The record, its domain, and whether its `all` is the one that counts.
    let mut open = vec![(domain.to_owned(), record.clone(), true)];
    while let Some((domain, record, is_own)) = open.pop() {
        if is_own && record.all().is_some() {
            followed.all = record.all();
        }
        let mut next: Vec<(String, bool)> = Vec::new();
        for (qualifier, mechanism) in &record.mechanisms {
            let lets_through = *qualifier == '+';
            let found = match mechanism {
                Mechanism::All => continue,
                Mechanism::Network(network, length) => addresses.iter().any(|address| is_within(*address, *network, *length)),
                Mechanism::Include(name) => {
                    followed.lookup_count += 1;
                    next.push((name.clone(), false));
                    continue;
                }
                Mechanism::A(name) => {
                    followed.lookup_count += 1;
                    let found = resolver.addresses(name.as_deref().unwrap_or(&domain)).await?;
                    found.iter().any(|address| addresses.contains(address))
                }
                Mechanism::Mx(name) => {
                    followed.lookup_count += 1;
                    exchanges(resolver, name.as_deref().unwrap_or(&domain)).await?.iter().any(|found| addresses.contains(found))
                }
                Mechanism::Other => {
                    followed.lookup_count += 1;
                    continue;
                }
            };
            followed.is_covered |= found && lets_through;
        }
        if let Some(name) = record.redirect.filter(|_| !record.mechanisms.iter().any(|(_, one)| *one == Mechanism::All)) {
            followed.lookup_count += 1;
            next.push((name, is_own));
        }
        for (name, is_own) in next {
            // Names with macros are made of the sending address.
            if followed.lookup_count > FOLLOWED_MAX || name.contains('%') || !followed.includes.insert(name.clone()) {
                continue;
            }
            let texts = resolver.texts(&name).await?;
            match records(&texts).first() {
                Some(found) => open.push((name, SpfRecord::parse(found), is_own)),
                None => drop(followed.without_record.insert(name)),
            }
        }
    }
    Ok(followed)
}

async fn exchanges(resolver: &Resolver, name: &str) -> Result<Vec<IpAddr>, Silence> {
    let mut found = Vec::new();
    for record in resolver.look_up(name, Kind::Mx).await?.records().into_iter().take(LOOKUPS_MAX) {
        if let Record::Exchange(host) = record {
            found.extend(resolver.addresses(&host).await?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_from_other_texts() {
        let texts = ["v=spf1", "V=SPF1 -all", "v=spf10 -all", "google-site-verification=x", "v=spf1 a -all"].map(str::to_owned);
        assert_eq!(records(&texts), ["v=spf1", "V=SPF1 -all", "v=spf1 a -all"]);
    }

    #[test]
    fn a_record_is_taken_apart_in_any_case() {
        let parsed = SpfRecord::parse(
            "v=spf1 IP4:192.0.2.0/24 ip6:2001:db8::1 a mx:Mail.example/24 ?include:x.example ptr exists:%{i}.x.example exp=y ip4:1 oops ~ALL",
        );
        let expected = vec![
            ('+', Mechanism::Network("192.0.2.0".parse().unwrap(), 24)),
            ('+', Mechanism::Network("2001:db8::1".parse().unwrap(), 128)),
            ('+', Mechanism::A(None)),
            ('+', Mechanism::Mx(Some("mail.example".to_owned()))),
            ('?', Mechanism::Include("x.example".to_owned())),
            ('+', Mechanism::Other),
            ('+', Mechanism::Other),
            ('~', Mechanism::All),
        ];
        assert_eq!(parsed.mechanisms, expected);
        assert_eq!((parsed.unknown, parsed.redirect), (vec!["ip4:1".to_owned(), "oops".to_owned()], None));
        assert_eq!(SpfRecord::parse("v=spf1 redirect=_spf.x.example").redirect.as_deref(), Some("_spf.x.example"));
    }

    #[test]
    fn networks_hold_what_lies_in_them() {
        for (address, network, length, expected) in [
            ("192.0.2.255", "192.0.2.0", 24, true),
            ("192.0.3.0", "192.0.2.0", 24, false),
            ("10.0.0.1", "192.0.2.0", 0, true),
            ("192.0.2.1", "192.0.2.1", 32, true),
            ("::ffff:192.0.2.1", "192.0.2.0", 24, true),
            ("2001:db8::5", "2001:db8::", 64, true),
            ("2001:db9::5", "2001:db8::", 64, false),
            ("::1", "2001:db8::", 0, true),
            ("192.0.2.1", "::", 0, false),
        ] {
            assert_eq!(is_within(address.parse().unwrap(), network.parse().unwrap(), length), expected, "{address} {network}");
        }
    }
}
