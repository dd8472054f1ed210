//! The dialogue of one message: MAIL, RCPT, DATA, the permission, the content, the final dot.
//!
//! Where the server allows it the envelope travels as one group (RFC 2920), and the envelope of the message that comes
//! next travels with the final dot of this one, so that a message costs one round trip. Every way out of here says how
//! far it came, and leaves the connection clean, ahead (the next envelope is on its way) or marks it as spent.

use std::borrow::Cow;
use std::ops::Range;

use compact_str::CompactString;

use crate::domain::mailbox::{Recipient, RecipientRole};
use crate::outbox::attempt::{Outcome, Reply, Stage};
use crate::port::{Gate, Outgoing};
use crate::smtp::command::{self, CommandFault, MailParameters};
use crate::smtp::extension::{Extensions, SizeOffer};
use crate::smtp::reply::{Class, class};
use crate::smtp::session::{Condition, Ending, Session};
use crate::smtp::stuffing::{FINAL_DOT, Stuffed, stuffed};
use crate::smtp::verdict::verdict;
use crate::smtp::wire::WireFault;

/// The most recipients of one message: what every server must take. Source: RFC 5321 §4.5.3.1.8.
pub(crate) const RECIPIENTS_MAX: usize = 100;

/// Hands `outgoing` over; asks `gate` after the 354 and before the first byte of the message, and `next` for the message
/// that this connection is to take after it, just before the content goes.
///
/// On a session that is ahead, `outgoing` must be the message whose envelope went ahead.
pub(crate) async fn deliver(session: &mut Session, outgoing: &Outgoing, gate: &dyn Gate, next: &mut dyn Next) -> Ending {
    session.is_mail_answered = false;
    let ahead = session.ahead.take();
    let is_offered = ahead.is_some();
    let (suitable, left_out, prepared) = match ahead {
        // What went ahead was found to suit before.
        Some(envelope) => (Cow::Borrowed(outgoing), vec![], Ok(envelope)),
        None => match suited(&session.extensions, outgoing) {
            Ok(Suited { outgoing, left_out, is_ascii }) => {
                let prepared = prepare(&session.extensions, &outgoing, is_ascii);
                (outgoing, left_out, prepared)
            }
            // Not a byte was sent: the connection is as clean as it was.
            Err(fault) => return Ending::fault(Stage::MailFrom, Outcome::Unsuited, fault),
        },
    };
    let outgoing = &*suitable;
    let prepared = prepared
        .and_then(|envelope| Ok((envelope, stuffed(&outgoing.signatures, &outgoing.bytes).map_err(|fault| fault.to_string())?)));
    let (envelope, content) = match prepared {
        Ok(prepared) => prepared,
        Err(fault) => {
            // Where not a byte was sent the connection is as clean as it was.
            if is_offered {
                session.condition = Condition::Spent;
            }
            return Ending::fault(Stage::MailFrom, Outcome::Refused, fault);
        }
    };
    // Until the dialogue has come to an orderly end; a future that is dropped on the way never says so.
    session.condition = Condition::Spent;
    let dialogue = Dialogue { session, envelope, is_offered, outgoing };
    let (Ok(mut ending) | Err(mut ending)) = dialogue.run(gate, content, next).await;
    ending.recipients_refused.extend(left_out);
    ending
}

/// A message as a server can be offered it.
struct Suited<'o> {
    outgoing: Cow<'o, Outgoing>,
    /// The recipients left out of it, with the reason.
    left_out: Vec<(CompactString, Reply)>,
    /// Whether the whole message has no letter beyond ASCII.
    is_ascii: bool,
}

/// Returns the message as this server can be offered it, without the recipients whose letters it cannot know.
///
/// # Errors
/// Why this server cannot take it, in words.
fn suited<'o>(offer: &Extensions, outgoing: &'o Outgoing) -> Result<Suited<'o>, String> {
    let message = &*outgoing.bytes;
    if let SizeOffer::UpTo(limit) = offer.size
        && outgoing.byte_count() as u64 > limit
    {
        return Err(format!(
            "The message has {} bytes and the server takes {limit} at most; attach fewer or smaller documents",
            outgoing.byte_count()
        ));
    }
    let is_ascii = message.is_ascii();
    if !offer.smtp_utf8 && needs_utf8(outgoing, is_ascii) {
        let is_international = |recipient: &&Recipient| !recipient.address.is_ascii();
        let international: Vec<&Recipient> = outgoing.recipients.iter().filter(is_international).collect();
        let header_says_it = !header(message).is_ascii();
        let is_offered = |recipient: &&Recipient| recipient.address.is_ascii();
        let left: Vec<Recipient> = outgoing.recipients.iter().filter(is_offered).cloned().collect();
        if header_says_it || !outgoing.envelope_from.is_ascii() || !is_anybody_addressed(&outgoing.recipients, &left) {
            let mut names: Vec<&str> = international.iter().map(|recipient| recipient.address.as_str()).collect();
            names.extend((!outgoing.envelope_from.is_ascii()).then_some(outgoing.envelope_from.as_str()));
            let what = if names.is_empty() { "The header".to_owned() } else { names.join(", ") };
            return Err(format!("Letters beyond ASCII, which the server does not take (no SMTPUTF8): {what}"));
        }
        let refused = |recipient: &Recipient| (recipient.address.clone(), not_offered());
        let left_out = international.into_iter().map(refused).collect();
        let outgoing = Cow::Owned(Outgoing { recipients: left, ..outgoing.clone() });
        return Ok(Suited { outgoing, left_out, is_ascii });
    }
    if !is_ascii && !offer.eight_bit {
        return Err("The message has bytes beyond ASCII, which the server does not take (no 8BITMIME)".to_owned());
    }
    Ok(Suited { outgoing: Cow::Borrowed(outgoing), left_out: vec![], is_ascii })
}

/// Returns what stands for a server's reply about a recipient it was not asked about. Source: RFC 6531 §3.5 (553, X.6.7).
fn not_offered() -> Reply {
    let text = "5.6.7 Not offered: the server takes no letters beyond ASCII in an address (no SMTPUTF8)";
    Reply { code: 553, enhanced: Some((5, 6, 7)), text: text.to_owned() }
}

/// Returns whether a mail for `all` may go to `left` of them alone: somebody it is addressed to is there.
fn is_anybody_addressed(all: &[Recipient], left: &[Recipient]) -> bool {
    let has_to = all.iter().any(|recipient| recipient.role == RecipientRole::To);
    left.iter().any(|recipient| recipient.role == RecipientRole::To || !has_to)
}

/// Who knows which message a connection is to take next.
pub(crate) trait Next: Send {
    /// Returns the message whose envelope may travel with the final dot of the present one.
    ///
    /// Once it was returned, whoever made the attempt must deliver it over this very connection, or close it.
    fn next(&mut self) -> Option<&Outgoing>;
}

/// The commands of an envelope, one after the other: MAIL, each RCPT, DATA.
pub(crate) struct Envelope {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Envelope {
    fn range(&self, index: usize) -> Range<usize> {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] };
        begin..self.ends[index]
    }
}

/// Writes the commands that offer the message; `is_ascii` says whether all of it is ASCII.
///
/// # Errors
/// Why no server can be given this message, in words.
fn prepare(offer: &Extensions, outgoing: &Outgoing, is_ascii: bool) -> Result<Envelope, String> {
    if !(1..=RECIPIENTS_MAX).contains(&outgoing.recipients.len()) {
        let count = outgoing.recipients.len();
        return Err(format!("The message has {count} recipients; it must have 1 to {RECIPIENTS_MAX}"));
    }
    let (eight_bit, smtp_utf8) = (!is_ascii, needs_utf8(outgoing, is_ascii));
    let size = (offer.size != SizeOffer::Absent).then_some(outgoing.byte_count());
    write_envelope(outgoing, MailParameters { size, eight_bit, smtp_utf8 }).map_err(|fault| fault.to_string())
}

/// Returns whether the envelope or the header has letters beyond ASCII; `is_ascii` says whether the whole message has none.
/// Source: RFC 6531 §3.2, RFC 6532 §3.
fn needs_utf8(outgoing: &Outgoing, is_ascii: bool) -> bool {
    !outgoing.envelope_from.is_ascii()
        || outgoing.recipients.iter().any(|recipient| !recipient.address.is_ascii())
        || !is_ascii && !header(&outgoing.bytes).is_ascii()
}

fn header(message: &[u8]) -> &[u8] {
    &message[..memchr::memmem::find(message, b"\r\n\r\n").unwrap_or(message.len())]
}

fn write_envelope(outgoing: &Outgoing, parameters: MailParameters) -> Result<Envelope, CommandFault> {
    let mut bytes = Vec::with_capacity(128 + 48 * outgoing.recipients.len());
    let mut ends = Vec::with_capacity(2 + outgoing.recipients.len());
    command::mail_from(&mut bytes, &outgoing.envelope_from, parameters)?;
    ends.push(bytes.len());
    for recipient in &outgoing.recipients {
        command::rcpt_to(&mut bytes, &recipient.address)?;
        ends.push(bytes.len());
    }
    bytes.extend_from_slice(command::DATA);
    ends.push(bytes.len());
    Ok(Envelope { bytes, ends })
}

struct Dialogue<'a> {
    session: &'a mut Session,
    envelope: Envelope,
    /// Whether the envelope went with the final dot of the message before.
    is_offered: bool,
    outgoing: &'a Outgoing,
}

impl Dialogue<'_> {
    async fn run(mut self, gate: &dyn Gate, content: Stuffed<'_>, next: &mut dyn Next) -> Result<Ending, Ending> {
        let refused = self.offer_envelope().await?;
        if let Err(closed) = gate.before_dot().await {
            // The server waits for a message that must not leave: only closing the connection says so.
            return Err(Ending::fault(Stage::Data, Outcome::NotRecorded, closed.to_string()));
        }
        // The gate may have taken its time; what the server said meanwhile is no answer to the message.
        self.session.expect_quiet(Stage::Data).await?;
        let ending = self.hand_over(content, next).await;
        Ok(Ending { recipients_refused: refused, ..ending })
    }

    /// Comes to the 354; returns the recipients refused for good, while one addressed at least was taken.
    async fn offer_envelope(&mut self) -> Result<Vec<(CompactString, Reply)>, Ending> {
        let is_grouped = self.session.extensions.pipelining;
        if is_grouped && !self.is_offered {
            let within = self.session.settings.deadlines.envelope;
            let sent = self.session.wire.send(&self.envelope.bytes, within).await;
            if let Err(fault) = sent {
                return Err(self.parting_word(Stage::MailFrom, fault).await);
            }
        }
        let mail = self.answer(0, Stage::MailFrom).await?;
        // A server that lost its place has not heard of the message; told alone it may take it.
        self.session.is_mail_answered = !(self.is_offered && is_out_of_step(&mail));
        if !self.session.is_mail_answered {
            return Err(Ending::refused(Stage::MailFrom, mail));
        }
        if class(&mail) != Class::Done {
            let ending = negative(Stage::MailFrom, mail)?;
            // No MAIL was taken, so that there is nothing to reset. What follows cannot change the refusal.
            let is_answered = !is_grouped || self.has_taken_recipient_replies().await && self.has_refused_data().await;
            self.session.condition = if is_answered { Condition::Clean } else { Condition::Spent };
            return Err(ending);
        }
        let mut replies = Vec::with_capacity(self.outgoing.recipients.len());
        for index in 1..=self.outgoing.recipients.len() {
            let reply = self.answer(index, Stage::RcptTo).await?;
            if class(&reply) == Class::GoOn {
                return Err(Ending::absurd(Stage::RcptTo, reply));
            }
            replies.push(reply);
        }
        let refused = match self.weigh(replies) {
            Ok(refused) => refused,
            Err(ending) => {
                if !is_grouped || self.has_refused_data().await {
                    self.reset().await;
                }
                return Err(ending);
            }
        };
        let data = self.answer(self.outgoing.recipients.len() + 1, Stage::Data).await?;
        if class(&data) != Class::GoOn {
            let ending = negative(Stage::Data, data)?;
            self.reset().await;
            return Err(Ending { recipients_refused: refused, ..ending });
        }
        Ok(refused)
    }

    /// Sends command `index` of the envelope, unless it went with the group, and waits for the reply to it.
    async fn answer(&mut self, index: usize, stage: Stage) -> Result<Reply, Ending> {
        let deadlines = &self.session.settings.deadlines;
        let within = if stage == Stage::Data { deadlines.data } else { deadlines.envelope };
        if !self.session.extensions.pipelining {
            self.session.expect_quiet(stage).await?;
            let sent = self.session.wire.send(&self.envelope.bytes[self.envelope.range(index)], within).await;
            if let Err(fault) = sent {
                return Err(self.parting_word(stage, fault).await);
            }
        }
        let reply = self.session.reply(stage, within).await.map_err(|fault| Ending::lost(stage, &fault))?;
        if is_goodbye(&reply) {
            return Err(Ending::refused(stage, reply));
        }
        Ok(reply)
    }

    /// Decides by the replies to RCPT whether the message may go on.
    ///
    /// A recipient who is only deferred holds up the whole message, since a second one for the rest would be a
    /// message of its own; those refused for good do so only if nobody it is addressed to is left.
    fn weigh(&self, replies: Vec<Reply>) -> Result<Vec<(CompactString, Reply)>, Ending> {
        let recipients = &self.outgoing.recipients;
        let has_to = recipients.iter().any(|recipient| recipient.role == RecipientRole::To);
        let mut is_anybody_left = false;
        let (mut deferral, mut fault, mut refused) = (None, None, vec![]);
        for (recipient, reply) in recipients.iter().zip(replies) {
            match class(&reply) {
                Class::Done => is_anybody_left |= recipient.role == RecipientRole::To || !has_to,
                Class::NotNow => deferral = deferral.or(Some(reply)),
                _ if verdict(Stage::RcptTo, &reply) == Outcome::ServerFault => fault = fault.or(Some(reply)),
                _ => refused.push((recipient.address.clone(), reply)),
            }
        }
        let ending = match (fault.or(deferral), refused.first()) {
            (Some(reply), _) => Ending::refused(Stage::RcptTo, reply),
            (None, Some((_, first))) if !is_anybody_left => Ending::refused(Stage::RcptTo, first.clone()),
            _ => return Ok(refused),
        };
        Err(Ending { recipients_refused: refused, ..ending })
    }

    /// Takes the replies to the RCPTs of a group whose MAIL was refused; returns whether they all came.
    async fn has_taken_recipient_replies(&mut self) -> bool {
        for index in 1..=self.outgoing.recipients.len() {
            if self.answer(index, Stage::RcptTo).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Takes the reply to a DATA that went with the group and must not succeed; returns whether it was refused.
    ///
    /// Where it was not, the server waits for a message. Even an empty one could reach somebody, so that nothing
    /// but closing the connection is safe.
    async fn has_refused_data(&mut self) -> bool {
        let reply = self.answer(self.outgoing.recipients.len() + 1, Stage::Data).await;
        reply.is_ok_and(|reply| matches!(class(&reply), Class::NotNow | Class::No))
    }

    /// Ends the transaction, so that the connection can take another message.
    async fn reset(&mut self) {
        let within = self.session.settings.deadlines.envelope;
        let is_reset = self.session.wire.is_quiet().await
            && self.session.wire.send(command::RSET, within).await.is_ok()
            && self.session.reply(Stage::RcptTo, within).await.is_ok_and(|reply| class(&reply) == Class::Done);
        if is_reset {
            self.session.condition = Condition::Clean;
        }
    }

    async fn hand_over(&mut self, mut content: Stuffed<'_>, next: &mut dyn Next) -> Ending {
        let content_bytes = content.byte_count();
        // For the content, and once more for the reply to its dot: a server that took long to read is not asked to hurry.
        let within = self.session.settings.deadlines.content(content_bytes);
        let ahead = self.envelope_ahead(next);
        ahead.iter().for_each(|envelope| content.extend(&envelope.bytes));
        if let Err(unwritten) = self.session.wire.send_counted(content.pieces(), within).await {
            // As long as no byte of the final dot was handed to the connection, no server can have taken the message.
            if unwritten.written <= content_bytes - FINAL_DOT.len() {
                return self.parting_word(Stage::Content, unwritten.fault).await;
            }
            return match self.late_reply(&unwritten.fault).await {
                Some(reply) => after_dot(reply),
                None => Ending::fault(Stage::FinalDot, Outcome::Unknown, unwritten.fault.to_string()),
            };
        }
        let reply = match self.session.reply(Stage::FinalDot, within).await {
            Ok(reply) => reply,
            Err(fault) => return Ending::fault(Stage::FinalDot, Outcome::Unknown, fault.to_string()),
        };
        if class(&reply) != Class::GoOn && !is_goodbye(&reply) {
            self.session.condition = if ahead.is_some() { Condition::Ahead } else { Condition::Clean };
            self.session.ahead = ahead;
        }
        after_dot(reply)
    }

    /// Returns the commands that offer the next message, where they may travel with this one's final dot.
    ///
    /// MAIL and RCPT may stand anywhere in a group, and DATA at its end. Source: RFC 2920 §3.1.
    fn envelope_ahead(&self, next: &mut dyn Next) -> Option<Envelope> {
        if !self.session.extensions.pipelining || !self.session.has_room_for_more() {
            return None;
        }
        // One that this server cannot be given, or not to all of its recipients, is told so when its turn comes.
        let (offer, outgoing) = (&self.session.extensions, next.next()?);
        let suited = suited(offer, outgoing).ok().filter(|suited| suited.left_out.is_empty())?;
        prepare(offer, outgoing, suited.is_ascii).ok()
    }

    /// Returns the ending for bytes that could not be sent at `stage`: by the reply with which the server hung up, if any.
    async fn parting_word(&mut self, stage: Stage, fault: WireFault) -> Ending {
        match self.late_reply(&fault).await {
            Some(reply) if matches!(class(&reply), Class::NotNow | Class::No) => Ending::refused(stage, reply),
            _ => Ending::lost(stage, &fault),
        }
    }

    /// Returns the reply that lies in a connection which takes no more bytes, if there is one.
    async fn late_reply(&mut self, fault: &WireFault) -> Option<Reply> {
        if matches!(fault, WireFault::TimedOut(_)) {
            return None;
        }
        self.session.wire.reply(self.session.settings.deadlines.quit).await.ok()
    }
}

/// Returns whether a server that was sent MAIL with the final dot before it complains of what came too early.
pub(crate) fn is_out_of_step(reply: &Reply) -> bool {
    reply.code == 503 || reply.text.to_ascii_lowercase().contains("synchroni")
}

/// Returns whether the server is about to close: 421, or a timeout of its own (some say it with a 451).
fn is_goodbye(reply: &Reply) -> bool {
    reply.code == 421 || reply.enhanced == Some((4, 4, 2))
}

/// Returns the ending for a reply at `stage` that is no consent.
///
/// # Errors
/// The ending for a reply that makes no sense there; the connection is spent.
fn negative(stage: Stage, reply: Reply) -> Result<Ending, Ending> {
    match class(&reply) {
        Class::NotNow | Class::No => Ok(Ending::refused(stage, reply)),
        Class::Done | Class::GoOn => Err(Ending::absurd(stage, reply)),
    }
}

/// Returns the ending for the reply to the final dot.
fn after_dot(reply: Reply) -> Ending {
    match class(&reply) {
        Class::Done => Ending { reply: Some(reply), ..Ending::new(Stage::FinalDot, Outcome::Accepted) },
        Class::NotNow | Class::No => Ending::refused(Stage::FinalDot, reply),
        Class::GoOn => {
            let fault = format!("The server's reply {} to the final dot says neither yes nor no", reply.code);
            Ending { reply: Some(reply), ..Ending::fault(Stage::FinalDot, Outcome::Unknown, fault) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(recipients: usize, bytes: &str) -> Outgoing {
        let recipient = Recipient { address: "a@b.example".into(), role: RecipientRole::To };
        let (recipients, bytes) = (vec![recipient; recipients], bytes.as_bytes().into());
        Outgoing { envelope_from: "x@y.example".into(), recipients, signatures: Vec::new(), bytes }
    }

    #[test]
    fn the_envelope_knows_where_each_command_ends() {
        let outgoing = outgoing(2, "A: b\r\n\r\n.\r\n");
        let envelope = prepare(&Extensions::default(), &outgoing, true).unwrap();
        let commands: Vec<_> = (0..4).map(|index| str::from_utf8(&envelope.bytes[envelope.range(index)]).unwrap()).collect();
        let rcpt = "RCPT TO:<a@b.example>\r\n";
        assert_eq!(commands, ["MAIL FROM:<x@y.example>\r\n", rcpt, rcpt, "DATA\r\n"]);
    }

    #[test]
    fn a_message_has_somebody_to_go_to_and_not_too_many() {
        for (count, is_taken) in [(0, false), (1, true), (RECIPIENTS_MAX, true), (RECIPIENTS_MAX + 1, false)] {
            let fault = prepare(&Extensions::default(), &outgoing(count, ""), true).err();
            let expected = (!is_taken).then(|| format!("The message has {count} recipients; it must have 1 to {RECIPIENTS_MAX}"));
            assert_eq!(fault, expected);
        }
    }

    #[test]
    fn an_address_that_could_break_out_is_never_written() {
        let mut outgoing = outgoing(1, "");
        outgoing.recipients[0].address = "a@b.example>\r\nRCPT TO:<c@d.example".into();
        let fault = prepare(&Extensions::default(), &outgoing, true).err().unwrap();
        assert!(fault.ends_with("cannot stand in an SMTP envelope"), "{fault}");
    }
}
