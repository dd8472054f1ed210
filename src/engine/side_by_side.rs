//! Work on many things at once, taken in one after the other and in order: mails to compose, customers to look ahead for.

use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use std::thread;

/// The most threads that work at once.
const THREADS_MAX: usize = 8;

/// How many chunks of several of a thread wait to be taken in: with only one, threads that wait for each other leave a fifth of a
/// processor idle.
const AHEAD_MAX: usize = 4;

/// Makes something of each item and its place, on as many threads as there are processors, and takes it in on this one, in order.
///
/// A thread makes `together` of them before it hands them over, and is at most [`AHEAD_MAX`] such chunks and one ahead, or two where
/// it makes one at a time, so that what is made and not yet taken stays small.
///
/// # Errors
/// The first of `take`; nothing more is made then.
pub(crate) fn side_by_side<I: Sync, T: Send, E>(
    items: &[I],
    together: usize,
    make: &(impl Fn(usize, &I) -> T + Sync),
    take: &mut impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let ahead = if together > 1 { AHEAD_MAX } else { 1 };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    thread::scope(|scope| {
        let mut made = Vec::new();
        for place in 0..threads {
            let (give, given) = sync_channel::<Vec<T>>(ahead);
            made.push(given);
            scope.spawn(move || {
                for (number, chunk) in items.chunks(together).enumerate().skip(place).step_by(threads) {
                    let places = number * together..;
                    // Nobody takes any more: `take` has failed.
                    if give.send(places.zip(chunk).map(|(place, item)| make(place, item)).collect()).is_err() {
                        return;
                    }
                }
            });
        }
        for place in 0..items.len().div_ceil(together) {
            // A thread that is gone has panicked, which the scope hands on.
            let Ok(chunk) = made[place % threads].recv() else { break };
            chunk.into_iter().try_for_each(&mut *take)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOGETHER: usize = 16;

    #[test]
    fn what_is_made_side_by_side_is_taken_in_order_and_a_failure_ends_it() {
        for count in [0, 1, TOGETHER, 10 * TOGETHER + 3] {
            let items: Vec<usize> = (0..count).collect();
            let mut taken = vec![];
            let whole = side_by_side(&items, TOGETHER, &|place, item| place + item, &mut |double| {
                taken.push(double);
                Ok::<(), ()>(())
            });
            assert_eq!((whole, taken), (Ok(()), items.iter().map(|item| item * 2).collect::<Vec<_>>()));
        }
        let items: Vec<usize> = (0..10_000).collect();
        let failed = side_by_side(&items, TOGETHER, &|_, item| *item, &mut |item| if item == 100 { Err(item) } else { Ok(()) });
        assert_eq!(failed, Err(100));
    }
}
