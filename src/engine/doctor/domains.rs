//! The senders' domains: whether receivers will believe that the mail is theirs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::Server;
use crate::dns::dmarc::{self, Dmarc, Policy};
use crate::dns::resolver::{Resolver, Silence};
use crate::dns::spf::{self, Followed, LOOKUPS_MAX, SpfRecord};
use crate::domain::mailbox::Sender;
use crate::engine::doctor::signed::{self, Proof};
use crate::engine::doctor::{DomainAsk, Finding, Level};
use crate::engine::workspace::Workspace;

/// What the customers of a provider publish.
pub(crate) struct Provider {
    /// The end of the host that mails are handed to.
    host: &'static str,
    /// Whose SPF record they include.
    include: &'static str,
    /// Under which selectors the provider signs with their domain; one of them suffices. Empty: each has its own.
    pub(crate) selectors: &'static [&'static str],
}

/// Source: what Microsoft, Google and Amazon tell their customers to publish.
const PROVIDERS: [Provider; 4] = [
    Provider { host: "office365.com", include: "spf.protection.outlook.com", selectors: &["selector1", "selector2"] },
    Provider { host: "outlook.com", include: "spf.protection.outlook.com", selectors: &["selector1", "selector2"] },
    Provider { host: "gmail.com", include: "_spf.google.com", selectors: &["google"] },
    Provider { host: "amazonaws.com", include: "amazonses.com", selectors: &[] },
];

pub(crate) fn provider(host: &str) -> Option<&'static Provider> {
    let host = host.to_ascii_lowercase();
    PROVIDERS.iter().find(|provider| host.ends_with(provider.host))
}

/// Returns every domain of a sender, in ASCII, with its senders.
pub(crate) fn of(workspace: &Workspace) -> BTreeMap<String, Vec<&Sender>> {
    let mut domains: BTreeMap<String, Vec<&Sender>> = BTreeMap::new();
    for sender in &workspace.config.senders {
        let domain = sender.address.rsplit('@').next().unwrap_or_default();
        domains.entry(ascii(domain)).or_default().push(sender);
    }
    domains
}

fn ascii(domain: &str) -> String {
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_ascii_lowercase())
}

pub(crate) async fn examine(workspace: &Workspace, asking: &DomainAsk<'_>, domain: &str, senders: &[&Sender]) -> Vec<Finding> {
    let resolver = asking.resolver;
    let mut findings = Vec::new();
    // Alerts and test mails have the sender's own address in the envelope, whatever the return path is.
    let mut envelopes: BTreeMap<String, Vec<&Sender>> = BTreeMap::from([(domain.to_owned(), senders.to_vec())]);
    for sender in senders {
        let of_envelope = envelopes.entry(ascii(sender.envelope_domain())).or_default();
        if !of_envelope.iter().any(|known| known.id == sender.id) {
            of_envelope.push(sender);
        }
    }
    for (envelope, senders) in &envelopes {
        let servers = servers_of(workspace, senders);
        let found = spf(resolver, envelope, &servers).await;
        findings.extend(found.unwrap_or_else(|silence| vec![unknown("spf", envelope, &silence)]));
    }
    let (policy, record) = match dmarc(resolver, domain).await {
        Ok(found) => found,
        Err(silence) => (unknown("dmarc", domain, &silence), None),
    };
    let signed = signed::examine(workspace, asking, domain, senders, record.as_ref()).await;
    findings.extend(signed.findings);
    findings.push(policy);
    if let Some(record) = record {
        for sender in senders {
            let proof = signed.proofs.get(&sender.id).copied().unwrap_or(Proof::Unknown);
            let found = aligned(resolver, domain, sender, &record, proof).await;
            findings.extend(found.unwrap_or_else(|silence| Some(unknown("dmarc", domain, &silence))));
        }
    }
    findings
}

/// Returns the servers that mails of any of these senders go through.
pub(crate) fn servers_of<'w>(workspace: &'w Workspace, senders: &[&Sender]) -> Vec<&'w Server> {
    let servers = workspace.config.servers.iter();
    servers.filter(|server| senders.iter().any(|sender| sender.servers.contains(&server.id))).collect()
}

/// Returns what is wrong where SPF is asked of a domain that does not count for the sender's: then all hangs on DKIM.
async fn aligned(
    resolver: &Resolver,
    domain: &str,
    sender: &Sender,
    record: &Dmarc,
    proof: Proof,
) -> Result<Option<Finding>, Silence> {
    let envelope = ascii(sender.envelope_domain());
    if dmarc::is_aligned(resolver, &envelope, domain, record.spf_is_strict).await? {
        return Ok(None);
    }
    let asked = if record.spf_is_strict { "its DMARC record asks for the same domain, `aspf=s`" } else { "it is another's" };
    let spf = format!("Bounces of `{}` go to {envelope}, so that SPF does not count for {domain} ({asked})", sender.id);
    let (level, what, why) = match proof {
        Proof::Given => (Level::Note, spf, "The mails pass DMARC by their DKIM signature alone."),
        Proof::Unknown => (
            Level::Note,
            spf,
            "The mails pass DMARC only with a DKIM signature of the domain, and whether they have one is not known.",
        ),
        Proof::Missing => {
            let what = format!("{spf}; and no DKIM signature counts for it");
            (Level::Fault, what, "The mails fail DMARC: receivers do with them what its record says, or worse.")
        }
    };
    let next_step = "Let bounces go to the sender's own domain (`return_path`), or have the mails signed with a DKIM key of it.";
    Ok(Some(Finding::new(level, "dmarc", domain, what).because(why, next_step)))
}

pub(crate) fn unknown(area: &'static str, domain: &str, silence: &Silence) -> Finding {
    Finding::new(Level::Unknown, area, domain, silence.to_string()).because(
        "Nothing is known of it, which says nothing about the domain.",
        "Try again, or ask another resolver with --resolver.",
    )
}

async fn spf(resolver: &Resolver, domain: &str, servers: &[&Server]) -> Result<Vec<Finding>, Silence> {
    let texts = resolver.texts(domain).await?;
    let records = spf::records(&texts);
    let fault = |what: String| Finding::new(Level::Fault, "spf", domain, what);
    let broken = "Receivers take such a record for broken, and the mail for unproven.";
    let record = match records[..] {
        [] => {
            return Ok(vec![fault("The domain has no SPF record".to_owned()).because(
                "Receivers cannot tell your mail from a forgery, and lay it among the spam or refuse it.",
                "Publish a TXT record of the domain: `v=spf1 include:… -all`, with what your provider tells.",
            )]);
        }
        [record] => SpfRecord::parse(record),
        _ => {
            let what = format!("The domain has {} SPF records", records.len());
            return Ok(vec![fault(what).because(broken, "Make one record of them.")]);
        }
    };
    if !record.unknown.is_empty() {
        let what = format!("The SPF record has words that are none: {}", record.unknown.join(", "));
        return Ok(vec![fault(what).because(broken, "Correct them.")]);
    }
    let mut addresses: Vec<(&Server, Vec<IpAddr>)> = Vec::new();
    for server in servers {
        let found = match server.host.parse() {
            Ok(address) => vec![address],
            // Whether it is covered is then not known; the session's own look-up tells of the server.
            Err(_) => resolver.addresses(&server.host).await.unwrap_or_default(),
        };
        addresses.push((server, found));
    }
    let mut findings = Vec::new();
    let mut is_whole_told = false;
    for (server, addresses) in &addresses {
        let followed = spf::follow(resolver, domain, &record, addresses).await?;
        if !is_whole_told {
            findings.extend(whole(domain, &followed));
            is_whole_told = true;
        }
        findings.extend(covered(domain, server, addresses, &followed));
    }
    if !findings.iter().any(|finding| finding.level > Level::Unknown) {
        findings.insert(0, Finding::ok("spf", domain, "The domain has one SPF record that ends and costs as it should"));
    }
    Ok(findings)
}

/// Returns what is wrong with the record as a whole.
fn whole(domain: &str, followed: &Followed) -> Vec<Finding> {
    let mut findings = Vec::new();
    if followed.lookup_count > LOOKUPS_MAX {
        let what = format!("The SPF record costs {} look-ups; {LOOKUPS_MAX} are allowed", followed.lookup_count);
        findings.push(Finding::new(Level::Fault, "spf", domain, what).because(
            "Receivers stop counting and take the record for broken.",
            "Take out what no longer sends, and write networks in place of names.",
        ));
    }
    if !followed.without_record.is_empty() {
        let names: Vec<&str> = followed.without_record.iter().map(String::as_str).collect();
        let what = format!("The SPF record includes domains without one: {}", names.join(", "));
        let why = "Receivers take the whole record for broken.";
        findings.push(Finding::new(Level::Fault, "spf", domain, what).because(why, "Correct or remove them."));
    }
    if !matches!(followed.all, Some('-' | '~')) {
        let what = match followed.all {
            Some(qualifier) => format!("The SPF record ends in `{qualifier}all`"),
            None => "The SPF record does not say what becomes of all others".to_owned(),
        };
        findings.push(
            Finding::new(Level::Note, "spf", domain, what)
                .because("Whoever forges your address passes, or nearly so.", "End the record in `-all`, or `~all` at first."),
        );
    }
    findings
}

/// Returns what the record says of the server that mails are handed to, as far as that can be told.
fn covered(domain: &str, server: &Server, addresses: &[IpAddr], followed: &Followed) -> Option<Finding> {
    let host = server.host.to_ascii_lowercase();
    let provider = provider(&host).map(|provider| provider.include);
    let (is_covered, wanted) = match provider {
        Some(include) => (followed.includes.contains(include), format!("`include:{include}`")),
        None => {
            let family = host.split_once('.').map_or(host.as_str(), |(_, above)| above);
            let is_family = followed.includes.iter().any(|name| name == family || name.ends_with(&format!(".{family}")));
            (followed.is_covered || is_family, format!("what allows {host}"))
        }
    };
    if is_covered {
        return None;
    }
    if provider.is_none() && (addresses.is_empty() || addresses.iter().all(is_near)) {
        let what = format!("The server `{}` is near; by which address its mails leave cannot be told from here", server.id);
        return Some(Finding::new(Level::Unknown, "spf", domain, what).because(
            "Receivers see that address and compare it with the SPF record.",
            "Send a mail with `dunlin smtp test --send --from SENDER` and read Authentication-Results in its headers.",
        ));
    }
    let what = format!("The SPF record does not seem to allow the server `{}` ({host})", server.id);
    Some(Finding::new(Level::Note, "spf", domain, what).because(
        "Receivers compare the address that a mail came from with the record; what it does not allow is likely spam to them.",
        format!("Add {wanted} to the record, unless the server sends by other addresses that it allows."),
    ))
}

/// Returns whether an address is of this machine or of a network of one's own.
fn is_near(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Returns what a domain's DMARC record asks, and the record where receivers go by it.
async fn dmarc(resolver: &Resolver, domain: &str) -> Result<(Finding, Option<Dmarc>), Silence> {
    let ask = "Gmail, Outlook.com and others ask it of everybody who sends much.";
    let Some((owner, found)) = dmarc::look_up(resolver, domain).await? else {
        let finding = Finding::new(Level::Fault, "dmarc", domain, "The domain has no DMARC record");
        let next_step = format!("Publish a TXT record of _dmarc.{domain}: `v=DMARC1; p=none; rua=mailto:…` to begin with.");
        return Ok((finding.because(ask, next_step), None));
    };
    let [record] = &found[..] else {
        let what = format!("_dmarc.{owner} has {} DMARC records", found.len());
        let why = "Receivers then act as if there were none.";
        return Ok((Finding::new(Level::Fault, "dmarc", domain, what).because(why, "Keep one of them."), None));
    };
    let finding = match record.policy_for(domain, &owner) {
        None => {
            let what = format!("The DMARC record of {owner} has no policy that is known");
            let why = "Receivers then act as if there were none.";
            let next_step = "Write `p=none`, `p=quarantine` or `p=reject`.";
            return Ok((Finding::new(Level::Fault, "dmarc", domain, what).because(why, next_step), None));
        }
        Some(Policy::None) => {
            let what = format!("The DMARC record of {owner} asks for nothing (`p=none`)");
            Finding::new(Level::Note, "dmarc", domain, what).because(
                "It meets what the big receivers ask, and keeps nobody from forging your reminders.",
                "Once the reports show only your own servers, write `p=quarantine`, later `p=reject`.",
            )
        }
        Some(policy) => {
            let asked = match policy {
                Policy::Reject => "refuse what is not proven",
                _ => "lay what is not proven among the spam",
            };
            Finding::ok("dmarc", domain, format!("The DMARC record of {owner} asks receivers to {asked}"))
        }
    };
    Ok((finding, Some(record.clone())))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::id::ServerId;
    use crate::smtp::settings::Security;

    pub(crate) fn server(host: &str) -> Server {
        Server {
            id: ServerId::new("primary"),
            host: host.to_owned(),
            port: 587,
            security: Security::StartTls,
            auth: None,
            rates: vec![],
            connections: 1,
            allow_plaintext: false,
            ca_file: None,
            hello_name: None,
            pipelining: true,
            size: 35_000_000,
            reuse: crate::smtp::settings::Reuse::default(),
            replaces: vec![],
        }
    }

    #[test]
    fn a_server_is_held_against_the_record_as_far_as_that_can_be_told() {
        let followed = |includes: &[&str], is_covered| Followed {
            includes: includes.iter().map(|name| (*name).to_owned()).collect(),
            is_covered,
            ..Followed::default()
        };
        let far: &[IpAddr] = &["192.0.2.1".parse().unwrap()];
        let near: &[IpAddr] = &["10.0.0.1".parse().unwrap()];
        for (host, addresses, followed, expected) in [
            ("smtp.office365.com", far, followed(&["spf.protection.outlook.com"], false), None),
            ("smtp.office365.com", far, followed(&[], true), Some(Level::Note)),
            ("smtp.gmail.com", far, followed(&["_spf.google.com"], false), None),
            ("mail.provider.example", far, followed(&[], true), None),
            ("mail.provider.example", far, followed(&["_spf.provider.example"], false), None),
            ("mail.provider.example", far, followed(&["_spf.other.example"], false), Some(Level::Note)),
            ("relay.corp.example", near, followed(&[], false), Some(Level::Unknown)),
            ("mail.provider.example", &[], followed(&[], false), Some(Level::Unknown)),
        ] {
            let found = covered("acme.example", &server(host), addresses, &followed).map(|finding| finding.level);
            assert_eq!(found, expected, "{host} {followed:?}");
        }
    }
}
