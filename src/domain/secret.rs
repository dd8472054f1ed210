//! Secrets: values that cannot be printed by accident.

use std::fmt;

/// The shortest secret that is looked for in the words of others, in bytes.
pub const COVERED_BYTES_LEAST: usize = 4;

/// A password or token. It has no `Display`, prints as `***`, and is read only by [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret itself; for the wire only, never for a log, an error or a row.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns `text` with stars wherever the secret stands in it: for words of others, who may repeat what they were told.
    /// One of fewer than [`COVERED_BYTES_LEAST`] bytes stands in too many words by chance, and is left.
    pub fn covered(&self, text: &str) -> String {
        if self.0.len() < COVERED_BYTES_LEAST { text.to_owned() } else { text.replace(&self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(***)");
    }

    #[test]
    fn a_secret_is_covered_in_the_words_of_others() {
        assert_eq!(Secret::new("hunter2").covered("no hunter2, no hunter22"), "no ***, no ***2");
        assert_eq!(Secret::new("no").covered("no"), "no");
    }
}
