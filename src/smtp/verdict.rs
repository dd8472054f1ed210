//! What a negative reply means for the message and for the server. Pure: a stage and a reply go in, an outcome comes out.

use crate::outbox::attempt::{Outcome, Reply, Stage};
use crate::smtp::reply::{Class, class};

/// Details of the enhanced class `5.7` that speak of our account, wherever they stand: they would befall every message.
///
/// 8: credentials; 20 to 28: the mail is not proven to be the sender's; 30, 57, 139: the account may not sign in that way, or has
/// not; 54, 64: nothing is passed on for us; 60: may not send as this sender; 232, 233: the tenant has sent all it may today;
/// 501 to 503, 511, 705, 708, 750: sender, tenant or address is blocked; 509, 515: the sender's domain does not meet what the
/// receiver asks of all mail. Their neighbours speak of a recipient (133, 504, 507, 513, 703) or of the contents (512).
/// Source: RFC 4954 §6; RFC 7372 §3; RFC 7505 §4.2; the published codes of Exchange Online, Outlook.com and Gmail.
const ACCOUNT_DETAILS: &[u16] =
    &[8, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30, 54, 57, 60, 64, 139, 232, 233, 501, 502, 503, 509, 511, 515, 705, 708, 750];

/// What a refusal says where our account may send no more today. Source: what Google, Amazon and Microsoft publish.
const WORDS_OF_A_DAY: &[&str] = &[
    "daily user sending",
    "daily sending quota",
    "daily smtp relay",
    "daily message quota",
    "daily limit for message recipients",
    "daily limit for sending",
    "submissionquotaexceeded",
];

/// What a refusal says of our account, with or without a code that does. Source: what Amazon, Google and Exchange publish.
const WORDS_OF_AN_ACCOUNT: &[&str] = &[
    "email address is not verified",
    "sending suspended for this account",
    "sending paused for this account",
    "is not authorized to perform",
    "sendasdenied",
    "permissions to send as",
    "credentials for relay",
    "mail relay denied",
];

/// What a refusal of a recipient says when it is we who are not wanted: Postfix and Exim hear us out up to there before
/// they refuse a client or a sender, and Exim writes no enhanced codes.
const WORDS_ABOUT_US: &[&str] = &[
    "relay access denied",
    "relay denied",
    "relay not permitted",
    "relay prohibited",
    "relaying denied",
    "relaying not permitted",
    "relaying not allowed",
    "relaying is not allowed",
    "relaying prohibited",
    "not permitted to relay",
    "not allowed to relay",
    "unable to relay",
    "cannot relay",
    "do not relay",
    "list of allowed rcpthosts",
    "client host rejected",
    "helo command rejected",
    "sender address rejected",
    "sender verify failed",
];

/// What a refusal says that is the recipient's, whatever else it says.
const WORDS_ABOUT_A_RECIPIENT: &str = "recipient address rejected";

/// Returns how an attempt ends that meets `reply`, a 4yz or 5yz, at `stage`.
///
/// A 5yz before MAIL, a demand to sign in, and a refusal of our sender are faults of the configuration
/// ([`Outcome::ServerFault`]): they would refuse every message, and none of them should be given up for it. The
/// enhanced code is trusted before the code. A 5yz that speaks of a recipient or of the content refuses this message.
/// An account that may send no more today is at fault with a 4yz too: a person should know.
pub fn verdict(stage: Stage, reply: &Reply) -> Outcome {
    match class(reply) {
        Class::NotNow if stage >= Stage::MailFrom && is_over_for_today(&reply.text) => Outcome::ServerFault,
        Class::NotNow => Outcome::Deferred,
        _ if stage <= Stage::Auth || is_about_us(stage, reply) => Outcome::ServerFault,
        _ => Outcome::Refused,
    }
}

/// Returns whether a 4yz says that the server is sent too much, by whomever: other messages would fare no better.
///
/// Source: the published replies of Exchange Online (`432 4.3.2`, `4.5.127`, `4.7.500` to `4.7.699`), Google Workspace (`4.7.28`;
/// `450 4.2.1` mostly speaks of a recipient), Amazon SES (`454 Throttling failure`) and Postfix (`too much mail`); RFC 3463 §3.5
/// (`4.4.5`, congestion).
pub(crate) fn is_throttling(stage: Stage, reply: &Reply) -> bool {
    if class(reply) != Class::NotNow {
        return false;
    }
    // Exchange Online: too much comes from our address. It says so at RCPT too.
    if matches!(reply.enhanced, Some((4, 7, 500..=699))) {
        return true;
    }
    if stage == Stage::RcptTo {
        return false;
    }
    let text = reply.text.to_ascii_lowercase();
    let words = [
        "throttl",
        "rate limit",
        "relay limit exceeded",
        "too many messages",
        "too much mail",
        "too many connections",
        "sending rate",
        "concurrent connections",
    ];
    matches!(reply.enhanced, Some((4, 7, 28) | (4, 4, 5) | (4, 5, 127)))
        || reply.code == 432
        || words.iter().any(|word| text.contains(word))
}

/// Returns whether the words of a refusal say that our account has sent all that it may in a day: it is of no use to ask again
/// soon.
pub(crate) fn is_over_for_today(words: &str) -> bool {
    has_one(&bare(words), WORDS_OF_A_DAY)
}

/// Returns whether a refusal leaves no doubt that it is our account, tenant or address that is meant, and not one message: it is
/// suspended, blocked, or has sent all that it may.
pub(crate) fn is_about_account(reply: &Reply) -> bool {
    let text = bare(&reply.text);
    has_one(&text, WORDS_OF_A_DAY)
        || has_one(&text, WORDS_OF_AN_ACCOUNT)
        || matches!(
            reply.enhanced,
            Some((5, 7, 232 | 233 | 501..=503 | 511 | 705 | 708 | 750) | (5, 1, 90) | (5, 4, 5) | (5, 2, 252))
        )
}

fn is_about_us(stage: Stage, reply: &Reply) -> bool {
    match reply.enhanced {
        Some((5, 7, detail)) if ACCOUNT_DETAILS.contains(&detail) => true,
        // A sender that does not exist or is blocked, or may send no more today; an account that may not use it.
        Some((5, 1, 7 | 8 | 90) | (5, 4, 5) | (5, 2, 252)) => true,
        // A policy about the sender: its profile is wrong.
        Some((5, 7, _)) if stage == Stage::MailFrom => true,
        // Exchange Online: our own mailbox, which keeps a copy of what is sent, is full, or its quota of recipients is
        // used up. A recipient's full mailbox is told at RCPT.
        Some((5, 2, 0 | 2)) if stage != Stage::RcptTo => true,
        // These codes leave it to the words whose fault it is.
        None | Some((5, 0, 0) | (5, 7, 0 | 1)) if are_words_about_us(stage, &reply.text) => true,
        // We have not signed in, or at the wrong server. Other policies are the recipient's.
        _ => matches!(reply.code, 530 | 534 | 535 | 538) && stage < Stage::Content,
    }
}

fn are_words_about_us(stage: Stage, text: &str) -> bool {
    let text = bare(text);
    has_one(&text, WORDS_OF_A_DAY)
        || has_one(&text, WORDS_OF_AN_ACCOUNT)
        || stage == Stage::RcptTo && !text.contains(WORDS_ABOUT_A_RECIPIENT) && has_one(&text, WORDS_ABOUT_US)
}

fn has_one(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// Returns what a reply says in lower case and in one line, without its enhanced codes and without addresses and names: a
/// recipient may be called `relay`.
fn bare(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let parts = lower.split('<').enumerate();
    let outside = parts.map(|(place, part)| if place == 0 { part } else { part.split_once('>').map_or(part, |(_, rest)| rest) });
    let outside = outside.collect::<Vec<_>>().join(" ");
    let is_enhanced = |word: &str| word.split('.').count() == 3 && word.split('.').all(|part| part.parse::<u16>().is_ok());
    let words = outside.split_ascii_whitespace().filter(|word| !word.contains('@') && !is_enhanced(word));
    words.collect::<Vec<_>>().join(" ")
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
            (Stage::MailFrom, "451 4.7.500 Server busy. Please try again later from [192.0.2.1].", true),
            (Stage::RcptTo, "451 4.7.500 Server busy. Please try again later from [192.0.2.1].", true),
            (Stage::MailFrom, "450 4.7.1 Error: too much mail from 192.0.2.1", true),
            (Stage::MailFrom, "450 4.2.1 Peak SMTP relay limit exceeded for customer", true),
            (Stage::MailFrom, "451 4.7.1 Greylisted", false),
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
            (Stage::FinalDot, "550 5.6.0 Contents not taken", Refused),
            (Stage::RcptTo, "550 5.1.10 Recipient not found", Refused),
            (Stage::RcptTo, "550 5.2.1 The account is disabled", Refused),
            (Stage::RcptTo, "550 5.4.1 Recipient address rejected: Access denied", Refused),
            (Stage::RcptTo, "550 5.7.133 Sender not authenticated for group", Refused),
            (Stage::FinalDot, "550 5.7.504 Recipient address rejected: Access denied", Refused),
            (Stage::FinalDot, "550 5.7.703 Messages to it are blocked by your organization", Refused),
            (Stage::RcptTo, "550 5.2.122 The recipient has exceeded their limit of messages per hour", Refused),
            (Stage::FinalDot, "550 5.7.512 Message must be RFC 5322 compliant", Refused),
            (Stage::Hello, "454 4.7.0 Daily message quota exceeded", Deferred),
        ];
        for (stage, line, expected) in cases {
            assert_eq!(verdict(stage, &reply(line)), expected, "{stage:?} {line}");
        }
    }
    #[test]
    fn what_providers_say_of_our_account_is_no_refusal_of_a_message() {
        let anywhere = [
            "550 5.4.5 Daily user sending limit exceeded. For more information on Gmail",
            "550 5.4.5 Daily sending quota exceeded. - gsmtp",
            "550 5.7.26 This mail has been blocked because the sender is unauthenticated.",
            "550 5.7.1 You have reached your daily sending quota",
            "550 5.7.1 Daily SMTP relay sending limit exceeded for customer",
            "550 5.7.1 Invalid credentials for relay [192.0.2.1]",
            "550 5.7.0 Mail relay denied [192.0.2.1]",
            "554 Message rejected: Email address is not verified. The following identities failed the check: ar@seller.example",
            "554 Message rejected: Sending suspended for this account. For more information, look at your inbox.",
            "554 Sending paused for this account.",
            "554 Access denied: User `arn:aws:iam::1:user/x' is not authorized to perform `ses:SendRawEmail'",
            "454 Throttling failure: Daily message quota exceeded.",
            "554 5.2.252 SendAsDenied; robot@seller.example not allowed to send as ar@seller.example",
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            "550 5.7.1 Client does not have permissions to send as this sender",
            "550 5.7.705 Access denied, tenant has exceeded threshold",
            "550 5.7.708 Access denied, traffic not accepted from this IP",
            "550 5.7.501 Access denied, spam abuse detected",
            "550 5.7.502 Access denied, banned sender",
            "550 5.7.503 Access denied, banned sender",
            "550 5.7.511 Access denied, banned sender",
            "550 5.7.750 Client blocked from sending from unregistered domains",
            "550 5.7.233 Your tenant exceeded its daily limit for sending email to external recipients",
            "550 5.1.8 Access denied, bad outbound sender",
            "550 5.1.90 You've reached your daily limit for message recipients",
            "530 5.7.57 Client not authenticated to send mail",
            "535 5.7.139 Authentication unsuccessful",
        ];
        for line in anywhere {
            for stage in [Stage::MailFrom, Stage::RcptTo, Stage::FinalDot] {
                assert_eq!(verdict(stage, &reply(line)), Outcome::ServerFault, "{stage:?} {line}");
            }
        }
        let rate = reply("454 Throttling failure: Maximum sending rate exceeded.");
        assert_eq!(verdict(Stage::FinalDot, &rate), Outcome::Deferred);
        assert!(is_throttling(Stage::FinalDot, &rate));
        let lines = ["550-5.7.1 You have reached your daily", "550 5.7.1 sending quota."].join("\r\n");
        assert_eq!(verdict(Stage::FinalDot, &reply(&lines)), Outcome::ServerFault, "a phrase goes over two lines");
    }

    #[test]
    fn a_day_that_is_used_up_is_told_from_other_faults() {
        for (words, expected) in [
            ("550 5.4.5 Daily user sending limit exceeded", true),
            ("from sender `a`: 454 Throttling failure: Daily message quota exceeded.", true),
            ("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; failed", true),
            ("550 5.1.90 You've reached your daily limit for message recipients", true),
            ("454 Throttling failure: Maximum sending rate exceeded.", false),
            ("535 5.7.8 <daily sending quota@a.example> no", false),
        ] {
            assert_eq!(is_over_for_today(words), expected, "{words}");
        }
    }

    #[test]
    fn words_in_a_recipients_own_address_are_not_the_servers() {
        use Outcome::{Refused, ServerFault};
        for (line, expected) in [
            ("550 5.7.1 <ap1@relay-works1.example>: Recipient address rejected: mailbox closed", Refused),
            ("550 ap1@relay.example: mailbox closed", Refused),
            ("550 5.7.1 <relay access denied@a.example>: mailbox closed", Refused),
            ("550 5.7.1 <a@b.example>: Recipient address rejected: no mail by relay", Refused),
            ("550 The relay reports that the user is unknown", Refused),
            ("554 5.7.1 <x@relay-works1.example>: Relay access denied", ServerFault),
            ("550 5.7.1 x@y.example... Relaying denied", ServerFault),
            ("550 5.7.1 Unable to relay for x@y.example", ServerFault),
            ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", ServerFault),
            ("550 5.7.64 TenantAttribution; Relay Access Denied", ServerFault),
            ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", ServerFault),
        ] {
            assert_eq!(verdict(Stage::RcptTo, &reply(line)), expected, "{line}");
        }
    }
}
