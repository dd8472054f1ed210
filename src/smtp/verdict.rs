//! What a negative reply means for the message and for the server. Pure: a stage and a reply go in, an outcome comes out.

use crate::outbox::attempt::{Outcome, Reply, Stage};
use crate::smtp::reply::{Class, class};

/// Details of the enhanced class `5.7` that speak of our account, wherever they stand: they would befall every message.
///
/// 8: credentials; 30, 57, 139: the account may not sign in that way, or has not; 60: may not send as this sender;
/// 509, 515: the sender's domain does not meet what the receiver asks of all mail.
/// Source: RFC 4954 §6; the published codes of Exchange Online and Outlook.com.
const ACCOUNT_DETAILS: &[u16] = &[8, 30, 57, 60, 139, 509, 515];

/// What a refusal of a recipient says when it is we who are not wanted: Postfix and Exim hear us out up to there before
/// they refuse a client or a sender, and Exim writes no enhanced codes.
const WORDS_ABOUT_US: &[&str] = &["relay", "client host rejected", "helo command rejected", "sender address rejected"];

/// Returns how an attempt ends that meets `reply`, a 4yz or 5yz, at `stage`.
///
/// A 5yz before MAIL, a demand to sign in, and a refusal of our sender are faults of the configuration
/// ([`Outcome::ServerFault`]): they would refuse every message, and none of them should be given up for it. The
/// enhanced code is trusted before the code. A 5yz that speaks of a recipient or of the content refuses this message.
pub fn verdict(stage: Stage, reply: &Reply) -> Outcome {
    match class(reply) {
        Class::NotNow => Outcome::Deferred,
        _ if stage <= Stage::Auth || is_about_us(stage, reply) => Outcome::ServerFault,
        _ => Outcome::Refused,
    }
}

/// Returns whether a 4yz says that the server is sent too much, by whomever: other messages would fare no better.
///
/// Source: the published replies of Exchange Online (`432 4.3.2`, `4.5.127`), Google Workspace (`4.7.28`, `450 4.2.1` speaks
/// of a recipient) and Amazon SES (`454 Throttling failure`); RFC 3463 §3.5 (`4.4.5`, congestion).
pub(crate) fn is_throttling(stage: Stage, reply: &Reply) -> bool {
    if class(reply) != Class::NotNow || stage == Stage::RcptTo {
        return false;
    }
    let text = reply.text.to_ascii_lowercase();
    let words = ["throttl", "rate limit", "too many messages", "too many connections", "sending rate", "concurrent connections"];
    matches!(reply.enhanced, Some((4, 7, 28) | (4, 4, 5) | (4, 5, 127)))
        || reply.code == 432
        || words.iter().any(|word| text.contains(word))
}

fn is_about_us(stage: Stage, reply: &Reply) -> bool {
    match reply.enhanced {
        Some((5, 7, detail)) if ACCOUNT_DETAILS.contains(&detail) => true,
        // A policy about the sender, or a sender that does not exist: the sender profile is wrong.
        Some((5, 7, _) | (5, 1, 7 | 8)) if stage == Stage::MailFrom => true,
        // Exchange Online: our own mailbox, which keeps a copy of what is sent, is full, or its quota of recipients is
        // used up. A recipient's full mailbox is told at RCPT.
        Some((5, 2, 0 | 2)) if stage != Stage::RcptTo => true,
        // We have not signed in, or at the wrong server. Other policies are the recipient's.
        Some((5, 7, 1)) | None if stage == Stage::RcptTo => {
            let text = reply.text.to_ascii_lowercase();
            matches!(reply.code, 530 | 534 | 535 | 538) || WORDS_ABOUT_US.iter().any(|words| text.contains(words))
        }
        _ => matches!(reply.code, 530 | 534 | 535 | 538) && stage < Stage::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(line: &str) -> Reply {
        let mut reader = crate::smtp::reply::ReplyReader::default();
        reader.read(format!("{line}\r\n").as_bytes()).unwrap().1.unwrap()
    }

    #[test]
    fn too_much_is_told_from_not_now() {
        for (stage, line, expected) in [
            (Stage::MailFrom, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", true),
            (Stage::FinalDot, "454 Throttling failure: Maximum sending rate exceeded.", true),
            (Stage::Greeting, "421 4.7.0 Too many connections from your host", true),
            (Stage::MailFrom, "450 4.7.28 Unusual rate of mail", true),
            (Stage::RcptTo, "450 4.2.1 The user is receiving mail at a rate limit", false),
            (Stage::MailFrom, "451 4.3.0 Try later", false),
            (Stage::MailFrom, "550 5.7.1 Rate limit", false),
        ] {
            assert_eq!(is_throttling(stage, &reply(line)), expected, "{stage:?} {line}");
        }
    }

    #[test]
    fn refusals_of_us_are_told_from_refusals_of_a_message() {
        use Outcome::{Deferred, Refused, ServerFault};
        let cases = [
            (Stage::Greeting, "554 No service for you", ServerFault),
            (Stage::Greeting, "421 4.3.2 Too busy", Deferred),
            (Stage::Tls, "454 TLS not available", Deferred),
            (Stage::Auth, "535 5.7.139 Basic authentication is disabled", ServerFault),
            (Stage::Auth, "454 4.7.0 Temporary authentication failure", Deferred),
            (Stage::Auth, "550 5.7.30 Basic authentication is not supported", ServerFault),
            (Stage::MailFrom, "530 5.7.0 Authentication required", ServerFault),
            (Stage::MailFrom, "530 Sign in first", ServerFault),
            (Stage::MailFrom, "550 5.1.8 Sender's domain does not exist", ServerFault),
            (Stage::MailFrom, "550 5.7.60 Client does not have permissions to send as this sender", ServerFault),
            (Stage::MailFrom, "552 5.3.4 Message too big", Refused),
            (Stage::MailFrom, "554 5.2.0 STOREDRV.Submission.Exception: quota", ServerFault),
            (Stage::FinalDot, "554 5.2.2 mailbox full", ServerFault),
            (Stage::RcptTo, "552 5.2.2 Mailbox full", Refused),
            (Stage::MailFrom, "432 4.3.2 Concurrent connections limit exceeded", Deferred),
            (Stage::RcptTo, "550 5.1.1 No such user", Refused),
            (Stage::RcptTo, "550 5.7.1 Recipient takes no mail from outside", Refused),
            (Stage::RcptTo, "554 5.7.1 Relay access denied", ServerFault),
            (Stage::RcptTo, "550 relay not permitted", ServerFault),
            (Stage::RcptTo, "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied", ServerFault),
            (Stage::RcptTo, "553 5.7.1 <a@b.example>: Sender address rejected: not owned by user robot", ServerFault),
            (Stage::RcptTo, "550 No such user", Refused),
            (Stage::RcptTo, "452 4.2.2 Mailbox full", Deferred),
            (Stage::Data, "554 5.5.1 No valid recipients", Refused),
            (Stage::FinalDot, "554 5.7.1 Looks like spam", Refused),
            (Stage::FinalDot, "550 5.7.515 Access denied, sending domain does not pass", ServerFault),
            (Stage::FinalDot, "451 4.3.0 Try later", Deferred),
        ];
        for (stage, line, expected) in cases {
            assert_eq!(verdict(stage, &reply(line)), expected, "{stage:?} {line}");
        }
    }
}
