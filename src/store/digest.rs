//! Digests over what is recorded: the facts of a row that nothing changes any more, in one fixed form.
//!
//! What changes by right (a message's state, when it is tried next, which of its steps it holds) is in none of them. The form
//! is written down in docs/decisions/0036 and stays: a chain of years ago has to be checkable.

use ring::digest::{Context, SHA256};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::mailbox::Recipient;
use crate::store::runs::role_word;
use crate::store::{StoreError, bodies};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];
/// The first half of one.
pub(crate) type HalfHash = [u8; 16];

/// Takes values in, one after the other, each so that it cannot be mistaken for a part of its neighbour.
#[derive(Clone)]
pub(crate) struct Digester(Context);

impl Digester {
    /// Begins a digest of this kind of thing.
    pub(crate) fn new(kind: &str) -> Self {
        let mut digester = Self(Context::new(&SHA256));
        digester.text(kind);
        digester
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as i64);
        self.0.update(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            // No text is so long.
            None => self.number(-1),
        }
    }

    pub(crate) fn optional_text(&mut self, text: Option<&str>) {
        self.optional(text.map(str::as_bytes));
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.0.update(&number.to_be_bytes());
    }

    pub(crate) fn optional_number(&mut self, number: Option<i64>) {
        self.optional(number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    pub(crate) fn finish(self) -> Hash {
        let mut hash = Hash::default();
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// Returns the SHA-256 of bytes alone.
pub(crate) fn plain(bytes: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    Digester(context).finish()
}

/// A digest over rows, in the order of their ids.
#[derive(Clone)]
pub(crate) struct RowsDigester {
    digester: Digester,
    pub(crate) count: i64,
}

impl Default for RowsDigester {
    fn default() -> Self {
        Self { digester: Digester::new("rows"), count: 0 }
    }
}

impl RowsDigester {
    pub(crate) fn row(&mut self, id: i64, digest: Option<&[u8]>) {
        self.digester.number(id);
        self.digester.optional(digest);
        self.count += 1;
    }

    /// Returns the digest, `None` where there was no row.
    pub(crate) fn finish(self) -> Option<Hash> {
        (self.count > 0).then(|| self.digester.finish())
    }
}

/// The text of a mail and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    bytes: Vec<u8>,
    input: Option<String>,
    digest: Hash,
}

impl Body {
    /// Takes the exact bytes, and the rows of the ledger as JSON.
    pub fn new(bytes: Vec<u8>, input: Option<String>) -> Self {
        let digest = text_digest(&bytes, input.as_deref());
        Self { bytes, input, digest }
    }

    /// Returns the exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the rows it was made from.
    pub fn input(&self) -> Option<&str> {
        self.input.as_deref()
    }

    pub(crate) fn digest(&self) -> &Hash {
        &self.digest
    }
}

/// Returns the digest of a mail's text with its input.
pub(crate) fn text_digest(bytes: &[u8], input: Option<&str>) -> Hash {
    let mut digester = TextDigester::begin(bytes.len());
    digester.part(bytes);
    digester.finish(input)
}

/// Makes the digest of a mail's text piece by piece.
pub(crate) struct TextDigester(Digester);

impl TextDigester {
    /// Begins the digest of a text of so many bytes.
    pub(crate) fn begin(byte_count: usize) -> Self {
        let mut digester = Digester::new("text");
        digester.number(byte_count as i64);
        Self(digester)
    }

    pub(crate) fn part(&mut self, bytes: &[u8]) {
        self.0.0.update(bytes);
    }

    pub(crate) fn finish(mut self, input: Option<&str>) -> Hash {
        self.0.optional_text(input);
        self.0.finish()
    }
}

/// What of a message's row stays as it was composed.
pub(crate) struct MessageFacts<'a> {
    pub(crate) run_id: i64,
    pub(crate) message_key: &'a str,
    pub(crate) mode: &'a str,
    pub(crate) rule_id: &'a str,
    pub(crate) rule_revision: &'a str,
    pub(crate) customer_id: &'a str,
    pub(crate) customer_name: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) total: &'a str,
    pub(crate) level_id: &'a str,
    pub(crate) level_repeat: u32,
    pub(crate) kind: &'a str,
    pub(crate) occasion: &'a str,
    pub(crate) as_of: &'a str,
    pub(crate) detail: Option<&'a str>,
    pub(crate) sender_id: &'a str,
    pub(crate) envelope_from: Option<&'a str>,
    pub(crate) header_id: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) give_up_after_ms: Option<i64>,
    pub(crate) is_copy: bool,
}

/// An item as a digest takes it: what its row says of it.
#[derive(Clone, Copy)]
pub(crate) struct ItemFacts<'a> {
    pub(crate) document: &'a str,
    pub(crate) mode: &'a str,
    pub(crate) rule_id: &'a str,
    pub(crate) level_id: &'a str,
    pub(crate) level_repeat: u32,
    pub(crate) open: &'a str,
}

/// Returns the digest of a message; items come by document.
pub(crate) fn message<'i>(
    facts: &MessageFacts<'_>,
    recipients: &[Recipient],
    items: impl Iterator<Item = ItemFacts<'i>>,
    text: Option<&Hash>,
) -> Hash {
    let mut digester = Digester::new("message");
    digester.number(facts.run_id);
    let texts = [
        facts.message_key,
        facts.mode,
        facts.rule_id,
        facts.rule_revision,
        facts.customer_id,
        facts.customer_name,
        facts.currency,
        facts.total,
        facts.level_id,
        facts.kind,
        facts.occasion,
        facts.as_of,
        facts.sender_id,
    ];
    texts.into_iter().for_each(|text| digester.text(text));
    digester.number(facts.level_repeat.into());
    [facts.detail, facts.envelope_from, facts.header_id, facts.subject].into_iter().for_each(|text| digester.optional_text(text));
    digester.optional_number(facts.give_up_after_ms);
    digester.number(facts.is_copy.into());
    digester.optional(text.map(Hash::as_slice));
    digester.number(recipients.len() as i64);
    for recipient in recipients {
        digester.text(role_word(recipient.role));
        digester.text(&recipient.address);
    }
    for item in items {
        [item.document, item.mode, item.rule_id, item.level_id, item.open].into_iter().for_each(|text| digester.text(text));
        digester.number(item.level_repeat.into());
    }
    digester.finish()
}

/// A message of the database with its digest as it should be.
pub(crate) struct ReadMessage {
    pub(crate) stored: Option<Vec<u8>>,
    pub(crate) computed: Hash,
    pub(crate) run_id: i64,
    pub(crate) state: String,
    pub(crate) is_copy: bool,
    /// Its text has left the database, with this digest.
    pub(crate) archived: Option<Vec<u8>>,
}

/// Reads a message and makes its digest anew; `None` where there is no such message.
pub(crate) fn read_message(connection: &Connection, id: i64) -> Result<Option<ReadMessage>, StoreError> {
    let select =
        "select run_id, message_key, mode, rule_id, rule_revision, customer_id, customer_name, currency, total, level_id,
            level_repeat, kind, occasion, as_of, detail, sender_id, envelope_from, header_id, subject, give_up_after_ms, is_copy,
            digest, text_digest, state
        from message where id = ?1";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((id,))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let text = |place: usize| text_at(row, place);
    let optional = |place: usize| Ok::<_, rusqlite::Error>(row.get_ref(place)?.as_str_or_null()?);
    let facts = MessageFacts {
        run_id: row.get(0)?,
        message_key: text(1)?,
        mode: text(2)?,
        rule_id: text(3)?,
        rule_revision: text(4)?,
        customer_id: text(5)?,
        customer_name: text(6)?,
        currency: text(7)?,
        total: text(8)?,
        level_id: text(9)?,
        level_repeat: row.get(10)?,
        kind: text(11)?,
        occasion: text(12)?,
        as_of: text(13)?,
        detail: optional(14)?,
        sender_id: text(15)?,
        envelope_from: optional(16)?,
        header_id: optional(17)?,
        subject: optional(18)?,
        give_up_after_ms: row.get(19)?,
        is_copy: row.get(20)?,
    };
    let archived: Option<Vec<u8>> = row.get(22)?;
    let here = bodies::digest(connection, id)?;
    let text_digest = here.or_else(|| archived.as_deref().and_then(|digest| Hash::try_from(digest).ok()));
    let (items, people) = (all_items(connection, id)?, crate::store::outbox::recipients(connection, id)?);
    let items = items.iter().map(|[document, mode, rule_id, level_id, open, repeat]| ItemFacts {
        document,
        mode,
        rule_id,
        level_id,
        level_repeat: repeat.parse().unwrap_or(u32::MAX),
        open,
    });
    Ok(Some(ReadMessage {
        stored: row.get(21)?,
        computed: message(&facts, &people, items, text_digest.as_ref()),
        run_id: facts.run_id,
        state: text(23)?.to_owned(),
        is_copy: facts.is_copy,
        archived,
    }))
}

fn all_items(connection: &Connection, id: i64) -> Result<Vec<[String; 6]>, StoreError> {
    let select = "select document, mode, rule_id, level_id, open, cast(level_repeat as text) from message_item
        where message_id = ?1 order by document";
    let mut statement = connection.prepare_cached(select)?;
    let row = |row: &Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?]);
    Ok(statement.query_map((id,), row)?.collect::<Result<_, _>>()?)
}

/// What a decision says.
pub(crate) struct DecisionFacts<'a> {
    pub(crate) run_id: i64,
    pub(crate) rule_id: &'a str,
    pub(crate) customer_id: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) document: &'a str,
    pub(crate) verdict: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message_id: Option<i64>,
    pub(crate) yields_to: Option<&'a str>,
    pub(crate) trace: Option<&'a str>,
}

/// Returns the digest of a decision, half as long as others.
pub(crate) fn decision(facts: &DecisionFacts<'_>) -> HalfHash {
    let mut digester = Digester::new("decision");
    digester.number(facts.run_id);
    [facts.rule_id, facts.customer_id, facts.currency, facts.document, facts.verdict, facts.reason]
        .into_iter()
        .for_each(|text| digester.text(text));
    digester.optional_number(facts.message_id);
    digester.optional_text(facts.yields_to);
    digester.optional_text(facts.trace);
    let mut half = HalfHash::default();
    half.copy_from_slice(&digester.finish()[..16]);
    half
}

/// What an attempt came to.
pub(crate) struct AttemptFacts<'a> {
    pub(crate) message_id: i64,
    pub(crate) server_id: &'a str,
    pub(crate) started_at_ms: i64,
    pub(crate) duration_ms: i64,
    pub(crate) stage: &'a str,
    pub(crate) outcome: &'a str,
    pub(crate) reply_code: Option<i64>,
    pub(crate) reply_enhanced: Option<&'a str>,
    pub(crate) reply_text: Option<&'a str>,
    pub(crate) fault: Option<&'a str>,
    pub(crate) recipients_refused: Option<&'a str>,
}

/// Returns the digest of an attempt.
pub(crate) fn attempt(facts: &AttemptFacts<'_>) -> Hash {
    let mut digester = Digester::new("attempt");
    [facts.message_id, facts.started_at_ms, facts.duration_ms].into_iter().for_each(|number| digester.number(number));
    [facts.server_id, facts.stage, facts.outcome].into_iter().for_each(|text| digester.text(text));
    digester.optional_number(facts.reply_code);
    [facts.reply_enhanced, facts.reply_text, facts.fault, facts.recipients_refused]
        .into_iter()
        .for_each(|text| digester.optional_text(text));
    digester.finish()
}

/// What a person did.
pub(crate) struct ActFacts<'a> {
    pub(crate) at_ms: i64,
    pub(crate) person: &'a str,
    pub(crate) act: &'a str,
    pub(crate) run_id: Option<i64>,
    pub(crate) message_id: Option<i64>,
    pub(crate) detail: Option<&'a str>,
}

/// Returns the digest of an act.
pub(crate) fn act(facts: &ActFacts<'_>) -> Hash {
    let mut digester = Digester::new("act");
    digester.number(facts.at_ms);
    digester.text(facts.person);
    digester.text(facts.act);
    digester.optional_number(facts.run_id);
    digester.optional_number(facts.message_id);
    digester.optional_text(facts.detail);
    digester.finish()
}

/// What of a run's row stays as it began.
pub(crate) struct RunFacts<'a> {
    pub(crate) id: i64,
    pub(crate) as_of: &'a str,
    pub(crate) rule_id: Option<&'a str>,
    pub(crate) mode: &'a str,
    pub(crate) generation: &'a str,
    pub(crate) started_at_ms: i64,
    pub(crate) person: Option<&'a str>,
    pub(crate) only_subject: Option<&'a str>,
}

/// Returns the digest of a run, which the one of its generation's texts goes into.
pub(crate) fn run(facts: &RunFacts<'_>, generation: Option<&[u8]>) -> Hash {
    let mut digester = Digester::new("run");
    digester.number(facts.id);
    [facts.as_of, facts.mode, facts.generation].into_iter().for_each(|text| digester.text(text));
    digester.number(facts.started_at_ms);
    [facts.rule_id, facts.person, facts.only_subject].into_iter().for_each(|text| digester.optional_text(text));
    digester.optional(generation);
    digester.finish()
}

/// Reads a run and makes its digest; `None` where there is no such run.
pub(crate) fn read_run(connection: &Connection, id: i64) -> Result<Option<Hash>, StoreError> {
    let select = "select as_of, rule_id, mode, generation, started_at_ms, person, only_subject,
            (select digest from generation where generation.id = run.generation)
        from run where id = ?1";
    let row = |row: &Row<'_>| {
        let optional = |place: usize| Ok::<_, rusqlite::Error>(row.get_ref(place)?.as_str_or_null()?);
        let facts = RunFacts {
            id,
            as_of: text_at(row, 0)?,
            rule_id: optional(1)?,
            mode: text_at(row, 2)?,
            generation: text_at(row, 3)?,
            started_at_ms: row.get(4)?,
            person: optional(5)?,
            only_subject: optional(6)?,
        };
        Ok(run(&facts, row.get_ref(7)?.as_blob_or_null()?))
    };
    Ok(connection.prepare_cached(select)?.query_row((id,), row).optional()?)
}

/// Returns the digest of a generation: of its texts' paths, hashes and whether they are kept, by path.
pub(crate) fn generation<'t>(texts: impl Iterator<Item = (&'t str, &'t str, bool)>) -> Hash {
    let mut digester = Digester::new("generation");
    for (path, hash, is_kept) in texts {
        digester.text(path);
        digester.text(hash);
        digester.number(is_kept.into());
    }
    digester.finish()
}

/// Returns a text of a row without copying it.
pub(crate) fn text_at<'r>(row: &'r Row<'_>, place: usize) -> Result<&'r str, rusqlite::Error> {
    Ok(row.get_ref(place)?.as_str()?)
}

/// Returns a value of a row as a hash, `None` where it is none.
pub(crate) fn hash_at(row: &Row<'_>, place: usize) -> Result<Option<Hash>, rusqlite::Error> {
    let value = row.get_ref(place)?.as_blob_or_null()?;
    Ok(value.and_then(|bytes| Hash::try_from(bytes).ok()))
}
