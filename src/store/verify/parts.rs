//! What the links of the chain are about: each row against its own digest, and the digests of rows against the link's.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Row;

use crate::domain::hex::hexadecimal;
use crate::store::StoreError;
use crate::store::chain::Link;
use crate::store::digest::{
    ActFacts, AttemptFacts, DecisionFacts, Hash, RowsDigester, act, attempt, decision, generation, plain, read_message, read_run,
    text_at,
};
use crate::store::verify::{FAULTS_MAX, Verifier, short};

/// The most ids of one gap that are looked for; more were never given out at once.
const GAP_IDS_MAX: usize = 10_000_000;

/// What stands where nothing is.
const NOTHING: &str = "nothing";
/// What a row has that no program wrote.
const UNSEALED: &str = "a row without a digest";

/// Rows of a table that only grows, in ranges of ids.
struct Appended {
    /// What one is called.
    what: &'static str,
    /// Id and stored digest, then what `digest` takes.
    select: &'static str,
    digest: fn(&Row<'_>) -> Result<Hash, rusqlite::Error>,
}

const ATTEMPTS: Appended = Appended {
    what: "attempt",
    select: "select id, digest, message_id, server_id, started_at_ms, duration_ms, stage, outcome, reply_code, reply_enhanced,
        reply_text, fault, recipients_refused from attempt where id > ?1 and id <= ?2 order by id",
    digest: attempt_digest,
};

const ACTS: Appended = Appended {
    what: "act",
    select: "select id, digest, at_ms, person, act, run_id, message_id, detail from act where id > ?1 and id <= ?2 order by id",
    digest: act_digest,
};

fn attempt_digest(row: &Row<'_>) -> Result<Hash, rusqlite::Error> {
    let optional = |place: usize| Ok::<_, rusqlite::Error>(row.get_ref(place)?.as_str_or_null()?);
    Ok(attempt(&AttemptFacts {
        message_id: row.get(2)?,
        server_id: text_at(row, 3)?,
        started_at_ms: row.get(4)?,
        duration_ms: row.get(5)?,
        stage: text_at(row, 6)?,
        outcome: text_at(row, 7)?,
        reply_code: row.get(8)?,
        reply_enhanced: optional(9)?,
        reply_text: optional(10)?,
        fault: optional(11)?,
        recipients_refused: optional(12)?,
    }))
}

fn act_digest(row: &Row<'_>) -> Result<Hash, rusqlite::Error> {
    Ok(act(&ActFacts {
        at_ms: row.get(2)?,
        person: text_at(row, 3)?,
        act: text_at(row, 4)?,
        run_id: row.get(5)?,
        message_id: row.get(6)?,
        detail: row.get_ref(7)?.as_str_or_null()?,
    }))
}

/// Returns whether no id lies behind `after` and up to `upto`.
fn has_none(ids: &BTreeSet<i64>, (after, upto): (i64, i64)) -> bool {
    ids.range(after + 1..).next().is_none_or(|id| *id > upto)
}

impl Verifier<'_> {
    /// Checks the texts that runs were made with.
    pub(super) fn texts(&mut self) -> Result<(), StoreError> {
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        let mut statement = self.reader.prepare("select hash, bytes from text")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let hash: String = row.get(0)?;
            let found = hexadecimal(&plain(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?));
            known.insert(hash.clone(), found == hash);
        }
        let mut used = BTreeSet::new();
        let mut statement = self.reader.prepare("select id, digest from generation order by id")?;
        let generations: Vec<(String, Vec<u8>)> =
            statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        self.generations = generations.into_iter().collect();
        let mut files: BTreeMap<String, Vec<(String, String, bool)>> = BTreeMap::new();
        let mut statement =
            self.reader.prepare("select generation, path, hash, is_kept from generation_text order by generation, path")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (id, file) = (row.get::<_, String>(0)?, (row.get(1)?, row.get::<_, String>(2)?, row.get(3)?));
            files.entry(id).or_default().push(file);
        }
        for (id, files) in &files {
            for (path, hash, _) in files.iter().filter(|(.., is_kept)| *is_kept) {
                let place = format!("generation {id}");
                match known.get(hash) {
                    None => self.fault(format!("text of {path}"), place, hash.clone(), NOTHING.into()),
                    Some(false) if used.insert(hash) => {
                        self.fault(format!("text of {path}"), place, hash.clone(), "another text".into());
                    }
                    Some(_) => drop(used.insert(hash)),
                }
            }
            if !self.generations.contains_key(id) {
                self.fault(format!("generation {id}"), "texts".into(), "its digest".into(), NOTHING.into());
            }
        }
        for (id, stored) in self.generations.clone() {
            let files = files.get(&id).map_or(&[][..], Vec::as_slice);
            let found = generation(files.iter().map(|(path, hash, is_kept)| (path.as_str(), hash.as_str(), *is_kept)));
            if found.as_slice() != stored {
                self.fault(format!("list of texts of generation {id}"), "texts".into(), short(&stored), short(&found));
            }
        }
        for hash in known.keys().filter(|hash| !used.contains(hash)) {
            self.fault(format!("text {hash}"), "texts".into(), NOTHING.into(), "a text that no generation has".into());
        }
        Ok(())
    }

    /// Looks for ids that are left out: rows of these tables are never removed but into the archive.
    pub(super) fn look_for_gaps(&mut self) -> Result<(), StoreError> {
        let select = "select last_message, last_attempt, last_act from link order by id desc limit 1";
        let upto: (i64, i64, i64) = self.reader.query_row(select, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let gaps = |table: &str, after: i64, upto: i64| -> Result<Vec<i64>, StoreError> {
            let mut statement = self.reader.prepare(&format!("select id from {table} where id > ?1 order by id"))?;
            let mut rows = statement.query((after,))?;
            let (mut missing, mut next) = (Vec::new(), after + 1);
            // A single made-up id can leave a gap as wide as the numbers go.
            let mut note = |gap: std::ops::Range<i64>| missing.extend(gap.take(GAP_IDS_MAX));
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                note(next..id);
                next = id.saturating_add(1);
            }
            note(next..upto.saturating_add(1));
            Ok(missing)
        };
        let messages = gaps("message", self.first.last_message, upto.0)?;
        let attempts = gaps("attempt", self.first.last_attempt, upto.1)?;
        let acts = gaps("act", self.first.last_act, upto.2)?;
        self.missing.messages = messages.into_iter().collect();
        self.missing.acts = acts.into_iter().collect();
        self.missing.attempts = attempts.into_iter().filter(|id| self.archived.attempt(*id).is_none()).collect();
        for id in self.missing.messages.clone() {
            self.fault(format!("message {id}"), "outbox".into(), "a mail".into(), NOTHING.into());
        }
        for id in self.missing.acts.clone() {
            self.fault(format!("act {id}"), "acts".into(), "an act".into(), NOTHING.into());
        }
        // Attempts leave with the texts of their mails; where no text has, they were removed.
        let has_archived = "select 1 from run where mails_archived = 1 union all
            select 1 from message where text_digest is not null limit 1";
        self.is_archive_whole = self.archived.is_whole(self.reader)?;
        if !self.is_archive_whole && self.reader.prepare(has_archived)?.exists(())? {
            self.found.not_at_hand.attempts = self.missing.attempts.len() as u64;
        } else {
            for id in self.missing.attempts.clone() {
                self.fault(format!("attempt {id}"), "attempts".into(), "an attempt".into(), NOTHING.into());
            }
        }
        let partly = "select min(id) from run where decisions_archived = 0 and finished_at_ms is not null
            and exists (select 1 from archive where file like 'decisions-%')";
        self.partly_archived = self.reader.query_row(partly, (), |row| row.get(0))?;
        Ok(())
    }

    /// Checks all that a link is about.
    pub(super) fn contents(&mut self, before: &Link, link: &Link) -> Result<(), StoreError> {
        if let Some(run_id) = link.run_id {
            self.linked_runs.insert(run_id);
            self.found.runs += 1;
            self.run(run_id, link)?;
            self.decisions(run_id, link)?;
            self.messages(run_id, link)?;
        }
        let place = format!("link {}", link.id);
        // Where links are missing in between, nobody knows which rows came before this one.
        let is_next = link.id == before.id + 1;
        if is_next {
            self.copies(before.last_message, link)?;
        }
        let (attempts, acts) = ((before.last_attempt, link.last_attempt), (before.last_act, link.last_act));
        let is_whole = is_next && has_none(&self.missing.attempts, attempts);
        self.found.attempts += self.appended(&ATTEMPTS, attempts, &place, is_whole.then_some(link.attempt_digest))?;
        let is_whole = is_next && has_none(&self.missing.acts, acts);
        self.found.acts += self.appended(&ACTS, acts, &place, is_whole.then_some(link.act_digest))?;
        Ok(())
    }

    fn run(&mut self, run_id: i64, link: &Link) -> Result<(), StoreError> {
        let (what, place) = (format!("run {run_id}"), format!("link {}", link.id));
        let in_archive = || self.archived.run(run_id, |id| self.generations.get(id).cloned());
        match read_run(self.reader, run_id)?.or_else(in_archive) {
            // Only runs without a mail leave the database; the mails of others may have gone to later ones.
            None if !self.is_archive_whole
                && !self.reader.prepare_cached("select 1 from message where run_id = ?1")?.exists((run_id,))? =>
            {
                self.found.not_at_hand.runs += 1;
            }
            None => self.fault(what, place, "a run".into(), NOTHING.into()),
            found if found == link.run_digest => {}
            Some(found) => {
                self.fault(what, place, link.run_digest.map_or(NOTHING.into(), |digest| short(&digest)), short(&found))
            }
        }
        Ok(())
    }

    fn decisions(&mut self, run_id: i64, link: &Link) -> Result<(), StoreError> {
        let faults = self.fault_count();
        let mut digester = self.archived.decisions(run_id);
        let select = "select digest, rule_id, customer_id, currency, document, verdict, reason, message_id, yields_to, trace.text
            from decision left join trace on trace.id = trace_id where run_id = ?1 order by run_id, rule_id, customer_id, currency, document";
        let mut statement = self.reader.prepare_cached(select)?;
        let mut rows = statement.query((run_id,))?;
        while let Some(row) = rows.next()? {
            let facts = DecisionFacts {
                run_id,
                rule_id: text_at(row, 1)?,
                customer_id: text_at(row, 2)?,
                currency: text_at(row, 3)?,
                document: text_at(row, 4)?,
                verdict: text_at(row, 5)?,
                reason: text_at(row, 6)?,
                message_id: row.get(7)?,
                yields_to: row.get_ref(8)?.as_str_or_null().map_err(rusqlite::Error::from)?,
                trace: row.get_ref(9)?.as_str_or_null().map_err(rusqlite::Error::from)?,
            };
            let stored = row.get_ref(0)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
            let found = decision(&facts);
            digester.row(digester.count, stored);
            if stored != Some(&found) {
                let subject = [facts.rule_id, facts.customer_id, facts.currency, facts.document];
                let words: Vec<&str> = subject.into_iter().filter(|word| !word.is_empty()).collect();
                let (what, place) = (format!("decision {}", words.join(" ")), format!("run {run_id}"));
                self.row_fault(what, place, stored, &found);
            }
        }
        let count = digester.count;
        self.found.decisions += count.unsigned_abs();
        let what = format!("decisions of run {run_id}");
        if count != link.decision_count {
            let select = "select decisions_archived from run where id = ?1";
            let is_archived = self.reader.query_row(select, (run_id,), |row| row.get(0)).unwrap_or(true);
            if !self.is_archive_whole && count < link.decision_count && (is_archived || self.partly_archived == Some(run_id)) {
                self.found.not_at_hand.decisions += 1;
            } else {
                self.fault(what, format!("link {}", link.id), link.decision_count.to_string(), count.to_string());
            }
        } else if self.fault_count() == faults {
            self.compare(what, format!("link {}", link.id), link.decision_digest, digester.finish());
        }
        Ok(())
    }

    fn messages(&mut self, run_id: i64, link: &Link) -> Result<(), StoreError> {
        let faults = self.fault_count();
        let mut statement = self.reader.prepare_cached("select id from message where run_id = ?1 order by id")?;
        let ids: Vec<i64> = statement.query_map((run_id,), |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut digests: BTreeMap<i64, Option<Vec<u8>>> = BTreeMap::new();
        for id in ids {
            let is_copy = self.message(id)?;
            if !is_copy {
                let select = "select digest from message where id = ?1";
                digests.insert(id, self.reader.prepare_cached(select)?.query_row((id,), |row| row.get(0))?);
            }
        }
        let mut statement = self.reader.prepare_cached("select message_id, digest from message_replaced where run_id = ?1")?;
        let mut rows = statement.query((run_id,))?;
        while let Some(row) = rows.next()? {
            digests.insert(row.get(0)?, row.get(1)?);
        }
        let mut digester = RowsDigester::default();
        digests.iter().for_each(|(id, digest)| digester.row(*id, digest.as_deref()));
        let (what, place) = (format!("messages of run {run_id}"), format!("link {}", link.id));
        if digester.count != link.message_count {
            self.fault(what, place, link.message_count.to_string(), digester.count.to_string());
        } else if self.fault_count() == faults {
            self.compare(what, place, link.message_digest, digester.finish());
        }
        Ok(())
    }

    /// Checks a message against its own digest, and how it ended against what led there; returns whether it is a copy.
    fn message(&mut self, id: i64) -> Result<bool, StoreError> {
        let Some(message) = read_message(self.reader, id)? else { return Ok(false) };
        self.found.messages += 1;
        let (what, place) = (format!("message {id}"), format!("run {}", message.run_id));
        if message.stored.as_deref() != Some(&message.computed) {
            self.row_fault(what.clone(), place.clone(), message.stored.as_deref(), &message.computed);
        }
        match (&message.archived, self.archived.text(id)) {
            (None, _) => {}
            (Some(_), None) => self.found.not_at_hand.texts += 1,
            (Some(digest), Some(found)) if *digest == found => {}
            (Some(digest), Some(found)) => {
                self.fault(format!("text of message {id}"), "archive".into(), short(digest), short(found));
            }
        }
        if message.archived.is_none() {
            let has_led = "select exists (select 1 from attempt where message_id = ?1 and outcome = 'accepted'),
                exists (select 1 from act where message_id = ?1 and act = 'accept')";
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let (was_taken, was_vouched): (bool, bool) = self.reader.prepare_cached(has_led)?.query_row((id,), row)?;
            let is_accepted = message.state == "accepted";
            if is_accepted && !was_taken && !was_vouched {
                self.fault(format!("state of {what}"), place, "an attempt or a person behind it".into(), message.state);
            } else if was_taken && !is_accepted {
                self.fault(format!("state of {what}"), place, "accepted, as a server said".into(), message.state);
            }
        }
        Ok(message.is_copy)
    }

    fn copies(&mut self, after: i64, link: &Link) -> Result<(), StoreError> {
        let faults = self.fault_count();
        let mut digester = RowsDigester::default();
        let select = "select id, digest from message where id > ?1 and id <= ?2 and is_copy = 1 order by id";
        let mut statement = self.reader.prepare_cached(select)?;
        let mut rows = statement.query((after, link.last_message))?;
        while let Some(row) = rows.next()? {
            digester.row(row.get(0)?, row.get_ref(1)?.as_blob_or_null().map_err(rusqlite::Error::from)?);
        }
        let is_whole = has_none(&self.missing.messages, (after, link.last_message));
        if is_whole && self.fault_count() == faults {
            self.compare("copies of mails".into(), format!("link {}", link.id), link.copy_digest, digester.finish());
        }
        Ok(())
    }

    /// Checks the rows of a range, those in the archive among them, against their digests and, where it is given, against the
    /// link's; returns how many there were.
    fn appended(
        &mut self,
        rows: &Appended,
        (after, upto): (i64, i64),
        place: &str,
        expected: Option<Option<Hash>>,
    ) -> Result<u64, StoreError> {
        let faults = self.fault_count();
        let mut digester = RowsDigester::default();
        let mut next = after + 1;
        let mut statement = self.reader.prepare_cached(rows.select)?;
        let mut found = statement.query((after, upto))?;
        let archived = |digester: &mut RowsDigester, range: std::ops::Range<i64>| {
            let of_archive = range.filter_map(|id| Some((id, self.archived.attempt(id)?)));
            if rows.what == ATTEMPTS.what {
                of_archive.for_each(|(id, digest)| digester.row(id, Some(digest)));
            }
        };
        let mut wrong: Vec<(i64, Option<Vec<u8>>, Hash)> = Vec::new();
        while let Some(row) = found.next()? {
            let id: i64 = row.get(0)?;
            archived(&mut digester, next..id);
            next = id + 1;
            let stored = row.get_ref(1)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
            let computed = (rows.digest)(row)?;
            digester.row(id, stored);
            if stored != Some(&computed) {
                wrong.push((id, stored.map(<[u8]>::to_vec), computed));
            }
        }
        if upto < i64::MAX {
            archived(&mut digester, next..upto + 1);
        }
        for (id, stored, computed) in wrong {
            self.row_fault(format!("{} {id}", rows.what), place.to_owned(), stored.as_deref(), &computed);
        }
        let count = digester.count.unsigned_abs();
        if let Some(expected) = expected
            && self.fault_count() == faults
        {
            self.compare(format!("{}s", rows.what), place.to_owned(), expected, digester.finish());
        }
        Ok(count)
    }

    /// Checks what has come since the last link.
    pub(super) fn since(&mut self, last: &Link) -> Result<(), StoreError> {
        if last.id == 0 {
            return Ok(());
        }
        let place = "since the last link";
        self.found.since_last_link.attempts = self.appended(&ATTEMPTS, (last.last_attempt, i64::MAX), place, None)?;
        self.found.since_last_link.acts = self.appended(&ACTS, (last.last_act, i64::MAX), place, None)?;
        self.found.attempts += self.found.since_last_link.attempts;
        self.found.acts += self.found.since_last_link.acts;
        let select = "select count(*) from message where id > ?1 and is_copy = 1";
        let copies: i64 = self.reader.query_row(select, (last.last_message,), |row| row.get(0))?;
        self.found.since_last_link.copies = copies.unsigned_abs();
        Ok(())
    }

    /// Looks for what no link has, and for parts that belong to nothing.
    pub(super) fn outside(&mut self, last: &Link) -> Result<(), StoreError> {
        let first_run = self.linked_runs.first().copied().unwrap_or(i64::MAX);
        let mut statement = self.reader.prepare("select id from run order by id")?;
        let mut runs: Vec<i64> = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
        runs.retain(|id| !self.linked_runs.contains(id));
        let told: BTreeSet<i64> = runs.iter().copied().filter(|id| *id > first_run).collect();
        for id in runs {
            if id > first_run {
                self.fault(format!("run {id}"), "chain".into(), "no run, or its link".into(), "a run without a link".into());
            } else {
                self.found.before_chain.runs += 1;
            }
        }
        let mut statement = self.reader.prepare("select id, run_id, digest is not null, is_copy from message order by id")?;
        let mut rows = statement.query(())?;
        let mut unknown = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, run_id, is_sealed, is_copy): (i64, i64, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            if self.linked_runs.contains(&run_id) || told.contains(&run_id) {
                continue;
            }
            // A copy of a mail that is older than the chain has the run of that mail.
            if is_sealed && is_copy && last.id > 0 {
                unknown.push((id, true));
            } else if is_sealed || id > self.first.last_message {
                unknown.push((id, false));
            } else {
                self.found.before_chain.messages += 1;
            }
        }
        drop(rows);
        for (id, is_copy) in unknown {
            if is_copy {
                self.message(id)?;
            } else {
                self.fault(format!("message {id}"), "outbox".into(), NOTHING.into(), "a mail that no link has".into());
            }
        }
        for table in ["message_body", "message_recipient", "message_item", "decision"] {
            let select = if table == "decision" {
                "select distinct run_id from decision where run_id not in (select id from run) limit ?1".to_owned()
            } else {
                format!("select distinct message_id from {table} where message_id not in (select id from message) limit ?1")
            };
            let mut statement = self.reader.prepare(&select)?;
            let mut ids: Vec<i64> = statement.query_map((FAULTS_MAX as i64,), |row| row.get(0))?.collect::<Result<_, _>>()?;
            let owner = if table == "decision" { "run" } else { "message" };
            // Of a mail that is told to be missing, its parts need no telling.
            ids.retain(|id| owner == "run" || !self.missing.messages.contains(id));
            for id in ids {
                self.fault(format!("{table} of {owner} {id}"), "database".into(), NOTHING.into(), "rows".into());
            }
        }
        Ok(())
    }

    fn compare(&mut self, what: String, place: String, expected: Option<Hash>, found: Option<Hash>) {
        if expected != found {
            let words = |digest: Option<Hash>| digest.map_or_else(|| NOTHING.to_owned(), |digest| short(&digest));
            self.fault(what, place, words(expected), words(found));
        }
    }

    fn row_fault(&mut self, what: String, place: String, stored: Option<&[u8]>, computed: &[u8]) {
        match stored {
            Some(stored) => self.fault(what, place, short(stored), short(computed)),
            None => self.fault(what, place, NOTHING.into(), UNSEALED.into()),
        }
    }
}
