//! The key file of a Google service account, as the console hands it out.

use serde_json::Value;

use crate::domain::secret::Secret;
use crate::net::address::{WebAddress, WebAddressFault};
use crate::oauth::assertion::{KeyFault, SigningKey};

/// What the file says.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The service account's address.
    pub email: String,
    /// The name of its key.
    pub key_id: String,
    /// The key.
    pub key: SigningKey,
    /// Where its tokens are given out.
    pub token_url: WebAddress,
}

/// Why a file cannot be used; without a word of what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileFault {
    /// It is no JSON object.
    #[error("is not the key file of a service account: it is not JSON")]
    NotJson,
    /// It is another of Google's files.
    #[error("is not the key file of a service account: its `type` is {0:?}")]
    OtherType(String),
    /// A part is missing.
    #[error("is not the key file of a service account: it has no `{0}`")]
    Missing(&'static str),
    /// Its key cannot sign.
    #[error("has a `private_key` that {0}")]
    Key(KeyFault),
    /// Its address is none.
    #[error("has a `token_uri` that {0}")]
    TokenUri(WebAddressFault),
}

impl KeyFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`KeyFileFault`].
    pub fn parse(text: &Secret) -> Result<Self, KeyFileFault> {
        let file: Value = serde_json::from_str(text.expose()).map_err(|_| KeyFileFault::NotJson)?;
        if !file.is_object() {
            return Err(KeyFileFault::NotJson);
        }
        let part = |name: &'static str| match file[name].as_str() {
            Some(part) if !part.is_empty() => Ok(part),
            _ => Err(KeyFileFault::Missing(name)),
        };
        let kind = part("type")?;
        if kind != "service_account" {
            return Err(KeyFileFault::OtherType(kind.chars().take(40).collect()));
        }
        Ok(Self {
            email: part("client_email")?.to_owned(),
            key_id: part("private_key_id")?.to_owned(),
            key: SigningKey::from_pem(&Secret::new(part("private_key")?)).map_err(KeyFileFault::Key)?,
            token_url: WebAddress::parse(part("token_uri")?).map_err(KeyFileFault::TokenUri)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::assertion::tests::KEY;

    #[test]
    fn a_key_file_is_read_or_told_what_is_wrong() {
        let whole = json!({
            "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": KEY,
            "client_email": "robot@p.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
        });
        let fault = |name: &str, value: Value| {
            let mut changed = whole.clone();
            changed[name] = value;
            KeyFile::parse(&Secret::new(changed.to_string())).err().map(|fault| fault.to_string())
        };
        assert_eq!(fault("project_id", json!("q")), None);
        let is_not = "is not the key file of a service account";
        for (name, value, expected) in [
            ("type", json!("authorized_user"), format!("{is_not}: its `type` is \"authorized_user\"")),
            ("type", json!(1), format!("{is_not}: it has no `type`")),
            ("client_email", json!(null), format!("{is_not}: it has no `client_email`")),
            ("private_key_id", json!(""), format!("{is_not}: it has no `private_key_id`")),
            (
                "private_key",
                json!("x"),
                "has a `private_key` that has no private key in PEM form (`-----BEGIN PRIVATE KEY-----`)".to_owned(),
            ),
            ("token_uri", json!("http://t.example/"), "has a `token_uri` that would send secrets in plain text".to_owned()),
        ] {
            assert_eq!(fault(name, value), Some(expected));
        }
        for text in ["", "[]", "{", "hunter2"] {
            assert_eq!(KeyFile::parse(&Secret::new(text)).err(), Some(KeyFileFault::NotJson), "{text}");
        }
    }
}
