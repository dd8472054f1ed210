//! What a certificate says of itself: for whom, by whom, until when. Pure: DER in, words out.
//!
//! Nothing is verified here, which is rustls's work; this tells a person what the server showed, good or bad. Only what
//! is told is read, so that no X.509 library is needed. Source: RFC 5280 §4.1.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::date::Timestamp;

/// The most names of one certificate that are told.
pub const NAMES_MAX: usize = 20;

/// The longest text of a certificate that is told, in characters.
pub const TEXT_CHARS_MAX: usize = 200;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// 2.5.4.3, commonName.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.4.10, organizationName.
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
/// 2.5.29.17, subjectAltName.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is: its common name or organization, empty where it has neither.
    pub subject: String,
    /// Who issued it, in the same words.
    pub issuer: String,
    /// The host names and addresses it is good for.
    pub names: Vec<String>,
    /// The first moment it is good for.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Reads a certificate; `None` where the bytes are not one.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate, _) = element(der, Some(SEQUENCE))?;
        let (_, mut rest, _) = element(certificate, Some(SEQUENCE))?;
        if rest.first() == Some(&VERSION) {
            rest = element(rest, None)?.2;
        }
        // The serial number and the algorithm of the signature.
        rest = element(rest, None)?.2;
        rest = element(rest, Some(SEQUENCE))?.2;
        let (_, issuer, rest) = element(rest, Some(SEQUENCE))?;
        let (_, validity, rest) = element(rest, Some(SEQUENCE))?;
        let (_, subject, rest) = element(rest, Some(SEQUENCE))?;
        let (first_kind, first, validity) = element(validity, None)?;
        let (last_kind, last, _) = element(validity, None)?;
        Some(Self {
            subject: name(subject),
            issuer: name(issuer),
            names: alternative_names(rest),
            not_before: time(first_kind, first)?,
            not_after: time(last_kind, last)?,
        })
    }
}

/// Returns the kind and contents of the first element of `bytes`, and what follows it.
fn element(bytes: &[u8], expected: Option<u8>) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    if expected.is_some_and(|expected| expected != kind) {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        // DER has no indefinite length, and no certificate more than a few kilobytes.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((kind, contents, rest))
}

/// Returns the elements of `bytes` one after the other, as far as they are whole.
fn elements(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (kind, contents, after) = element(rest, None)?;
        rest = after;
        Some((kind, contents))
    })
}

/// Returns the common name of a distinguished name, or its organization.
fn name(bytes: &[u8]) -> String {
    let part = |wanted: &[u8]| {
        elements(bytes).filter(|(kind, _)| *kind == SET).find_map(|(_, set)| {
            let (_, attribute, _) = element(set, Some(SEQUENCE))?;
            let (_, id, rest) = element(attribute, Some(OBJECT_ID))?;
            let (_, value, _) = element(rest, None)?;
            (id == wanted).then(|| shown(value))
        })
    };
    part(COMMON_NAME).or_else(|| part(ORGANIZATION)).unwrap_or_default()
}

fn alternative_names(rest: &[u8]) -> Vec<String> {
    let found = elements(rest).find(|(kind, _)| *kind == EXTENSIONS).and_then(|(_, wrapped)| {
        let (_, extensions, _) = element(wrapped, Some(SEQUENCE))?;
        elements(extensions).find_map(|(_, extension)| {
            let mut parts = elements(extension);
            let (_, id) = parts.next().filter(|(kind, id)| *kind == OBJECT_ID && *id == ALTERNATIVE_NAMES)?;
            let (_, value) = parts.find(|(kind, _)| *kind != BOOLEAN).filter(|(kind, _)| *kind == OCTETS && !id.is_empty())?;
            element(value, Some(SEQUENCE)).map(|(_, names, _)| names)
        })
    });
    let names = elements(found.unwrap_or_default()).filter_map(|(kind, value)| match kind {
        DNS_NAME => Some(shown(value)),
        IP_ADDRESS => address(value),
        _ => None,
    });
    names.take(NAMES_MAX).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| std::net::Ipv4Addr::from(bytes).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        _ => None,
    }
}

/// Returns a text of the certificate without what a terminal could act on.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// Reads a time of the only two forms that RFC 5280 §4.1.2.5 allows.
fn time(kind: u8, bytes: &[u8]) -> Option<Timestamp> {
    let digits = str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
    let text = match (kind, digits.len()) {
        // Two digits of a year: 50 and more are of the last century.
        (UTC_TIME, 12) => format!("{}{digits}", if digits >= "50" { "19" } else { "20" }),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    DateTime::strptime("%Y%m%d%H%M%S", text).ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn named(name: &str, kind: DnType) -> DistinguishedName {
        let mut names = DistinguishedName::new();
        names.push(kind, name);
        names
    }

    fn sample() -> Vec<u8> {
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.distinguished_name = named("Acme Root \u{7}", DnType::OrganizationName);
        let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec!["mail.acme.example".to_owned(), "smtp.acme.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("::1".parse().unwrap()));
        params.distinguished_name = named("mail.acme.example", DnType::CommonName);
        // Either side of the change from one form of time to the other.
        (params.not_before, params.not_after) = (date_time_ymd(2028, 2, 29), date_time_ymd(2050, 1, 1));
        params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_tells_whose_it_is_who_issued_it_and_how_long_it_holds() {
        let expected = Certificate {
            subject: "mail.acme.example".to_owned(),
            issuer: "Acme Root ".to_owned(),
            names: ["mail.acme.example", "smtp.acme.example", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            not_before: "2028-02-29T00:00:00Z".parse().unwrap(),
            not_after: "2050-01-01T00:00:00Z".parse().unwrap(),
        };
        assert_eq!(Certificate::read(&sample()), Some(expected));
    }

    #[test]
    fn two_digits_of_a_year_are_of_two_centuries() {
        for (digits, expected) in
            [("491231235959Z", "2049-12-31T23:59:59Z"), ("500101000000Z", "1950-01-01T00:00:00Z"), ("490230000000Z", "")]
        {
            let found = time(UTC_TIME, digits.as_bytes()).map_or_else(String::new, |time| time.to_string());
            assert_eq!(found, expected, "{digits}");
        }
    }

    #[test]
    fn a_certificate_that_is_cut_off_is_none() {
        let whole = sample();
        for end in 0..whole.len() {
            assert_eq!(Certificate::read(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn texts_and_names_are_limited() {
        let many: Vec<String> = (0..=NAMES_MAX).map(|number| format!("{number}.example")).collect();
        let mut params = CertificateParams::new(many).unwrap();
        params.distinguished_name = named(&"x".repeat(TEXT_CHARS_MAX + 1), DnType::CommonName);
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let read = Certificate::read(&der).unwrap();
        assert_eq!((read.names.len(), read.subject.len()), (NAMES_MAX, TEXT_CHARS_MAX));
    }

    proptest! {
        #[test]
        fn no_bytes_can_make_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Certificate::read(&bytes));
            let mut changed = sample();
            let at = at.index(changed.len());
            changed[at] = byte;
            drop(Certificate::read(&changed));
        }
    }
}
