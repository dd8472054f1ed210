//! A chain of certificates made for one test: root, intermediate, server.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// What is wrong with a server's certificate, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    Good,
    Expired,
    NotYet,
    OtherName,
    /// Good, but the server does not send the intermediate one.
    Alone,
    /// Of an authority that nobody has heard of.
    Stranger,
    /// Of an authority with the names of ours and another key.
    Namesake,
}

impl Leaf {
    pub const ALL: [Self; 7] =
        [Self::Good, Self::Expired, Self::NotYet, Self::OtherName, Self::Alone, Self::Stranger, Self::Namesake];
}

/// An authority with one authority below it, which issues for servers.
pub struct Authority {
    /// The root's certificate: what a client is told to trust.
    pub root_pem: String,
    intermediate_pem: String,
    intermediate: Issuer<'static, KeyPair>,
}

/// What a server shows, and its key.
pub struct ServerFiles {
    pub chain_pem: String,
    pub key_pem: String,
}

impl Authority {
    pub fn new() -> Self {
        Self::named("Test")
    }

    fn named(name: &str) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root = authority(&format!("{name} root"));
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let key = KeyPair::generate().unwrap();
        let intermediate = authority(&format!("{name} intermediate"));
        let intermediate_pem = intermediate.signed_by(&key, &root).unwrap().pem();
        Self { root_pem, intermediate_pem, intermediate: Issuer::new(intermediate, key) }
    }

    /// Returns the files of a server at 127.0.0.1.
    pub fn server(&self, leaf: Leaf) -> ServerFiles {
        match leaf {
            Leaf::Stranger => return Self::named("Strange").server(Leaf::Good),
            Leaf::Namesake => return Self::new().server(Leaf::Good),
            _ => {}
        }
        let name = if leaf == Leaf::OtherName { "mail.other.example" } else { "127.0.0.1" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        match leaf {
            Leaf::Expired => params.not_after = date_time_ymd(2020, 2, 29),
            Leaf::NotYet => params.not_before = date_time_ymd(2999, 1, 1),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.intermediate).unwrap().pem();
        let below = if leaf == Leaf::Alone { "" } else { &self.intermediate_pem };
        ServerFiles { chain_pem: format!("{own}{below}"), key_pem: key.serialize_pem() }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}
