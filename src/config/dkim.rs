//! The DKIM keys of a sender: where each is, and under which name its public half is published.

use crate::config::secret::{Literal, secret};
use crate::config::server::is_host_name;
use crate::config::{SecretRef, Secrets};
use crate::dkim::{Signer, SigningKey, record_name};
use crate::domain::id::SenderId;
use crate::domain::problem::Problem;
use crate::yaml::{Fields, Node, Problems, Span, text};

/// The most keys of one sender: both algorithms, and both anew while keys are changed.
pub const DKIM_KEYS_MAX: usize = 4;

/// The longest name a record can have. Source: RFC 1035 §2.3.4.
const RECORD_NAME_CHARACTERS_MAX: usize = 253;

/// A key that a sender's mails are signed with.
#[derive(Clone, Debug)]
pub struct DkimKey {
    /// Whose mails.
    pub sender: SenderId,
    /// The domain that answers for them, in ASCII and lower case.
    pub domain: String,
    /// The key's name in that domain.
    pub selector: String,
    /// The private key: never a literal.
    pub key: SecretRef,
}

impl DkimKey {
    /// Fetches the private key and returns what signs with it.
    ///
    /// # Errors
    /// It is not there, or no key that receivers check.
    pub fn signer(&self, secrets: &dyn Secrets) -> Result<Signer, Problem> {
        let pem = self.key.resolve_lines(secrets)?;
        let key = SigningKey::from_pem(pem.expose()).map_err(|fault| {
            let hint = "make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048` or `-algorithm ed25519`";
            Problem::error(fault.to_string()).at(self.key.place.clone()).hint(hint)
        })?;
        Ok(Signer { domain: self.domain.clone(), selector: self.selector.clone(), key })
    }
}

/// Reads one key of `sender`, whose address is `from` where it could be read.
pub(crate) fn dkim(node: &Node, sender: &str, from: Option<&str>, problems: &mut Problems<'_>) -> Option<DkimKey> {
    let mut fields = Fields::open(node, "a DKIM key", problems)?;
    let domain_span = fields.node("domain").map_or(node.span, |node| node.span);
    let domain = fields.required("domain", problems, domain);
    let selector = fields.required("selector", problems, selector);
    let key = fields.required("key", problems, key);
    fields.close(problems);
    let (domain, selector, key) = (domain?, selector?, key?);
    let name = record_name(&selector, &domain);
    if name.len() > RECORD_NAME_CHARACTERS_MAX {
        problems.error_hint(domain_span, format!("`{name}` is too long for a name in DNS"), "write a shorter selector");
        return None;
    }
    if let Some(from) = from {
        check_alignment(&domain, from, domain_span, problems);
    }
    Some(DkimKey { sender: SenderId::new(sender), domain, selector, key })
}

/// Warns where a signature would not count for the domain that customers see.
///
/// Source: RFC 7489 §3.1.1. Two names below one organisation's domain count as the same there; which domain that is nobody can
/// tell without a list, so that only one above the other is believed.
fn check_alignment(domain: &str, from: &str, span: Span, problems: &mut Problems<'_>) {
    let own = from.rsplit('@').next().unwrap_or_default();
    let Some(own) = ascii_domain(own) else { return };
    let is_below = |below: &str, above: &str| below.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
    if own != domain && !is_below(&own, domain) && !is_below(domain, &own) {
        let message = format!("A signature of `{domain}` does not count for mails from `{from}` where receivers ask for DMARC");
        problems.warning_hint(span, message, format!("sign with a key of `{own}`"));
    }
}

fn ascii_domain(written: &str) -> Option<String> {
    idna::domain_to_ascii(written).ok().map(|domain| domain.to_ascii_lowercase())
}

fn domain(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    let found = ascii_domain(&written).filter(|domain| is_host_name(domain) && domain.contains('.'));
    if found.is_none() {
        problems.error_hint(node.span, format!("`{written}` is not a domain"), "write the part behind the `@`: `example.com`");
    }
    found
}

fn selector(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    // Source: RFC 6376 §3.1: labels of DNS with dots between.
    let is_right = written.split('.').all(|label| label.len() <= 63 && is_host_name(label) || label.parse::<u32>().is_ok());
    if !is_right {
        let hint = "write a name such as `dunlin-2026`; the record is published as `<name>._domainkey.<domain>`";
        problems.error_hint(node.span, format!("`{written}` cannot name a DKIM key"), hint);
    }
    is_right.then_some(written)
}

fn key(node: &Node, problems: &mut Problems<'_>) -> Option<SecretRef> {
    secret(Literal::Never)(node, problems)
}

/// Checks what one key cannot tell alone: how many there are, and that no two are published under one name.
pub(crate) fn check_keys(keys: &[DkimKey], span: Span, problems: &mut Problems<'_>) {
    if keys.len() > DKIM_KEYS_MAX {
        problems.error(span, format!("{} DKIM keys are named; at most {DKIM_KEYS_MAX} are read", keys.len()));
    }
    for (place, key) in keys.iter().enumerate() {
        let is_same = |other: &&DkimKey| other.selector == key.selector && other.domain == key.domain;
        if keys[..place].iter().any(|other| is_same(&other)) {
            let name = record_name(&key.selector, &key.domain);
            problems.error_hint(span, format!("Two DKIM keys are named `{name}`"), "give each a selector of its own");
        }
    }
}
