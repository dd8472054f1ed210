//! What a server's answer means and what to do about it: one table, for every place where an attempt is shown.
//!
//! Pure: words of a reply or a fault go in, a sentence and a next step come out. What is not in the table gets none; a
//! wrong explanation costs more time than a missing one. The first entry that fits is taken, so the particular stand
//! before the general; one table is also why this file is long. Nothing is decided by it: what follows an attempt is
//! `smtp::verdict`'s and `outbox::retry`'s.

use serde::Serialize;

use crate::outbox::attempt::Stage;

/// What an answer means and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// What it means.
    pub meaning: &'static str,
    /// What to do next.
    pub next_step: &'static str,
}

/// One entry: it fits where every part given fits.
struct Entry {
    /// The reply's code; `None`: any, or none at all.
    code: Option<u16>,
    /// The enhanced code at the beginning of the text, or the beginning of one: `5.7.` fits every policy.
    enhanced: &'static str,
    /// Words of the text, in lower case; one of them must be there. Empty: any text.
    words: &'static [&'static str],
    /// The last stage at which it means this.
    until: Stage,
    diagnosis: Diagnosis,
}

const fn entry(
    code: Option<u16>,
    enhanced: &'static str,
    words: &'static [&'static str],
    until: Stage,
    meaning: &'static str,
    next_step: &'static str,
) -> Entry {
    Entry { code, enhanced, words, until, diagnosis: Diagnosis { meaning, next_step } }
}

/// What is known. Sources: RFC 3463, RFC 4954 §6, RFC 5321 §4.2, and what Microsoft, Google, Amazon and Postfix publish of
/// their own replies.
const TABLE: &[Entry] = &[
    // Tokens of Microsoft Entra.
    entry(
        None,
        "",
        &["aadsts7000215"],
        Stage::Auth,
        "Microsoft does not accept the client secret: it is wrong, or the id of the secret was taken for its value.",
        "Make a new secret in the app registration and store its value, which is shown once.",
    ),
    entry(
        None,
        "",
        &["aadsts7000222"],
        Stage::Auth,
        "The client secret of the app registration has expired.",
        "Make a new secret in the app registration, store its value, and note its end in a calendar.",
    ),
    entry(
        None,
        "",
        &["aadsts700016"],
        Stage::Auth,
        "Microsoft does not know the client id in this tenant.",
        "Compare `client_id` and `tenant` with the overview page of the app registration.",
    ),
    entry(
        None,
        "",
        &["aadsts90002", "aadsts900023"],
        Stage::Auth,
        "Microsoft does not know the tenant.",
        "Write the directory (tenant) id from the overview page of the app registration.",
    ),
    entry(
        None,
        "",
        &["aadsts65001", "aadsts650056", "aadsts500011"],
        Stage::Auth,
        "Nobody has given the application its permission, or it was asked for another service.",
        "Give the app registration the application permission SMTP.SendAsApp of Office 365 Exchange Online, with the \
         administrator's consent; the scope is `https://outlook.office365.com/.default`.",
    ),
    entry(
        None,
        "",
        &["aadsts70011", "aadsts1002012"],
        Stage::Auth,
        "The scope that was asked for is not one that Microsoft knows for this way to sign in.",
        "The scope of unattended sending is `https://outlook.office365.com/.default`.",
    ),
    entry(
        None,
        "",
        &["aadsts50126", "aadsts50034", "aadsts50053", "aadsts50055", "aadsts50057", "aadsts50076", "aadsts50079"],
        Stage::Auth,
        "Microsoft does not let this user sign in: unknown, locked, with an old password, or asked for a second factor.",
        "Look at the sign-in log of the user in Entra; a program that runs alone signs in as an application, not as a user.",
    ),
    entry(
        None,
        "",
        &["aadsts700027"],
        Stage::Auth,
        "Microsoft does not accept the certificate: it is not registered with the application, or has expired.",
        "Upload the certificate that `certificate` names in the app registration; where it has expired, make a new one and upload that.",
    ),
    entry(
        None,
        "",
        &["aadsts700024"],
        Stage::Auth,
        "The application's proof is not valid by Microsoft's time: the clock of this machine is wrong.",
        "Set this machine's clock right, and let it keep itself right.",
    ),
    entry(
        None,
        "",
        &["aadsts70008", "aadsts50173"],
        Stage::Auth,
        "The refresh token has ended: nobody used it for 90 days, or the password of its person has changed.",
        "Get a new one with the tool that got it, and store it; better let the application sign in by a right of its own, which does not end.",
    ),
    entry(
        None,
        "",
        &["aadsts53003", "aadsts53000"],
        Stage::Auth,
        "A Conditional Access policy of the tenant keeps this sign-in out.",
        "Look at the sign-in log in Entra, which names the policy; an administrator leaves the application out of it, or allows this machine's address.",
    ),
    entry(
        None,
        "",
        &["aadsts"],
        Stage::Auth,
        "Microsoft's sign-in service refused; the code behind AADSTS says why.",
        "Look the code up at https://login.microsoftonline.com/error and compare tenant, client id and secret.",
    ),
    // Tokens of Google and of any other server.
    entry(
        None,
        "",
        &["invalid jwt signature"],
        Stage::Auth,
        "Google does not know the key of the service account any more.",
        "Make a new key of the service account (JSON) in the Google Cloud console, and store it.",
    ),
    entry(
        None,
        "",
        &["unauthorized_client"],
        Stage::Auth,
        "The token server knows the program and does not let it have a token for this mailbox.",
        "With Google: delegate the scope `https://mail.google.com/` to the unique id of the service account in the admin console, and wait, sometimes a day. Elsewhere: allow the client this way to a token.",
    ),
    entry(
        None,
        "",
        &["invalid_grant"],
        Stage::Auth,
        "The token server does not take what stands for the mailbox: there is no such mailbox, the refresh token has ended, or this machine's clock is wrong.",
        "Look for a slip in `user`, and at this machine's clock; in the place of a refresh token that has ended, get a new one.",
    ),
    // Exchange Online.
    entry(
        None,
        "5.7.30",
        &[],
        Stage::FinalDot,
        "Exchange Online takes no password any more; it wants OAuth 2.",
        "Register an application and write `oauth2` in place of `password` in the server's `auth`.",
    ),
    entry(
        None,
        "5.7.139",
        &["basic authentication is disabled", "basicauthblocked"],
        Stage::FinalDot,
        "The tenant or the mailbox takes no password; Exchange Online switches passwords off.",
        "Register an application and write `oauth2` in place of `password` in the server's `auth`.",
    ),
    entry(
        None,
        "5.7.139",
        &["smtpclientauthentication is disabled"],
        Stage::FinalDot,
        "Sending by SMTP is switched off for the mailbox or the whole tenant.",
        "An administrator runs Set-CASMailbox -SmtpClientAuthenticationDisabled $false for the mailbox; wait up to two hours.",
    ),
    entry(
        None,
        "5.7.139",
        &[],
        Stage::FinalDot,
        "Microsoft refused the sign-in: user or password wrong, locked, or kept out by a policy of the tenant.",
        "Look at the sign-in log of the mailbox in Entra: it names the policy or the fault.",
    ),
    entry(
        None,
        "5.7.3",
        &["authentication unsuccessful"],
        Stage::FinalDot,
        "Exchange refused the sign-in. With a valid token it means that the mailbox does not know the application.",
        "Run New-ServicePrincipal with the object id of the enterprise application (not of the registration), give it the \
         mailbox, and wait up to two hours.",
    ),
    entry(
        None,
        "5.7.57",
        &[],
        Stage::FinalDot,
        "Exchange wants a sign-in before it takes mail.",
        "Add `auth` to the server; without it Exchange takes mail to its own mailboxes only.",
    ),
    entry(
        None,
        "5.7.60",
        &[],
        Stage::FinalDot,
        "The account that signs in may not send as this sender.",
        "Give the account Send As for the sender's mailbox, or sign in as the sender; wait up to two hours.",
    ),
    entry(
        None,
        "",
        &["sendasdenied"],
        Stage::FinalDot,
        "The account that signs in may not send as this sender.",
        "Give the account Send As for the sender's mailbox, or sign in as the sender; wait up to two hours.",
    ),
    entry(
        None,
        "5.7.515",
        &[],
        Stage::FinalDot,
        "Outlook.com takes no bulk mail from this domain: SPF, DKIM or DMARC is missing or does not align.",
        "Run `dunlin doctor` for the sender's domain and mend what it finds.",
    ),
    entry(
        None,
        "5.7.509",
        &[],
        Stage::FinalDot,
        "The mail failed the sender domain's own DMARC policy at the receiver.",
        "Run `dunlin doctor` for the sender's domain: SPF must allow the server, or DKIM must sign for the domain.",
    ),
    entry(
        None,
        "5.1.90",
        &[],
        Stage::FinalDot,
        "The mailbox has reached its number of recipients for the day.",
        "Wait until tomorrow, set `rate: 10000/day` or less, or spread the mails over several senders.",
    ),
    entry(
        None,
        "",
        &["tenant has exceeded threshold"],
        Stage::FinalDot,
        "Microsoft has stopped the tenant's mails: it takes too many of them for spam.",
        "An administrator looks whether somebody else sends as an account of the tenant, and then has Microsoft's support let it send again.",
    ),
    entry(
        None,
        "",
        &["traffic not accepted from this ip"],
        Stage::FinalDot,
        "Exchange Online does not let the tenant send from this address; new and trial tenants meet it.",
        "An administrator asks Microsoft's support to let the tenant send, or the mails go by another server.",
    ),
    entry(
        None,
        "",
        &["banned sender", "spam abuse detected", "bad outbound sender"],
        Stage::FinalDot,
        "The provider has blocked the account that sends, since it takes its mails for spam.",
        "Look whether somebody else sends as it and change its password; then an administrator takes it off the restricted entities of Microsoft Defender.",
    ),
    entry(
        None,
        "5.2.2",
        &["submission"],
        Stage::FinalDot,
        "The mailbox of the sender is full or has sent all it may today; Exchange keeps a copy of every mail in it.",
        "Empty the mailbox, or wait a day; set `rate: 10000/day` or less.",
    ),
    entry(
        None,
        "5.2.2",
        &[],
        Stage::MailFrom,
        "The mailbox of the sender is full; the server keeps a copy of every mail in it.",
        "Empty the mailbox, the folder of sent mails above all, or have its quota raised; what is queued goes then.",
    ),
    entry(
        None,
        "5.2.0",
        &["submissionquotaexceeded", "quota"],
        Stage::FinalDot,
        "The mailbox has reached its number of recipients for the day.",
        "Wait until tomorrow, set `rate: 10000/day` or less, or spread the mails over several senders.",
    ),
    entry(
        None,
        "4.7.500",
        &[],
        Stage::FinalDot,
        "Exchange Online finds that too much comes from this address at once.",
        "Nothing is lost: it is tried again. Leave the limits of the preset `exchange-online` as they are, or set `rate` and `connections` lower.",
    ),
    entry(
        Some(432),
        "4.3.2",
        &[],
        Stage::FinalDot,
        "Exchange Online takes three connections of a mailbox at once.",
        "Set `connections` to 3 or less, and see who else sends as this mailbox.",
    ),
    // Google.
    entry(
        None,
        "5.7.9",
        &[],
        Stage::Auth,
        "Google wants an app password or OAuth 2, not the password of the account.",
        "Make an app password for the account, or use a service account with `oauth2`.",
    ),
    entry(
        None,
        "5.7.8",
        &["badcredentials", "username and password not accepted"],
        Stage::Auth,
        "Google does not accept user and password; the password of an account with a second factor never works.",
        "Make an app password for the account, or use a service account with `oauth2`.",
    ),
    entry(
        None,
        "",
        &["daily user sending", "daily sending quota", "daily smtp relay"],
        Stage::FinalDot,
        "The account has sent all that Google allows in a day.",
        "Wait until tomorrow and set `rate: 2000/day` or less.",
    ),
    entry(
        None,
        "5.4.5",
        &["sending"],
        Stage::FinalDot,
        "The account has sent all that Google allows in a day.",
        "Wait until tomorrow and set `rate: 2000/day` or less.",
    ),
    entry(
        None,
        "5.7.26",
        &[],
        Stage::FinalDot,
        "Gmail found the mail neither allowed by SPF nor signed by DKIM for the sender's domain.",
        "Run `dunlin doctor` for the sender's domain and mend what it finds.",
    ),
    entry(
        None,
        "5.7.25",
        &[],
        Stage::FinalDot,
        "The address of the sending server has no name in DNS that leads back to it.",
        "Ask who runs the server's network for a PTR record that matches its name.",
    ),
    // Amazon.
    entry(
        None,
        "",
        &["email address is not verified", "address not verified"],
        Stage::FinalDot,
        "Amazon SES does not know the sender; in its sandbox it must know every recipient too.",
        "Verify the sender's domain in the region of the server, and ask for the account to leave the sandbox.",
    ),
    entry(
        None,
        "",
        &["sending suspended for this account", "sending paused for this account"],
        Stage::FinalDot,
        "Amazon has suspended the account: too many of its mails came back or were complained of.",
        "Read what Amazon wrote to the account's owner and answer it; until then send by another server.",
    ),
    entry(
        None,
        "",
        &["is not authorized to perform"],
        Stage::FinalDot,
        "The SMTP credentials may not send as this sender.",
        "Give their IAM user the permission ses:SendRawEmail for the sender's domain, or make new credentials in the SES console.",
    ),
    entry(
        None,
        "",
        &["maximum sending rate exceeded", "daily message quota exceeded", "throttling failure"],
        Stage::FinalDot,
        "The quota of the Amazon SES account is used up for this second or day.",
        "Set `rate` to the account's quota, which the SES console shows; what is queued is tried again.",
    ),
    // Sign-in, whoever the server is.
    entry(
        Some(535),
        "",
        &[],
        Stage::FinalDot,
        "The server does not accept the user and the password.",
        "Compare `auth` with what the provider wrote: often the user is the whole address, and the password one made for programs.",
    ),
    entry(
        Some(534),
        "",
        &[],
        Stage::FinalDot,
        "The server wants a stronger way to sign in than the one used.",
        "Ask the provider for an app password or for OAuth 2.",
    ),
    entry(
        Some(530),
        "",
        &["starttls"],
        Stage::FinalDot,
        "The server wants TLS before anything else.",
        "Write `security: starttls`.",
    ),
    entry(
        Some(530),
        "",
        &[],
        Stage::FinalDot,
        "The server wants a sign-in before it takes mail.",
        "Add `auth` with user and password to the server.",
    ),
    entry(
        None,
        "",
        &["relay access denied", "relaying denied", "relay not permitted", "unable to relay", "client host rejected"],
        Stage::RcptTo,
        "The server passes mail on only for those it knows: we have not signed in, or it is not the server for outgoing mail.",
        "Add `auth`, use the port for submission (587 or 465), or have this machine's address allowed on the server.",
    ),
    entry(
        None,
        "5.7.1",
        &["sender address rejected", "not owned by user"],
        Stage::RcptTo,
        "The account that signs in may not use this sender's address.",
        "Sign in as the owner of the address, or have the server allow the account to use it.",
    ),
    entry(
        None,
        "5.1.8",
        &[],
        Stage::RcptTo,
        "The server finds no such sender domain in DNS.",
        "Look for a slip in the sender's address; its domain needs an MX or A record.",
    ),
    entry(
        None,
        "5.1.7",
        &[],
        Stage::RcptTo,
        "The server does not take the sender's address.",
        "Look for a slip in the sender's `address`.",
    ),
    // Rates and load.
    entry(
        None,
        "",
        &[
            "too many messages",
            "too much mail",
            "server busy",
            "relay limit exceeded",
            "too many connections",
            "too many recipients",
            "rate limit",
            "message rate",
            "throttl",
            "sending rate",
            "try again later. closing connection",
            "concurrent connections",
        ],
        Stage::FinalDot,
        "The server takes no more so fast.",
        "Nothing is lost: it is tried again. Set `rate` and `connections` of the server below what it allows.",
    ),
    entry(
        None,
        "",
        &["greylist", "grey-list", "graylist"],
        Stage::FinalDot,
        "The receiver puts off mail from servers it has not met before.",
        "Nothing to do: the next attempt is mostly taken.",
    ),
    // Recipients and contents.
    entry(None, "5.1.1", &[], Stage::FinalDot, "The recipient's mailbox does not exist.", "Correct the address in the books."),
    entry(None, "5.1.10", &[], Stage::FinalDot, "The recipient's mailbox does not exist.", "Correct the address in the books."),
    entry(
        None,
        "5.1.2",
        &[],
        Stage::FinalDot,
        "The domain of the recipient's address does not exist or takes no mail.",
        "Correct the address in the books.",
    ),
    entry(
        None,
        "5.2.1",
        &[],
        Stage::FinalDot,
        "The recipient's mailbox is switched off.",
        "Ask the customer for another address.",
    ),
    // A recipient's is told at RCPT; once nobody is named any more, or before, it is the sender's own.
    entry(
        None,
        ".2.2",
        &[],
        Stage::RcptTo,
        "The recipient's mailbox is full.",
        "Tell the customer another way; a mail put off is tried again by itself.",
    ),
    entry(
        None,
        "5.2.2",
        &[],
        Stage::FinalDot,
        "The mailbox of the sender is full; the server keeps a copy of every mail in it.",
        "Empty the mailbox, the folder of sent mails above all, or have its quota raised; what is queued goes then.",
    ),
    entry(
        None,
        "4.2.2",
        &[],
        Stage::FinalDot,
        "The recipient's mailbox is full.",
        "Tell the customer another way; a mail put off is tried again by itself.",
    ),
    entry(
        None,
        "5.3.4",
        &[],
        Stage::FinalDot,
        "The mail is larger than the server takes.",
        "Attach fewer or smaller documents, or have the server's limit raised.",
    ),
    entry(
        Some(552),
        "",
        &["size", "large", "big"],
        Stage::FinalDot,
        "The mail is larger than the server takes.",
        "Attach fewer or smaller documents, or have the server's limit raised.",
    ),
    // Ports and TLS: our own words, where no reply tells.
    entry(
        None,
        "",
        &["began tls where a reply in plain text was expected"],
        Stage::FinalDot,
        "The port speaks TLS from the first byte, and `security` says otherwise.",
        "Write `security: implicit`, or take the port for STARTTLS, mostly 587.",
    ),
    entry(
        None,
        "",
        &["spoke plain text where tls was expected"],
        Stage::FinalDot,
        "The port speaks plain text first, and `security: implicit` expects TLS.",
        "Write `security: starttls`, or take the port for implicit TLS, mostly 465.",
    ),
    entry(
        None,
        "",
        &["offers no starttls"],
        Stage::FinalDot,
        "The server offers no TLS on this port, and nothing is sent without.",
        "Take the port for submission (587, or 465 with `security: implicit`); a server on this machine may do with `security: none`.",
    ),
    entry(
        None,
        "",
        &["its certificate has expired"],
        Stage::FinalDot,
        "The server shows a certificate whose time is over.",
        "Who runs the server renews it and has the server load it. Look at this machine's clock too.",
    ),
    entry(
        None,
        "",
        &["its certificate is not valid yet"],
        Stage::FinalDot,
        "The certificate's time has not begun, by this machine's clock.",
        "Set this machine's clock right; if it is, the server's certificate is wrong.",
    ),
    entry(
        None,
        "",
        &["its certificate is for another name"],
        Stage::FinalDot,
        "The server shows a certificate for another name than `host`.",
        "Write the name from the certificate as `host`; an address or an alias of the server will not do.",
    ),
    entry(
        None,
        "",
        &["an authority unknown here"],
        Stage::FinalDot,
        "The certificate was issued by an authority that this machine does not trust; a firewall that opens TLS looks the same.",
        "Name the authority's certificate by `ca_file`; if it should be a public one, update the system's certificates, and \
         have the server send the intermediate one.",
    ),
    entry(
        None,
        "",
        &["is that of an authority"],
        Stage::FinalDot,
        "The server shows a self-made certificate that calls itself an authority, as `openssl req -x509` makes it; that is taken for no server, even where `ca_file` names it.",
        "Make it anew with `openssl req -x509 -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:NAME …`, NAME being the `host`, and name it by `ca_file`.",
    ),
    entry(
        None,
        "",
        &["is not signed by the authority that it names"],
        Stage::FinalDot,
        "The certificate names an authority that is trusted here, but another key has signed it.",
        "If a private authority was set up anew, name its present certificate by `ca_file`; otherwise somebody stands between.",
    ),
    entry(
        None,
        "",
        &["cannot be looked up", "has no address"],
        Stage::Connect,
        "The name of the server is not found in DNS.",
        "Look for a slip in `host`, and at this machine's DNS.",
    ),
    entry(
        None,
        "",
        &["connection refused"],
        Stage::Connect,
        "Nothing listens on that port.",
        "Look at `host` and `port`: 587 for `starttls`, 465 for `implicit`; and see whether the server runs.",
    ),
    entry(
        None,
        "",
        &["no connection to", "network is unreachable", "no route to host"],
        Stage::Connect,
        "The server does not answer; mostly a firewall is in the way. Many networks let nobody out on port 25.",
        "Try port 587 or 465, or have the firewall opened for this machine.",
    ),
    entry(
        None,
        "",
        &["did not answer within"],
        Stage::Greeting,
        "The server was reached and says nothing: a port for TLS from the first byte waits like this, and so does a busy server.",
        "On port 465 write `security: implicit`.",
    ),
    entry(
        None,
        "",
        &["offers no way to sign in"],
        Stage::Auth,
        "The server takes no sign-in on this port, and `auth` asks for one.",
        "Take the port for submission (587 or 465), or remove `auth` if the server knows this machine by its address.",
    ),
    entry(
        None,
        "",
        &["none of our ways to sign in"],
        Stage::Auth,
        "The server takes only ways to sign in that are not set up here.",
        "If it offers XOAUTH2 or OAUTHBEARER, write `oauth2` in place of `password`; else have PLAIN switched on.",
    ),
];

/// Returns what an answer means, if it is known: of a reply at `stage`, or of a fault where no reply came.
///
/// `enhanced` is the enhanced code as it is written, `5.7.139`; `text` the reply's text or the fault's words.
pub fn diagnose(stage: Option<Stage>, code: Option<u16>, enhanced: Option<&str>, text: &str) -> Option<Diagnosis> {
    let text = text.to_lowercase();
    let enhanced = enhanced.unwrap_or_default();
    let fits = |entry: &&Entry| {
        entry.code.is_none_or(|wanted| code == Some(wanted))
            && (entry.enhanced.is_empty()
                || enhanced == entry.enhanced
                || entry.enhanced.starts_with('.') && enhanced.ends_with(entry.enhanced))
            && (entry.words.is_empty() || entry.words.iter().any(|words| text.contains(words)))
            && stage.is_none_or(|stage| stage <= entry.until)
    };
    TABLE.iter().find(fits).map(|entry| entry.diagnosis)
}

/// Returns what the words mean with which a server's fault stands on record: `535 5.7.8 …`, or a fault of our own.
pub fn diagnose_words(words: &str) -> Option<Diagnosis> {
    // What befalls one sender only says so before it.
    let words = words.strip_prefix("from sender `").and_then(|rest| rest.split_once("`: ")).map_or(words, |(_, said)| said);
    let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
    let code = first.parse().ok().filter(|code| (200..600).contains(code));
    let text = if code.is_some() { rest } else { words };
    let begin = text.split(' ').next().unwrap_or_default();
    let is_enhanced = begin.split('.').count() == 3 && begin.split('.').all(|part| part.parse::<u16>().is_ok());
    diagnose(None, code, is_enhanced.then_some(begin), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_explained_with_the_next_step() {
        type Case = (Stage, Option<u16>, Option<&'static str>, &'static str, Option<&'static str>);
        let cases: &[Case] = &[
            (
                Stage::Auth,
                Some(535),
                Some("5.7.8"),
                "5.7.8 Error: authentication failed",
                Some("does not accept the user and the"),
            ),
            (
                Stage::Auth,
                Some(535),
                Some("5.7.8"),
                "5.7.8 Username and Password not accepted. For more information",
                Some("Google does not accept user and password"),
            ),
            (
                Stage::Auth,
                Some(535),
                Some("5.7.139"),
                "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
                Some("Sending by SMTP is switched off"),
            ),
            (
                Stage::Auth,
                Some(535),
                Some("5.7.139"),
                "5.7.139 Authentication unsuccessful, basic authentication is disabled.",
                Some("takes no password"),
            ),
            (Stage::Auth, Some(535), Some("5.7.3"), "5.7.3 Authentication unsuccessful", Some("Exchange refused")),
            (Stage::MailFrom, Some(550), Some("5.7.30"), "5.7.30 Basic authentication is not supported", Some("wants OAuth 2")),
            (Stage::Auth, None, None, "AADSTS7000222: The provided client secret keys are expired.", Some("has expired")),
            (Stage::Auth, None, None, "AADSTS99999: never heard of", Some("the code behind AADSTS says why")),
            (
                Stage::FinalDot,
                Some(554),
                Some("5.2.2"),
                "5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException",
                Some("The mailbox of the sender is full"),
            ),
            (Stage::RcptTo, Some(452), Some("4.2.2"), "4.2.2 Over quota", Some("The recipient's mailbox is full")),
            (Stage::RcptTo, Some(552), Some("5.2.2"), "5.2.2 mailbox full", Some("The recipient's mailbox is full")),
            (Stage::FinalDot, Some(452), Some("4.2.2"), "4.2.2 mailbox full", Some("The recipient's mailbox is full")),
            (Stage::MailFrom, Some(554), Some("5.2.2"), "5.2.2 mailbox full", Some("The mailbox of the sender is full")),
            (Stage::FinalDot, Some(554), Some("5.2.2"), "5.2.2 mailbox full", Some("The mailbox of the sender is full")),
            (
                Stage::RcptTo,
                Some(451),
                Some("4.7.500"),
                "4.7.500 Server busy. Please try again later",
                Some("from this address at once"),
            ),
            (Stage::MailFrom, Some(421), Some("4.4.5"), "4.4.5 Server busy, try again later.", Some("no more so fast")),
            (Stage::FinalDot, Some(550), Some("5.7.1"), "5.7.1 daily sending quota", Some("all that Google allows in a day")),
            (
                Stage::FinalDot,
                Some(554),
                None,
                "Message rejected: Sending suspended for this account.",
                Some("has suspended the account"),
            ),
            (Stage::FinalDot, Some(550), Some("5.1.8"), "5.1.8 Access denied, bad outbound sender", Some("blocked the account")),
            (
                Stage::FinalDot,
                Some(550),
                Some("5.7.705"),
                "5.7.705 Access denied, tenant has exceeded threshold",
                Some("the tenant's mails"),
            ),
            (
                Stage::Auth,
                None,
                None,
                "answered 400: invalid_grant: Invalid JWT Signature.",
                Some("the key of the service account"),
            ),
            (Stage::Auth, None, None, "answered 400: invalid_grant: Invalid email or User ID", Some("no such mailbox")),
            (Stage::Auth, None, None, "answered 401: unauthorized_client: Client is unauthorized", Some("knows the program")),
            (
                Stage::Auth,
                None,
                None,
                "answered 401: invalid_client: AADSTS700027: The certificate",
                Some("does not accept the certificate"),
            ),
            (Stage::Auth, None, None, "invalid_client: AADSTS700024: Client assertion", Some("the clock of this machine")),
            (
                Stage::Auth,
                None,
                None,
                "invalid_grant: AADSTS700082: The refresh token has expired",
                Some("The refresh token has ended"),
            ),
            (Stage::Auth, None, None, "access_denied: AADSTS53003: Access has been blocked", Some("Conditional Access")),
            (Stage::MailFrom, Some(450), Some("4.7.1"), "4.7.1 Error: too much mail from 127.0.0.1", Some("no more so fast")),
            (Stage::RcptTo, Some(554), Some("5.7.1"), "5.7.1 <a@b.example>: Relay access denied", Some("passes mail on only")),
            (Stage::RcptTo, Some(550), Some("5.1.1"), "5.1.1 No such user", Some("does not exist")),
            (Stage::Hello, Some(500), None, "what?", None),
            (Stage::FinalDot, Some(554), Some("5.7.1"), "5.7.1 Looks like spam", None),
        ];
        for (stage, code, enhanced, text, expected) in cases {
            let found = diagnose(Some(*stage), *code, *enhanced, text).map(|diagnosis| diagnosis.meaning);
            match expected {
                Some(expected) => assert!(found.is_some_and(|found| found.contains(expected)), "{text}: {found:?}"),
                None => assert_eq!(found, None, "{text}"),
            }
        }
    }

    #[test]
    fn words_on_record_are_taken_apart_again() {
        let found = |words| diagnose_words(words).map(|diagnosis| diagnosis.meaning);
        assert_eq!(
            found("535 5.7.8 Error: authentication failed"),
            Some("The server does not accept the user and the password.")
        );
        assert_eq!(found("from sender `a`: 535 no"), Some("The server does not accept the user and the password."));
        assert_eq!(found("530 Sign in first"), Some("The server wants a sign-in before it takes mail."));
        assert!(found("The server \"a:25\" is not trusted: its certificate has expired (x)").is_some());
        // Only what is the sender's own is a server's fault.
        assert!(found("from sender `a`: 554 5.2.2 mailbox full").is_some_and(|found| found.contains("of the sender is full")));
        assert_eq!(found("No wonder"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn every_entry_can_be_met() {
        for (place, entry) in TABLE.iter().enumerate() {
            let enhanced = entry.enhanced.strip_prefix('.').map_or(entry.enhanced.to_owned(), |rest| format!("5.{rest}"));
            let text = entry.words.first().copied().unwrap_or_default();
            let found = diagnose(Some(entry.until), entry.code, Some(&enhanced), text);
            assert_eq!(found, Some(entry.diagnosis), "entry {place} stands behind one that takes its cases");
        }
    }

    #[test]
    fn sentences_end_and_steps_say_what_to_do() {
        for Entry { words, diagnosis, .. } in TABLE {
            assert!(diagnosis.meaning.ends_with('.') && diagnosis.next_step.ends_with('.'), "{diagnosis:?}");
            assert!(words.iter().all(|words| *words == words.to_lowercase()), "{words:?} can never be met");
        }
    }
}
