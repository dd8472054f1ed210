//! Which keys sign whose mails, as they are handed to a server; and the records that a person publishes for them.
//!
//! Signing comes last, after everything that changes a message, and the signature is stored nowhere: the same message and
//! key give the same one. Source: docs/decisions/0024.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::{Config, SystemSecrets};
use crate::dkim::{RECORD_STRING_OCTETS_MAX, Signer, record_name, signatures};
use crate::domain::id::{SenderId, ServerId};
use crate::domain::problem::Problem;
use crate::port::Outgoing;

/// The keys of all senders, ready to sign.
#[derive(Debug, Default)]
pub struct Signing {
    senders: BTreeMap<SenderId, Vec<Signer>>,
    /// The headers that a server replaces with its own.
    replaced: BTreeMap<ServerId, Vec<&'static str>>,
}

impl Signing {
    /// Fetches every key of a configuration.
    ///
    /// # Errors
    /// The first key that is not there, or that no receiver would check.
    pub fn of(config: &Config) -> Result<Self, Problem> {
        let mut signing = Self::default();
        for key in &config.dkim {
            signing.senders.entry(key.sender.clone()).or_default().push(key.signer(&SystemSecrets)?);
        }
        signing.replaced.extend(config.servers.iter().map(|server| (server.id.clone(), server.replaces.clone())));
        Ok(signing)
    }

    /// Returns a message of `sender` as it goes to `server`: signed, if the sender has keys.
    pub(crate) fn signed(&self, sender: &SenderId, server: &ServerId, outgoing: Outgoing) -> Outgoing {
        let Some(signers) = self.senders.get(sender) else { return outgoing };
        let replaced = self.replaced.get(server).map_or(&[][..], Vec::as_slice);
        Outgoing { signatures: signatures(signers, replaced, &outgoing.bytes), ..outgoing }
    }
}

/// The DNS record of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    /// The sender whose mails it is for.
    pub sender: String,
    /// The algorithm: `rsa-sha256`.
    pub algorithm: &'static str,
    /// The record's name: `dunlin._domainkey.acme.example`.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

impl KeyRecord {
    /// Returns the record as a zone file has it: its text in strings of at most 255 octets.
    ///
    /// Source: RFC 6376 §3.6.2.2.
    pub fn zone_line(&self) -> String {
        let strings: Vec<String> = self
            .text
            .as_bytes()
            .chunks(RECORD_STRING_OCTETS_MAX)
            .map(|chunk| format!("\"{}\"", String::from_utf8_lossy(chunk)))
            .collect();
        format!("{}. IN TXT ( {} )", self.name, strings.join(" "))
    }
}

/// Returns the records of all keys of a configuration, and the problems of those that cannot be read.
pub fn key_records(config: &Config) -> (Vec<KeyRecord>, Vec<Problem>) {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    for key in &config.dkim {
        match key.signer(&SystemSecrets) {
            Ok(signer) => records.push(KeyRecord {
                sender: key.sender.to_string(),
                algorithm: signer.key.algorithm().as_str(),
                name: record_name(&signer.selector, &signer.domain),
                text: signer.key.record(),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    (records, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_longer_than_a_string_is_written_in_several() {
        let record = |length: usize| KeyRecord {
            sender: "ar".into(),
            algorithm: "rsa-sha256",
            name: "a._domainkey.b.example".into(),
            text: "x".repeat(length),
        };
        for (length, strings) in [(255, vec![255]), (256, vec![255, 1]), (600, vec![255, 255, 90])] {
            let line = record(length).zone_line();
            let found: Vec<usize> = line.split('"').skip(1).step_by(2).map(str::len).collect();
            assert_eq!(found, strings, "{line}");
            assert!(line.starts_with("a._domainkey.b.example. IN TXT ( \"") && line.ends_with("\" )"), "{line}");
        }
    }
}
