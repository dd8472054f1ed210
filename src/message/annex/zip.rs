//! Several files packed into one ZIP, encrypted where a password is given (AES-256, as WinZip, 7-Zip and macOS tools read it).
//!
//! The same files give the same bytes: times come from the letter, and the salts that a random source would give elsewhere
//! are derived here. Source: APPNOTE.TXT 6.3.10; WinZip, "AES Encryption Information" (AE-2).

// A writer into memory that the caller gives; nothing leaves the process.
use std::io;
use std::num::NonZeroU32;

use ring::pbkdf2;
use sha2::{Digest, Sha256};
use zip::write::{FileOptions, SimpleFileOptions};
use zip::{AesMode, AesSalt, CompressionMethod, DateTime, ZipWriter};

use crate::message::attachment::Attachment;

/// How often the derivation of a salt is repeated. Whoever guesses passwords needs 1,000 rounds for one in the ZIP itself; the
/// salt must not be the cheaper way.
const SALT_ROUNDS: NonZeroU32 = NonZeroU32::new(20_000).expect("it is not 0");

/// The octets of a salt of AES-256.
const SALT_OCTETS: usize = 16;

/// What a pack is made with.
pub(crate) struct Packing<'a> {
    pub(crate) password: Option<&'a str>,
    /// The message key.
    pub(crate) key: &'a str,
    /// What the files' times say.
    pub(crate) date: &'a jiff::Zoned,
}

/// Writes the files as a ZIP into `sink`, piece by piece.
pub(crate) fn pack(files: &[Attachment], packing: &Packing<'_>, sink: impl io::Write) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(sink);
    for file in files {
        let method = if is_dense(&file.name) { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let plain = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(time(packing.date))
            .unix_permissions(0o644);
        match packing.password {
            None => zip.start_file(file.name.as_str(), plain)?,
            Some(password) => {
                let salt = AesSalt::try_new(AesMode::Aes256, &salt(packing.key, &file.name, &file.contents.hash(), password))?;
                let options: FileOptions<'_, '_, ()> = plain.with_aes_encryption_and_salt(password.as_bytes(), salt);
                zip.start_file(file.name.as_str(), options)?;
            }
        }
        file.contents.write_to(&mut zip)?;
    }
    zip.finish()?;
    Ok(())
}

/// Returns a salt, by the contents' hash, that no other file has: not under this password in another mail, nor in this mail with other contents, so that
/// no stream of the cipher is used twice. It tells of the contents no more than the cipher does, since the password goes in.
fn salt(key: &str, name: &str, contents: &[u8; 32], password: &str) -> [u8; SALT_OCTETS] {
    let mut about = Sha256::new();
    for part in [key.as_bytes(), name.as_bytes()] {
        about.update((part.len() as u64).to_be_bytes());
        about.update(part);
    }
    about.update(contents);
    let mut salt = [0; SALT_OCTETS];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, SALT_ROUNDS, &about.finalize(), password.as_bytes(), &mut salt);
    salt
}

/// Returns the time of day by the clock of the letter; what a ZIP has no year for gets the first that it has.
fn time(date: &jiff::Zoned) -> DateTime {
    let part = |number: i8| number.unsigned_abs();
    let (hour, minute, second) = (part(date.hour()), part(date.minute()), part(date.second()));
    DateTime::from_date_and_time(date.year().unsigned_abs(), part(date.month()), part(date.day()), hour, minute, second)
        .unwrap_or_default()
}

/// Returns whether a file would not get smaller.
fn is_dense(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["zip", "xlsx", "docx", "png", "jpg", "jpeg", "7z", "gz"].iter().any(|dense| ending.eq_ignore_ascii_case(dense))
}
