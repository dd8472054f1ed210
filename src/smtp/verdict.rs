//! What a negative reply means for the message and for the server. Pure: a stage and a reply go in, an outcome comes out.

use crate::outbox::attempt::{Outcome, Reply, Stage};
use crate::smtp::reply::{Class, class};

/// Details of the enhanced class `5.7` that speak of our account, wherever they stand: they would befall every message.
///
/// 8: credentials; 30, 57, 139: the account may not sign in that way, or has not; 60: may not send as this sender;
/// 509, 515: the sender's domain does not meet what the receiver asks of all mail.
/// Source: RFC 4954 §6; the published codes of Exchange Online and Outlook.com.
const ACCOUNT_DETAILS: &[u16] = &[8, 30, 57, 60, 139, 509, 515];

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

fn is_about_us(stage: Stage, reply: &Reply) -> bool {
    match reply.enhanced {
        Some((5, 7, detail)) if ACCOUNT_DETAILS.contains(&detail) => true,
        // A policy about the sender, or a sender that does not exist: the sender profile is wrong.
        Some((5, 7, _) | (5, 1, 7 | 8)) if stage == Stage::MailFrom => true,
        // "Relay access denied": we have not signed in, or at the wrong server. Other policies are the recipient's.
        Some((5, 7, 1)) if stage == Stage::RcptTo => reply.text.to_ascii_lowercase().contains("relay"),
        _ => matches!(reply.code, 530 | 534 | 535 | 538) && stage < Stage::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (Stage::MailFrom, "432 4.3.2 Concurrent connections limit exceeded", Deferred),
            (Stage::RcptTo, "550 5.1.1 No such user", Refused),
            (Stage::RcptTo, "550 5.7.1 Recipient takes no mail from outside", Refused),
            (Stage::RcptTo, "554 5.7.1 Relay access denied", ServerFault),
            (Stage::RcptTo, "452 4.2.2 Mailbox full", Deferred),
            (Stage::Data, "554 5.5.1 No valid recipients", Refused),
            (Stage::FinalDot, "554 5.7.1 Looks like spam", Refused),
            (Stage::FinalDot, "550 5.7.515 Access denied, sending domain does not pass", ServerFault),
            (Stage::FinalDot, "451 4.3.0 Try later", Deferred),
        ];
        for (stage, line, expected) in cases {
            let mut reader = crate::smtp::reply::ReplyReader::default();
            let (_, reply) = reader.read(format!("{line}\r\n").as_bytes()).unwrap();
            assert_eq!(verdict(stage, &reply.unwrap()), expected, "{stage:?} {line}");
        }
    }
}
