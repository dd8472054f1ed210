//! ISO 20022 camt.053, the bank's statement as XML: versions .02 to .08 and later, told by local names.
//!
//! A booked credit entry is one line for each of its transactions where they add up to it, as a batch's do, or one line
//! otherwise. No DTD, no entity, no element deeper than a statement's is read.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use roxmltree::{Document, Node, ParsingOptions};
use rust_decimal::Decimal;

use crate::domain::bank::BankLine;
use crate::domain::date::Date;
use crate::domain::money::Currency;
use crate::domain::problem::{Place, Problem};
use crate::matching::account;
use crate::source::bank::{BankFile, LINES_MAX, REFERENCE_BYTES_MAX, unreadable};
use crate::source::csv::LISTED_MAX;
use crate::source::csv::bank::one_line;

/// The most bytes of a file.
pub const CAMT_BYTES_MAX: u64 = 64 << 20;

/// The deepest an element may stand; statements go about twelve deep.
pub const DEPTH_MAX: usize = 40;

/// The most nodes of a file.
const NODES_MAX: u32 = 8_000_000;

/// What stands where there is no reference. Source: EPC, SEPA Credit Transfer implementation guidelines (AT-41).
const NO_REFERENCE: &[&str] = &["NOTPROVIDED", "NONREF"];

/// Returns whether the end of a file is missing: all that stands before it can be read.
fn is_cut_off(text: &str, error: &roxmltree::Error) -> bool {
    let is_ended = text.trim_end().ends_with('>');
    !is_ended || matches!(error, roxmltree::Error::UnexpectedEndOfStream | roxmltree::Error::UnclosedRootNode)
}

/// Reads a statement.
///
/// # Errors
/// Every problem of it.
pub(crate) fn read(path: &Path, name: Arc<str>) -> Result<BankFile, Vec<Problem>> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(CAMT_BYTES_MAX + 1).read_to_end(&mut bytes));
    file.map_err(|error| vec![unreadable(&name, &error)])?;
    let whole = |message: String, hint: &str| vec![Problem::error(message).at(Place::file(name.clone())).hint(hint)];
    if bytes.len() as u64 > CAMT_BYTES_MAX {
        return Err(whole(format!("The file is larger than {CAMT_BYTES_MAX} bytes"), "ask the bank for a statement a day"));
    }
    let text = match std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)) {
        Ok(text) => text,
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            return Err(whole(
                format!("Line {line} is not UTF-8 text"),
                "statements are UTF-8; take the file as the bank gave it",
            ));
        }
    };
    if let Some(depth) = too_deep(text) {
        return Err(whole(format!("The elements of the file stand {depth} deep"), "take the file as the bank gave it"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        if is_cut_off(text, &error) {
            let line = text.lines().count();
            let column = text.lines().next_back().map_or(1, |line| line.chars().count() + 1);
            let place = Place::within(name.clone(), text, line as u32, column as u32, 1);
            let problem = Problem::error("The file is cut off: its end is missing").at(place);
            return vec![problem.hint("fetch it from the bank again")];
        }
        let at = error.pos();
        let place = Place::within(name.clone(), text, at.row, at.col, 1);
        vec![
            Problem::error(format!("The file is not XML that can be read: {error}"))
                .at(place)
                .hint("take the file as the bank gave it"),
        ]
    })?;
    let root = document.root_element();
    let Some(message) = root.children().find(|node| node.tag_name().name() == "BkToCstmrStmt") else {
        let found = root.children().find(Node::is_element).unwrap_or(root).tag_name().name().to_owned();
        return Err(whole(
            format!("The file is no camt.053: it holds `{found}`"),
            "ask the bank for statements of booked entries (camt.053)",
        ));
    };
    let mut reader = Reader {
        text,
        document: &document,
        name,
        problems: Vec::new(),
        unlisted_count: 0,
        file: BankFile::default(),
        lines: Vec::new(),
    };
    for statement in named(message, "Stmt") {
        let own = at(statement, &["Acct", "Id", "IBAN"]).or_else(|| at(statement, &["Acct", "Id", "Othr", "Id"]));
        let own = own.map(account).unwrap_or_default();
        for entry in named(statement, "Ntry") {
            reader.entry(entry, &own);
        }
    }
    reader.finish()
}

/// Returns how deep the elements stand if that is too deep, before a tree is made of them.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        rest = &rest[open + 1..];
        let (skip, step) = match rest.as_bytes() {
            [b'!', b'-', b'-', ..] => (rest.find("-->"), 0),
            [b'!', b'[', ..] => (rest.find("]]>"), 0),
            [b'!' | b'?', ..] => (rest.find('>'), 0),
            [b'/', ..] => (rest.find('>'), -1),
            _ => {
                let end = rest.find('>');
                (end, if end.is_some_and(|end| rest[..end].ends_with('/')) { 0 } else { 1 })
            }
        };
        depth = depth.saturating_add_signed(step);
        if depth > DEPTH_MAX {
            return Some(depth);
        }
        rest = skip.map_or("", |skip| &rest[skip..]);
    }
    None
}

/// Returns the children of a name.
fn named<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

/// Returns the first element on a path of names.
fn find<'a, 'i>(node: Node<'a, 'i>, path: &[&'static str]) -> Option<Node<'a, 'i>> {
    path.iter().try_fold(node, |node, name| named(node, name).next())
}

/// Returns the text of the first element on a path of names.
fn at<'a>(node: Node<'a, '_>, path: &[&'static str]) -> Option<&'a str> {
    find(node, path).and_then(|node| node.text()).map(str::trim).filter(|text| !text.is_empty())
}

fn is_true(text: Option<&str>) -> bool {
    matches!(text, Some("true" | "1"))
}

struct Reader<'d, 'i> {
    text: &'i str,
    document: &'d Document<'i>,
    name: Arc<str>,
    problems: Vec<Problem>,
    unlisted_count: usize,
    file: BankFile,
    lines: Vec<(BankLine, String)>,
}

impl Reader<'_, '_> {
    fn problem(&mut self, node: Node<'_, '_>, message: String, hint: &str) {
        if self.problems.len() == LISTED_MAX {
            self.unlisted_count += 1;
            return;
        }
        let start = self.document.text_pos_at(node.range().start);
        let place = Place::within(self.name.clone(), self.text, start.row, start.col, 1);
        self.problems.push(Problem::error(message).at(place).hint(hint));
    }

    fn finish(mut self) -> Result<BankFile, Vec<Problem>> {
        if self.unlisted_count > 0 {
            let message = format!("{} more problems in this file are not listed", self.unlisted_count);
            self.problems.push(Problem::error(message).at(Place::file(self.name)));
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        self.file.take(self.lines);
        Ok(self.file)
    }

    /// Reads one entry: counted, or made to lines.
    fn entry(&mut self, entry: Node<'_, '_>, own_account: &str) {
        let status = at(entry, &["Sts", "Cd"]).or_else(|| at(entry, &["Sts"])).unwrap_or("BOOK");
        let amount = self.amount(entry, find(entry, &["Amt"]));
        let day = self.day(entry);
        let direction = at(entry, &["CdtDbtInd"]);
        if !matches!(direction, Some("CRDT" | "DBIT")) {
            let found = direction.unwrap_or("nothing");
            self.problem(
                entry,
                format!("The entry says `{found}` where CRDT or DBIT belongs"),
                "take the file as the bank gave it",
            );
        }
        let (Some((amount, currency)), Some(booked_on)) = (amount, day) else { return };
        if status != "BOOK" {
            self.file.pending_count += 1;
            return;
        }
        let transactions: Vec<Node<'_, '_>> = named(entry, "NtryDtls").flat_map(|details| named(details, "TxDtls")).collect();
        let is_reversal = is_true(at(entry, &["RvslInd"])) || transactions.iter().any(|own| find(*own, &["RtrInf"]).is_some());
        if is_reversal {
            self.file.reversal_count += 1;
            return;
        }
        if direction != Some("CRDT") || amount.is_zero() {
            self.file.outgoing_count += 1;
            return;
        }
        let entry_reference = at(entry, &["AcctSvcrRef"]).filter(|text| !NO_REFERENCE.contains(text)).unwrap_or_default();
        let line = |details: &[Node<'_, '_>], amount: Decimal| {
            let own = match details {
                [only] => at(*only, &["Refs", "AcctSvcrRef"]).filter(|text| !NO_REFERENCE.contains(text)),
                _ => None,
            };
            let own = own.unwrap_or(entry_reference);
            let own = if own.is_empty() { String::new() } else { format!("{own_account} {own}") };
            let payer = details.iter().find_map(|node| party(*node)).unwrap_or_default();
            let from = details.iter().find_map(|node| payer_account(*node)).map(account).unwrap_or_default();
            let mut reference = details.iter().map(|node| remittance(*node)).collect::<Vec<_>>().join(" ");
            if reference.trim().is_empty() {
                reference = at(entry, &["AddtlNtryInf"]).unwrap_or_default().to_owned();
            }
            let line = BankLine {
                id: String::new(),
                booked_on,
                amount,
                currency,
                payer: cut(&one_line(payer), 255),
                account: from,
                reference: cut(&one_line(&reference), REFERENCE_BYTES_MAX),
            };
            (line, own)
        };
        let parts: Option<Vec<(Node<'_, '_>, Decimal)>> =
            transactions.iter().map(|node| Some((*node, part_amount(*node, currency)?))).collect();
        match parts.filter(|parts| parts.len() > 1 && parts.iter().map(|(_, part)| *part).sum::<Decimal>() == amount) {
            Some(parts) => {
                for (node, part) in parts {
                    match part > Decimal::ZERO {
                        true => self.lines.push(line(&[node], part)),
                        false => self.file.outgoing_count += 1,
                    }
                }
            }
            None => self.lines.push(line(&transactions, amount)),
        }
        if self.lines.len() > LINES_MAX {
            self.lines.truncate(LINES_MAX);
            self.problem(
                entry,
                format!("The file has more than {LINES_MAX} lines of money that came in"),
                "ask the bank for a statement a day",
            );
        }
    }

    fn amount(&mut self, entry: Node<'_, '_>, node: Option<Node<'_, '_>>) -> Option<(Decimal, Currency)> {
        let Some(node) = node else {
            self.problem(entry, "The entry has no amount".to_owned(), "take the file as the bank gave it");
            return None;
        };
        let text = node.text().unwrap_or_default().trim();
        let amount = plain_amount(text);
        if amount.is_none() {
            self.problem(node, format!("`{text}` is not an amount"), "statements write 1234.50, without a sign");
        }
        let code = node.attribute("Ccy").unwrap_or_default();
        let currency = Currency::parse(code);
        if currency.is_none() {
            self.problem(node, format!("`{code}` is not a currency"), "the amount's `Ccy` has the three letters of ISO 4217");
        }
        Some((amount?, currency?))
    }

    fn day(&mut self, entry: Node<'_, '_>) -> Option<Date> {
        let node = find(entry, &["BookgDt"]).or_else(|| find(entry, &["ValDt"]));
        let text = node.and_then(|node| at(node, &["Dt"]).or_else(|| at(node, &["DtTm"]))).unwrap_or_default();
        let day = text.get(..10).and_then(|day| day.parse().ok());
        if day.is_none() {
            self.problem(node.unwrap_or(entry), format!("`{text}` is not the day of a booking"), "statements write 2026-11-21");
        }
        day
    }
}

/// Reads an amount as XML writes it, exact and not negative.
fn plain_amount(text: &str) -> Option<Decimal> {
    let is_plain = text.len() <= 24
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.bytes().any(|byte| byte.is_ascii_digit());
    is_plain.then(|| Decimal::from_str_exact(text).ok()).flatten()
}

/// Returns what a transaction adds to its entry, in the entry's currency; `None` where it does not say.
fn part_amount(transaction: Node<'_, '_>, currency: Currency) -> Option<Decimal> {
    let node = find(transaction, &["Amt"]).or_else(|| find(transaction, &["AmtDtls", "TxAmt", "Amt"]))?;
    let is_same = node.attribute("Ccy").and_then(Currency::parse) == Some(currency);
    let amount = plain_amount(node.text()?.trim()).filter(|_| is_same)?;
    Some(if at(transaction, &["CdtDbtInd"]) == Some("DBIT") { -amount } else { amount })
}

fn party<'a>(transaction: Node<'a, '_>) -> Option<&'a str> {
    let parties = find(transaction, &["RltdPties"])?;
    // From version .04 on a party is wrapped.
    at(parties, &["Dbtr", "Nm"]).or_else(|| at(parties, &["Dbtr", "Pty", "Nm"]))
}

fn payer_account<'a>(transaction: Node<'a, '_>) -> Option<&'a str> {
    let id = find(transaction, &["RltdPties", "DbtrAcct", "Id"])?;
    at(id, &["IBAN"]).or_else(|| at(id, &["Othr", "Id"]))
}

/// Returns all that a payer wrote: free text, structured references, numbers of documents and the end-to-end reference.
fn remittance(transaction: Node<'_, '_>) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for information in named(transaction, "RmtInf") {
        texts.extend(named(information, "Ustrd").filter_map(|node| node.text()));
        for structured in named(information, "Strd") {
            texts.extend(at(structured, &["CdtrRefInf", "Ref"]));
            texts.extend(named(structured, "RfrdDocInf").filter_map(|node| at(node, &["Nb"])));
            texts.extend(named(structured, "AddtlRmtInf").filter_map(|node| node.text()));
        }
    }
    texts.extend(at(transaction, &["Refs", "EndToEndId"]).filter(|text| !NO_REFERENCE.contains(text)));
    texts.join(" ")
}

fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
