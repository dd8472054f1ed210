//! Whether the mails of a domain's senders are signed with DKIM, by keys that receivers find and that count for the domain.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{DkimKey as OwnKey, Server, SystemSecrets};
use crate::dkim::record_name;
use crate::dns::dkim::DkimKey;
use crate::dns::dmarc::{Dmarc, is_aligned};
use crate::dns::resolver::{Resolver, Silence};
use crate::domain::id::SenderId;
use crate::domain::mailbox::Sender;
use crate::engine::doctor::domains::{provider, servers_of, unknown};
use crate::engine::doctor::{DomainAsk, Finding, Level};
use crate::engine::workspace::Workspace;

/// Whether a sender's mails have a signature that counts for its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// None.
    Missing,
    /// It could not be found out.
    Unknown,
    /// They have.
    Given,
}

/// What was found of a domain.
pub(crate) struct Signed {
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// For each sender, whether its mails are proven.
    pub(crate) proofs: BTreeMap<SenderId, Proof>,
}

/// Looks at the keys of the senders of `domain`, whose DMARC record is `dmarc`, and at those of their providers.
pub(crate) async fn examine(
    workspace: &Workspace,
    asking: &DomainAsk<'_>,
    domain: &str,
    senders: &[&Sender],
    dmarc: Option<&Dmarc>,
) -> Signed {
    let mut signed = Signed { findings: Vec::new(), proofs: BTreeMap::new() };
    let is_strict = dmarc.is_some_and(|dmarc| dmarc.dkim_is_strict);
    for sender in senders {
        for key in workspace.config.dkim.iter().filter(|key| key.sender == sender.id) {
            let (finding, proof) = match own(asking.resolver, domain, key, is_strict).await {
                Ok(found) => found,
                Err(silence) => (unknown("dkim", domain, &silence), Proof::Unknown),
            };
            // Two senders may have one key.
            if !signed.findings.contains(&finding) {
                signed.findings.push(finding);
            }
            signed.raise(sender, proof);
        }
    }
    let others: Vec<&Sender> = senders.iter().copied().filter(|sender| !signed.proofs.contains_key(&sender.id)).collect();
    let servers = servers_of(workspace, senders);
    let mut found: BTreeMap<Vec<String>, Proof> = BTreeMap::new();
    for selectors in selectors(asking.selectors, &servers) {
        let (finding, proof) = match published(asking.resolver, domain, &selectors).await {
            Ok(found) => found,
            Err(silence) => (unknown("dkim", domain, &silence), Proof::Unknown),
        };
        signed.findings.push(finding);
        found.insert(selectors, proof);
    }
    let is_asked_found = asking.selectors.iter().any(|selector| found.get(&vec![selector.clone()]) == Some(&Proof::Given));
    let mut untold = BTreeSet::new();
    for sender in others {
        let of_server = |server: &&Server| match group(server) {
            Some(group) => found.get(&group).copied().unwrap_or(Proof::Unknown),
            None if is_asked_found => Proof::Given,
            None => Proof::Unknown,
        };
        let servers = servers_of(workspace, &[sender]);
        signed.raise(sender, servers.iter().map(of_server).min().unwrap_or(Proof::Unknown));
        untold.extend(servers.iter().filter(|server| group(server).is_none()).map(|server| format!("`{}`", server.id)));
    }
    if asking.selectors.is_empty() && !untold.is_empty() {
        let names = untold.into_iter().collect::<Vec<_>>().join(", ");
        let what =
            format!("Whether mails that go through {names} are signed cannot be told from here: no key of ours signs them");
        signed.findings.push(Finding::new(Level::Unknown, "dkim", domain, what).because(
            "A mail that is not signed for its domain loses its proof as soon as somebody passes it on.",
            "Send a mail with `dunlin smtp test --send --from SENDER` and read Authentication-Results in its headers; name the selector of \
             a server that signs with --selector, or give the sender a key with `dkim`.",
        ));
    }
    signed
}

impl Signed {
    /// One signature that counts suffices.
    fn raise(&mut self, sender: &Sender, proof: Proof) {
        let best = self.proofs.entry(sender.id.clone()).or_insert(proof);
        *best = proof.max(*best);
    }
}

/// Returns the selectors of the provider whose server this is, if it signs under some that are known.
fn group(server: &Server) -> Option<Vec<String>> {
    let selectors = provider(&server.host)?.selectors;
    (!selectors.is_empty()).then(|| selectors.iter().map(|selector| (*selector).to_owned()).collect())
}

/// Returns under which selectors a DKIM key must stand: one of each group.
fn selectors(asked: &[String], servers: &[&Server]) -> BTreeSet<Vec<String>> {
    let groups = servers.iter().filter_map(|server| group(server));
    groups.chain(asked.iter().map(|selector| vec![selector.clone()])).collect()
}

/// Returns what is published for a key of our own, and whether a signature of it counts for `domain`.
async fn own(resolver: &Resolver, domain: &str, key: &OwnKey, is_strict: bool) -> Result<(Finding, Proof), Silence> {
    let name = record_name(&key.selector, &key.domain);
    let texts = resolver.texts(&name).await?;
    let published: Vec<DkimKey> = texts.iter().filter_map(|text| DkimKey::parse(text)).collect();
    let fault = |what: String, next_step: &str| {
        let why = "Receivers find every signature of it broken, which is worse to them than none.";
        (Finding::new(Level::Fault, "dkim", domain, what).because(why, next_step), Proof::Missing)
    };
    let publish = "Publish the record that `dunlin dkim` prints.";
    if published.is_empty() {
        return Ok(fault(format!("There is no DKIM key under {name}, and mails are signed with one"), publish));
    }
    if published.iter().all(|key| *key == DkimKey::Revoked) {
        return Ok(fault(format!("The DKIM key under {name} was taken back, and mails are signed with it"), publish));
    }
    let Ok(signer) = key.signer(&SystemSecrets) else {
        let what =
            format!("There is a DKIM key under {name}; whether it is ours cannot be told, as the private one cannot be read");
        let why = "With another key, receivers find every signature broken.";
        let next_step = "Ask again as the user that the daemon runs as, or see what `dunlin check` says of the key.";
        return Ok((Finding::new(Level::Unknown, "dkim", domain, what).because(why, next_step), Proof::Unknown));
    };
    let is_ours = |found: &DkimKey| matches!(found, DkimKey::Present { kind, key } if signer.key.is_published_as(kind, key));
    if !published.iter().any(is_ours) {
        let ours = signer.key.algorithm().key_type();
        let what = match published.iter().find_map(|key| if let DkimKey::Present { kind, .. } = key { Some(kind) } else { None })
        {
            Some(kind) if kind != ours => format!("The DKIM key under {name} is of another kind (`{kind}`) than ours (`{ours}`)"),
            _ => format!("The DKIM key under {name} is another one than ours"),
        };
        return Ok(fault(
            what,
            "Publish the record that `dunlin dkim` prints, or name the private key that the published one belongs to.",
        ));
    }
    if !is_aligned(resolver, &key.domain, domain, is_strict).await? {
        let asked = if is_strict { "its DMARC record asks for the same domain, `adkim=s`" } else { "it is another's" };
        let what = format!("Our DKIM key is under {name}, and its signature does not count for {domain} ({asked})");
        let next_step = format!("Sign with a key of {domain}.");
        let why = "For DMARC the mails are as if they were not signed.";
        return Ok((Finding::new(Level::Note, "dkim", domain, what).because(why, next_step), Proof::Missing));
    }
    Ok((Finding::ok("dkim", domain, format!("Our DKIM key is under {name}")), Proof::Given))
}

/// Returns whether there is a key of `domain` under one of these selectors, which are not ours.
async fn published(resolver: &Resolver, domain: &str, selectors: &[String]) -> Result<(Finding, Proof), Silence> {
    let mut is_revoked = false;
    for selector in selectors {
        let texts = resolver.texts(&record_name(selector, domain)).await?;
        match texts.iter().find_map(|text| DkimKey::parse(text)) {
            Some(DkimKey::Present { .. }) => {
                let what = format!("There is a DKIM key under the selector {selector}");
                return Ok((Finding::ok("dkim", domain, what), Proof::Given));
            }
            Some(DkimKey::Revoked) => is_revoked = true,
            None => {}
        }
    }
    let names = selectors.join(" or ");
    let what = match is_revoked {
        true => format!("The DKIM key under the selector {names} was taken back"),
        false => format!("There is no DKIM key under the selector {names}"),
    };
    let finding = Finding::new(Level::Fault, "dkim", domain, what).because(
        "Mail that is signed with it, or not signed for the domain at all, loses its proof as soon as somebody passes it on.",
        "Switch DKIM on for the domain at your provider, and publish the records that it shows.",
    );
    Ok((finding, Proof::Missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doctor::domains::tests::server;

    #[test]
    fn a_provider_signs_under_selectors_of_its_own() {
        let (exchange, google, own) = (server("smtp.office365.com"), server("SMTP.gmail.com"), server("mail.acme.example"));
        let found = selectors(&["mine".to_owned()], &[&exchange, &google, &own, &exchange]);
        let found: Vec<String> = found.iter().map(|group| group.join("|")).collect();
        assert_eq!(found, ["google", "mine", "selector1|selector2"]);
    }
}
