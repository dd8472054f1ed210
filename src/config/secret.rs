//! Secrets of config.yaml: where they are, how they are fetched, and how they stay out of every message.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::domain::problem::{Place, Problem, nearest};
use crate::domain::secret::Secret;
use crate::yaml::{Node, Problems, text};

/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 16 << 10;

/// The keys whose values are secrets.
const SECRET_KEYS: [&str; 2] = ["password", "client_secret"];

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
    /// Fetches the secret. One line break at the end of a file is not part of it.
    ///
    /// # Errors
    /// The variable is not set, the file cannot be read, or what is there is no secret: empty, of several lines, too long.
    pub fn resolve(&self, secrets: &dyn Secrets) -> Result<Secret, Problem> {
        let problem = |message: String| Problem::error(message).at(self.place.clone());
        let (found, what) = match &self.source {
            SecretSource::Literal(secret) => return Ok(secret.clone()),
            SecretSource::Environment(name) => {
                let message = || format!("The environment variable `{name}` is not set");
                let value = secrets.environment(name);
                let value = value.ok_or_else(|| problem(message()).hint("set it before you start the program"))?;
                (value.into_bytes(), format!("The environment variable `{name}`"))
            }
            SecretSource::File(path) => {
                let unreadable = |error| {
                    let message = format!("Cannot read the secret's file `{path}`: {error}");
                    problem(message).hint("check that it is there and that the program may read it")
                };
                let bytes = secrets.file(Path::new(path), SECRET_BYTES_MAX + 1).map_err(unreadable)?;
                (bytes, format!("The secret's file `{path}`"))
            }
        };
        if found.len() as u64 > SECRET_BYTES_MAX {
            return Err(problem(format!("{what} has more than {SECRET_BYTES_MAX} bytes")));
        }
        let Ok(text) = String::from_utf8(found) else { return Err(problem(format!("{what} is not UTF-8 text"))) };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(problem(format!("{what} is empty")));
        }
        if text.chars().any(char::is_control) {
            return Err(problem(format!("{what} holds more than one line, or a control character")));
        }
        Ok(Secret::new(text))
    }
}

/// Reads a secret or the name of one.
pub(crate) fn secret(node: &Node, problems: &mut Problems<'_>) -> Option<SecretRef> {
    let written = text(node, problems)?;
    let forms = "write \"${env:NAME}\" or \"${file:/path}\"";
    let reference = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    // No message here quotes the value: what looks like a slip may be the secret itself.
    let source = match reference.map(|inside| inside.split_once(':')) {
        None if written.contains("${") => Err("A reference to a secret is the whole value, with nothing beside it"),
        None if written.is_empty() => Err("The secret is empty"),
        None if written.chars().any(char::is_control) => Err("The secret has more than one line, or a control character"),
        None => Ok(SecretSource::Literal(Secret::new(written))),
        Some(Some(("env", name))) if is_variable(name) => Ok(SecretSource::Environment(name.to_owned())),
        Some(Some(("env", _))) => Err("The name of an environment variable has letters, digits and `_` only"),
        Some(Some(("file", path))) if Path::new(path).is_absolute() => Ok(SecretSource::File(path.to_owned())),
        Some(Some(("file", _))) => Err("The path of a secret's file is absolute"),
        Some(_) => Err("A secret is in `env` or in `file`"),
    };
    match source {
        Ok(source) => Some(SecretRef { source, place: problems.place(node.span) }),
        Err(message) => {
            problems.error_hint(node.span, message, forms);
            None
        }
    }
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
        nearest(key, SECRET_KEYS)?;
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
                _ => None,
            }
        }

        fn file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
            let bytes = match path.to_str() {
                Some("/line") => b"hunter2\r\n".to_vec(),
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
        ];
        for (found, expected) in faults {
            assert_eq!(found, format!("config.yaml: {expected}"));
        }
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
            ("user: a\nhost: b\n", "user: a\nhost: b\n"),
        ] {
            assert_eq!(concealed(source), covered);
            assert_eq!(covered.chars().count(), source.chars().count());
        }
    }
}
