//! Writes SMTP commands. Pure; nothing that goes in can become a second command or a parameter of its own.

use std::io::Write as _;

/// The longest path taken, brackets not counted. Source: RFC 5321 §4.5.3.1.3.
pub const PATH_BYTES_MAX: usize = 254;

/// The longest host name or address literal taken. Source: RFC 5321 §4.5.3.1.2.
pub const HOST_BYTES_MAX: usize = 255;

/// A value that cannot stand in a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// An address with a character that would end it, or too long.
    #[error("{0:?} cannot stand in an SMTP envelope")]
    Address(String),
    /// A host name with a character that would end it, or too long.
    #[error("{0:?} cannot stand in EHLO")]
    Host(String),
}

/// What MAIL FROM declares about the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE=`: bytes, dots not stuffed (RFC 1870 §6).
    pub size: Option<usize>,
    /// `BODY=8BITMIME` (RFC 6152).
    pub eight_bit: bool,
    /// `SMTPUTF8` (RFC 6531 §3.4).
    pub smtp_utf8: bool,
}

/// Appends `EHLO host`, or `HELO host`.
///
/// # Errors
/// [`CommandFault::Host`]; nothing is appended then.
pub fn hello(out: &mut Vec<u8>, verb: &str, host: &str) -> Result<(), CommandFault> {
    let is_plain = host.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain || host.is_empty() || host.len() > HOST_BYTES_MAX {
        return Err(CommandFault::Host(host.to_owned()));
    }
    append(out, format_args!("{verb} {host}\r\n"));
    Ok(())
}

/// Appends `MAIL FROM:<address>` with its parameters; an empty address is the null path.
///
/// # Errors
/// [`CommandFault::Address`]; nothing is appended then.
pub fn mail_from(out: &mut Vec<u8>, address: &str, parameters: MailParameters) -> Result<(), CommandFault> {
    if !address.is_empty() {
        check_path(address)?;
    }
    append(out, format_args!("MAIL FROM:<{address}>"));
    if let Some(size) = parameters.size {
        append(out, format_args!(" SIZE={size}"));
    }
    if parameters.eight_bit {
        out.extend_from_slice(b" BODY=8BITMIME");
    }
    if parameters.smtp_utf8 {
        out.extend_from_slice(b" SMTPUTF8");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends `RCPT TO:<address>`.
///
/// # Errors
/// [`CommandFault::Address`]; nothing is appended then.
pub fn rcpt_to(out: &mut Vec<u8>, address: &str) -> Result<(), CommandFault> {
    check_path(address)?;
    append(out, format_args!("RCPT TO:<{address}>\r\n"));
    Ok(())
}

/// `DATA`.
pub const DATA: &[u8] = b"DATA\r\n";
/// `RSET`.
pub const RSET: &[u8] = b"RSET\r\n";
/// `QUIT`.
pub const QUIT: &[u8] = b"QUIT\r\n";
/// `STARTTLS`.
pub const STARTTLS: &[u8] = b"STARTTLS\r\n";

fn check_path(address: &str) -> Result<(), CommandFault> {
    // The ledger's door checks the form (`domain::mailbox`); here only what could break out of the brackets counts.
    let breaks_out = |c: char| c.is_control() || c.is_whitespace() || c == '<' || c == '>';
    if address.is_empty() || address.len() > PATH_BYTES_MAX || address.contains(breaks_out) {
        return Err(CommandFault::Address(address.to_owned()));
    }
    Ok(())
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_standards_form() {
        let mut out = vec![];
        hello(&mut out, "EHLO", "[127.0.0.1]").unwrap();
        mail_from(&mut out, "", MailParameters::default()).unwrap();
        let parameters = MailParameters { size: Some(1234), eight_bit: true, smtp_utf8: true };
        mail_from(&mut out, "ar@acme.example", parameters).unwrap();
        rcpt_to(&mut out, "jörg@müller.example").unwrap();
        let expected = "EHLO [127.0.0.1]\r\nMAIL FROM:<>\r\nMAIL FROM:<ar@acme.example> SIZE=1234 BODY=8BITMIME SMTPUTF8\r\n\
                        RCPT TO:<jörg@müller.example>\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn no_value_can_become_a_command() {
        let long = format!("{}@b.example", "x".repeat(250));
        let bad = [
            "a@b.example>\r\nRCPT TO:<c@d.example",
            "a\nb",
            "a\rb",
            "a b@c",
            "a>b",
            "<a",
            "a\0b",
            "a\u{85}b",
            "a\u{2028}b",
            &long,
        ];
        for address in bad {
            let mut out = vec![];
            assert_eq!(rcpt_to(&mut out, address), Err(CommandFault::Address(address.to_owned())));
            assert_eq!(mail_from(&mut out, address, MailParameters::default()), Err(CommandFault::Address(address.to_owned())));
            assert!(out.is_empty(), "{address:?}");
        }
        assert!(rcpt_to(&mut vec![], "").is_err());
        for host in ["", "a b", "a\r\nMAIL", "ä.example", &"x".repeat(256)] {
            assert_eq!(hello(&mut vec![], "EHLO", host), Err(CommandFault::Host(host.to_owned())));
        }
    }
}
