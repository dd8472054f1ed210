//! Spans of time and sizes as plugin.yaml writes them: `10 s`, `5 MB`.

use std::time::Duration;

/// Reads a span of time such as `500 ms`, `10 s` or `2 min`.
pub fn duration(text: &str) -> Option<Duration> {
    let (count, unit) = counted(text)?;
    match unit {
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        "min" => count.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

/// Reads a size such as `500 kB` or `5 MB`, in bytes; 1 kB is 1,000 bytes.
pub fn size(text: &str) -> Option<u64> {
    let (count, unit) = counted(text)?;
    match unit {
        "B" => Some(count),
        "kB" => count.checked_mul(1_000),
        "MB" => count.checked_mul(1_000_000),
        _ => None,
    }
}

fn counted(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = text.split_at(digits);
    Some((count.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit_are_read_and_nothing_else() {
        assert_eq!(["500 ms", "10s", "2 min"].map(duration), [500, 10_000, 120_000].map(|ms| Some(Duration::from_millis(ms))));
        assert_eq!(["7 B", "500 kB", "5MB"].map(size), [7, 500_000, 5_000_000].map(Some));
        assert_eq!(["", "s", "1 h", "-1 s", "1.5 s", "99999999999999999999 s"].map(duration), [None; 6]);
        assert_eq!(["5", "5 GB", "18446744073709551615 MB"].map(size), [None; 3]);
    }
}
