//! The order in which a ledger keeps its rows, found and brought about without a second copy of them.

use crate::domain::date::day_number;
use crate::domain::document::Document;
use crate::domain::ledger::CustomerIndex;

/// Gives each document its customer's new place and returns the order the ledger promises, `order[new] = old`: by
/// customer, currency, due date and arrival.
///
/// A counting sort by customer, then a small sort of each one's documents by packed keys; the documents themselves are not moved yet.
pub(crate) fn document_order(documents: &mut [Document], document_starts: &[u32], new_place: &[u32]) -> Vec<u32> {
    let mut ends: Vec<u32> = document_starts.to_vec();
    let mut order = vec![0_u32; documents.len()];
    for (place, document) in documents.iter_mut().enumerate() {
        document.customer = CustomerIndex(new_place[document.customer.0 as usize]);
        let end = &mut ends[document.customer.0 as usize];
        order[*end as usize] = place as u32;
        *end += 1;
    }
    for pair in document_starts.windows(2) {
        // Places are in order of arrival, which makes the order total and the result repeatable.
        let own = &mut order[pair[0] as usize..pair[1] as usize];
        own.sort_unstable_by_key(|place| (sort_key(&documents[*place as usize]), *place));
    }
    order
}

/// Packs currency and due date (or issue date) into one number that sorts as they do.
fn sort_key(document: &Document) -> u64 {
    let currency = document.currency.as_str().bytes().fold(0, |code, letter| code << 8 | u64::from(letter));
    // The sign bit is turned over so that days before 1970 come first.
    let day = day_number(document.due_on.unwrap_or(document.issued_on)) as u32 ^ 0x8000_0000;
    currency << 32 | u64::from(day)
}

/// How many rows are moved in turns: while one waits for memory, the others go on.
const LANES: usize = 6;

/// One row on its way, on a cycle of the order.
#[derive(Clone, Copy)]
struct Lane {
    /// Where the row lies at present; what belongs here comes from `source`.
    place: usize,
    source: usize,
    /// Where the row lay at first.
    home: usize,
}

/// Brings `rows` into the order `order[new] = old` without a second copy of them.
///
/// Each lane follows a cycle of the order: it fetches what belongs to its place and leaves there the row it carries, until what
/// it should fetch is a row that a lane carries. One lane alone would wait for memory at each step.
pub(crate) fn permute<T>(rows: &mut [T], mut order: Vec<u32>) {
    // A place whose row is taken care of points to itself.
    let take_source = |order: &mut [u32], place: usize| std::mem::replace(&mut order[place], place as u32) as usize;
    let mut starts = 0..rows.len();
    let mut lanes: [Option<Lane>; LANES] = [None; LANES];
    loop {
        for index in 0..LANES {
            let lane = lanes[index].or_else(|| {
                let start = starts.find(|start| order[*start] as usize != *start)?;
                Some(Lane { place: start, source: take_source(&mut order, start), home: start })
            });
            let Some(Lane { place, source, home }) = lane else { continue };
            lanes[index] = None;
            if source == home {
                continue; // The row it carries is the one that belongs here.
            }
            if let Some(other) = lanes.iter_mut().flatten().find(|other| other.home == source) {
                rows.swap(place, other.place);
                other.home = home;
                continue;
            }
            rows.swap(place, source);
            lanes[index] = Some(Lane { place: source, source: take_source(&mut order, source), home });
        }
        if starts.is_empty() && lanes.iter().all(Option::is_none) {
            return;
        }
    }
}

/// Returns, for `order[new] = old`, the table `inverse[old] = new`.
pub(crate) fn inverse(order: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        inverse[*old as usize] = new as u32;
    }
    inverse
}

/// Returns where each of `count` owners' rows start, given the rows' owners in ascending order.
pub(crate) fn starts(count: usize, owners: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut starts = vec![0; count + 1];
    for owner in owners {
        starts[owner as usize + 1] += 1;
    }
    for place in 1..starts.len() {
        starts[place] += starts[place - 1];
    }
    starts
}
