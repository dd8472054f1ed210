//! Secrets of config.yaml: where they are, how they are fetched, and how they stay out of every message.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::domain::problem::{Place, Problem, nearest};
use crate::domain::secret::Secret;
use crate::rulebook::Readers;
use crate::yaml::{Node, Problems, text};

/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 16 << 10;

/// The variable in which the service manager names the folder of its credentials. Source: systemd.exec(5).
const CREDENTIALS_FOLDER: &str = "CREDENTIALS_DIRECTORY";

/// The keys whose values are secrets.
const SECRET_KEYS: [&str; 5] = ["password", "client_secret", "refresh_token", "private_key", "service_account"];
/// The key of a DKIM key, which may not be a literal; somebody will write one all the same.
const PRIVATE_KEY: &str = "key";

/// A secret that config.yaml names, and the place where it does.
#[derive(Clone, Debug)]
pub struct SecretRef {
    /// Where the secret is.
    pub source: SecretSource,
    /// Where config.yaml says so; its text shows no literal secret.
    pub place: Place,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In config.yaml itself.
    Literal(Secret),
    /// In an environment variable: `${env:NAME}`.
    Environment(String),
    /// In a file of its own: `${file:/path}`.
    File(String),
    /// In a credential that the service manager hands over: `${credential:name}`.
    Credential(String),
}

/// Fetches secrets from outside. Tests give their own.
pub trait Secrets {
    /// Returns the environment variable `name`, if it is set to a text.
    fn environment(&self, name: &str) -> Option<String>;

    /// Returns at most `limit` bytes from the start of the file at `path`.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    fn file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
}

/// The environment and the files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemSecrets;

impl Secrets for SystemSecrets {
    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl SecretRef {
    /// Fetches a secret of one line. A line break at its end is not part of it.
    ///
    /// # Errors
    /// The variable is not set, the file cannot be read, or what is there is no secret: empty, of several lines, too long.
    pub fn resolve(&self, secrets: &dyn Secrets) -> Result<Secret, Problem> {
        let problem = |message: String| Problem::error(message).at(self.place.clone());
        let text = self.fetch(secrets)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(problem(format!("{} is empty", self.what())));
        }
        if text.chars().any(char::is_control) {
            return Err(problem(format!("{} holds more than one line, or a control character", self.what())));
        }
        Ok(Secret::new(text))
    }

    /// Fetches a secret of several lines, such as a private key, as it stands.
    ///
    /// # Errors
    /// As [`SecretRef::resolve`]; several lines are none.
    pub fn resolve_lines(&self, secrets: &dyn Secrets) -> Result<Secret, Problem> {
        self.fetch(secrets).map(Secret::new)
    }

    /// Returns what the secret stands in, as messages name it.
    pub fn what(&self) -> String {
        match &self.source {
            SecretSource::Literal(_) => "The secret".to_owned(),
            SecretSource::Environment(name) => format!("The environment variable `{name}`"),
            SecretSource::File(path) => format!("The secret's file `{path}`"),
            SecretSource::Credential(name) => format!("The credential `{name}`"),
        }
    }

    /// Returns the text that is there.
    fn fetch(&self, secrets: &dyn Secrets) -> Result<String, Problem> {
        let problem = |message: String| Problem::error(message).at(self.place.clone());
        let file = |path: &Path, what: &str, hint: &str| {
            let unreadable = |error| problem(format!("Cannot read {what}: {error}")).hint(hint);
            secrets.file(path, SECRET_BYTES_MAX + 1).map_err(unreadable)
        };
        let found = match &self.source {
            SecretSource::Literal(secret) => return Ok(secret.expose().to_owned()),
            SecretSource::Environment(name) => {
                let unset = || problem(format!("{} is not set", self.what())).hint("set it before you start the program");
                secrets.environment(name).ok_or_else(unset)?.into_bytes()
            }
            SecretSource::File(path) => {
                let hint = "check that it is there and that the program may read it";
                file(Path::new(path), &format!("the secret's file `{path}`"), hint)?
            }
            SecretSource::Credential(name) => {
                let folder = secrets.environment(CREDENTIALS_FOLDER).filter(|folder| !folder.is_empty());
                let folder = folder.ok_or_else(|| {
                    let message = format!("There is no credential `{name}`, since no service manager started the program");
                    problem(message)
                        .hint(format!("in the unit, write `LoadCredential={name}:/path`; elsewhere name the file itself"))
                })?;
                let hint = format!("in the unit, write `LoadCredential={name}:/path`");
                file(&Path::new(&folder).join(name), &format!("the credential `{name}`"), &hint)?
            }
        };
        if found.len() as u64 > SECRET_BYTES_MAX {
            return Err(problem(format!("{} has more than {SECRET_BYTES_MAX} bytes", self.what())));
        }
        String::from_utf8(found).map_err(|_| problem(format!("{} is not UTF-8 text", self.what())))
    }
}

/// Whether a secret may stand in config.yaml itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// Where nobody but the file's owner can read it.
    For(Readers),
    /// Never: it is a file of its own.
    Never,
}

/// Reads a secret or the name of one.
pub(crate) fn secret(literal: Literal) -> impl Fn(&Node, &mut Problems<'_>) -> Option<SecretRef> {
    move |node, problems| {
        let written = text(node, problems)?;
        let forms = "write \"${env:NAME}\", \"${file:/path}\" or \"${credential:name}\"";
        let reference = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        // No message here quotes the value: what looks like a slip may be the secret itself.
        let source = match reference.map(|inside| inside.split_once(':')) {
            None if written.contains("${") => Err("A reference to a secret is the whole value, with nothing beside it"),
            None if written.is_empty() => Err("The secret is empty"),
            None => literal_secret(written, literal),
            Some(Some(("env", name))) if is_variable(name) => Ok(SecretSource::Environment(name.to_owned())),
            Some(Some(("env", _))) => Err("The name of an environment variable has letters, digits and `_` only"),
            Some(Some(("file", path))) if Path::new(path).is_absolute() => Ok(SecretSource::File(path.to_owned())),
            Some(Some(("file", _))) => Err("The path of a secret's file is absolute"),
            Some(Some(("credential", name))) if is_credential(name) => Ok(SecretSource::Credential(name.to_owned())),
            Some(Some(("credential", _))) => Err("The name of a credential has letters, digits, `.`, `-` and `_` only"),
            Some(_) => Err("A secret is in `env`, in `file` or in `credential`"),
        };
        match source {
            Ok(source) => Some(SecretRef { source, place: problems.place(node.span) }),
            Err(message) => {
                let way_out = if message.ends_with("can read") { OWN_FILE } else { "" };
                problems.error_hint(node.span, message, format!("{forms}{way_out}"));
                None
            }
        }
    }
}

/// What a file's owner may do instead of taking the secret out of it.
const OWN_FILE: &str = "; or let nobody else read it: `chmod 600 config.yaml`";

fn literal_secret(written: String, literal: Literal) -> Result<SecretSource, &'static str> {
    match literal {
        Literal::Never => Err("A key does not stand in config.yaml itself"),
        Literal::For(_) if written.chars().any(char::is_control) => {
            Err("The secret has more than one line, or a control character")
        }
        Literal::For(Readers::Everybody) => Err("The secret stands in a file that every user of this machine can read"),
        Literal::For(Readers::Group) => Err("The secret stands in a file that its owner's group can read"),
        Literal::For(Readers::Few) => Ok(SecretSource::Literal(Secret::new(written))),
    }
}

/// Returns whether `name` can be a credential's, which is the name of a file. Source: systemd.exec(5), `LoadCredential=`.
fn is_credential(name: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    !matches!(name, "" | "." | "..") && name.len() <= 255 && name.chars().all(is_plain)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// Returns `source` with stars over whatever may be a literal secret, every other character in its place.
///
/// All places of config.yaml are cut from this text, so that no problem can show a secret. It goes by lines alone, since
/// a file that is no YAML has no tree to go by, and it covers the values of keys that are almost `password` too: a
/// misspelt key is just when the line gets shown.
pub(crate) fn concealed(source: &str) -> String {
    let mut covered = String::with_capacity(source.len());
    // How far the line of the last secret is indented: lines further in may go on with its value.
    let mut within = None;
    for line in source.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let is_blank = line.trim().is_empty();
        let goes_on = within.is_some_and(|outer| is_blank || indent > outer);
        let start = if goes_on { Some(indent) } else { secret_value(line) };
        if !goes_on {
            within = start.map(|_| indent);
        }
        let start = start.unwrap_or(line.len());
        covered.push_str(&line[..start]);
        covered.extend(line[start..].chars().map(|character| if matches!(character, '\n' | '\r') { character } else { '*' }));
    }
    covered
}

/// Returns where in `line` the first value starts that may be a literal secret: after a secret's key and its colon.
fn secret_value(line: &str) -> Option<usize> {
    line.match_indices(':').map(|(colon, _)| colon).find_map(|colon| {
        let key = line[..colon].rsplit(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty())?;
        // `key` alone, since half the words of the file are near it.
        if key != PRIVATE_KEY {
            nearest(key, SECRET_KEYS)?;
        }
        let value = &line[colon + 1..];
        let indent = value.len() - value.trim_start().len();
        let is_reference = value.trim_start().trim_start_matches(['"', '\'']).starts_with("${");
        (!is_reference).then_some(colon + 1 + indent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for a machine with one variable and one file each.
    struct Fixed;

    impl Secrets for Fixed {
        fn environment(&self, name: &str) -> Option<String> {
            match name {
                "SET" => Some("hunter2".into()),
                "EMPTY" => Some(String::new()),
                "CREDENTIALS_DIRECTORY" => Some("/run/credentials".into()),
                _ => None,
            }
        }

        fn file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
            let bytes = match path.to_str() {
                Some("/line" | "/run/credentials/smtp") => b"hunter2\r\n".to_vec(),
                Some("/lines") => b"hunter2\nhunter3\n".to_vec(),
                Some("/latin") => b"h\xfcnter".to_vec(),
                Some("/long") => vec![b'x'; 1 << 20],
                _ => return Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
            };
            Ok(bytes.into_iter().take(limit as usize).collect())
        }
    }

    fn resolved(source: SecretSource) -> String {
        match (SecretRef { source, place: Place::file("config.yaml") }).resolve(&Fixed) {
            Ok(secret) => secret.expose().to_owned(),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn a_secret_is_fetched_from_where_it_is_or_the_reason_is_given() {
        let environment = |name: &str| resolved(SecretSource::Environment(name.into()));
        let file = |path: &str| resolved(SecretSource::File(path.into()));
        assert_eq!(resolved(SecretSource::Literal(Secret::new("x"))), "x");
        assert_eq!(environment("SET"), "hunter2");
        assert_eq!(file("/line"), "hunter2");
        assert_eq!(resolved(SecretSource::Credential("smtp".into())), "hunter2");
        let faults = [
            (environment("EMPTY"), "The environment variable `EMPTY` is empty"),
            (environment("UNSET"), "The environment variable `UNSET` is not set; set it before you start the program"),
            (file("/lines"), "The secret's file `/lines` holds more than one line, or a control character"),
            (file("/latin"), "The secret's file `/latin` is not UTF-8 text"),
            (file("/long"), "The secret's file `/long` has more than 16384 bytes"),
            (
                file("/none"),
                "Cannot read the secret's file `/none`: no such file; check that it is there and that the program may read it",
            ),
            (
                resolved(SecretSource::Credential("imap".into())),
                "Cannot read the credential `imap`: no such file; in the unit, write `LoadCredential=imap:/path`",
            ),
        ];
        for (found, expected) in faults {
            assert_eq!(found, format!("config.yaml: {expected}"));
        }
        let key = SecretRef { source: SecretSource::File("/lines".into()), place: Place::file("config.yaml") };
        assert_eq!(key.resolve_lines(&Fixed).unwrap(), Secret::new("hunter2\nhunter3\n"));
    }

    #[test]
    fn the_system_reads_no_more_of_a_file_than_it_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\n").unwrap();
        assert_eq!(SystemSecrets.file(&path, 4).unwrap(), b"hunt");
        assert_eq!(SystemSecrets.environment("DUNLIN_TEST_NO_SUCH_VARIABLE"), None);
    }

    #[test]
    fn what_may_be_a_secret_is_covered_and_nothing_else() {
        for (source, covered) in [
            ("password: hunter2\nuser: a\n", "password: *******\nuser: a\n"),
            ("auth: { user: a, password: \"x, y\", usr: b }", "auth: { user: a, password: ****************"),
            ("  pasword: hünter2\r\n", "  pasword: *******\r\n"),
            ("auth: { password: \"${env:A}\", usr: b }\n  c: d", "auth: { password: \"${env:A}\", usr: b }\n  c: d"),
            ("{ password: \"${env:A}\", client_secret: x }", "{ password: \"${env:A}\", client_secret: ***"),
            ("password:\n  hunter2\nuser: a", "password:\n  *******\nuser: a"),
            ("  password: |\n    hunter2\n\n    x\n  user: a", "  password: *\n    *******\n\n    *\n  user: a"),
            ("password: \"hunter2\n  hunter3\"\nuser: a", "password: ********\n  ********\nuser: a"),
            ("  private_key: |\n    -----BEGIN\n  user: a", "  private_key: *\n    **********\n  user: a"),
            ("refresh_token: x\nservice_account: y", "refresh_token: *\nservice_account: *"),
            ("token_url: b\ntenant: c\ncertificate: d", "token_url: b\ntenant: c\ncertificate: d"),
            ("dkim: { key: MIIB, domain: a }\nkeys: b", "dkim: { key: *****************\nkeys: b"),
            ("key: |\n  -----BEGIN\nuser: a", "key: *\n  **********\nuser: a"),
            ("user: a\nhost: b\n", "user: a\nhost: b\n"),
        ] {
            assert_eq!(concealed(source), covered);
            assert_eq!(covered.chars().count(), source.chars().count());
        }
    }
}
