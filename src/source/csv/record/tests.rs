//! How files are cut into cells, compared with what the `csv` crate makes of them.

use super::*;
use proptest::prelude::*;

/// Hands out a few bytes at a time, so that every record crosses a block's end somewhere.
struct Trickle<'t>(&'t [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(self.1).min(to.len());
        to[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Returns each record's line and cells, then the error that ended the reading.
fn cut(text: &[u8], step: usize) -> (Vec<(u32, Vec<String>)>, Option<String>) {
    let mut records = Records::new(Trickle(text, step));
    let mut found = vec![];
    loop {
        match records.next() {
            Ok(Some(record)) => {
                let text = |cell: &Cell| record.text[cell.start as usize..cell.end as usize].to_owned();
                found.push((record.line, record.cells.iter().map(text).collect()));
            }
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

#[test]
fn lines_count_on_behind_quoted_line_breaks() {
    let (found, error) = cut(b"a,b\r\n\"x\ny\",\"say \"\"hi\"\"\"\n\nlast,5\" pipe", 1);
    let expected: [(u32, &[&str]); 4] = [(1, &["a", "b"]), (2, &["x\ny", "say \"hi\""]), (4, &[""]), (5, &["last", "5\" pipe"])];
    let expected: Vec<(u32, Vec<String>)> =
        expected.iter().map(|(line, cells)| (*line, cells.iter().map(|cell| cell.to_string()).collect())).collect();
    assert_eq!((found, error), (expected, None));
}

#[test]
fn what_is_not_csv_is_refused_with_its_line() {
    for (text, expected) in [
        (&b"a\nb,\"c\nd\n"[..], "A quoted cell that starts on line 2 does not end"),
        (b"\"a\nb\",\"c", "A quoted cell that starts on line 2 does not end"),
        (b"\"a\" b,c\n", "A quoted cell on line 1 goes on behind its closing quote"),
        (b"a\n\"b\nc\"d\n", "A quoted cell on line 3 goes on behind its closing quote"),
        (b"a\nM\xfcller\n", "Line 2 is not UTF-8 text"),
    ] {
        assert_eq!(cut(text, 3).1.as_deref(), Some(expected));
    }
}

#[test]
fn a_quote_never_closed_is_given_up_within_bounds() {
    let mut text = b"a\n\"".to_vec();
    text.resize(16 * RECORD_BYTES_MAX, b'x');
    let mut records = Records::new(Trickle(&text, usize::MAX));
    assert!(records.next().unwrap().is_some());
    assert_eq!(records.next().unwrap_err().to_string(), "A quoted cell that starts on line 2 does not end");
    assert!(records.buffer.len() <= 4 * RECORD_BYTES_MAX, "{}", records.buffer.len());

    text[2] = b'x';
    assert_eq!(cut(&text, usize::MAX).1.as_deref(), Some("The row on line 2 is longer than 1048576 bytes"));
}

#[test]
fn a_disk_that_fails_ends_the_reading_and_an_interruption_does_not() {
    /// Answers each read with the next of these; then with the end of the file.
    struct Script(Vec<io::Result<&'static str>>);

    impl Read for Script {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let text = if self.0.is_empty() { "" } else { self.0.remove(0)? };
            to[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }

    let interrupted = || Err(io::ErrorKind::Interrupted.into());
    let mut records = Records::new(Script(vec![Ok("a,"), interrupted(), Ok("b\nc"), Err(io::Error::other("disk gone"))]));
    assert_eq!(records.next().unwrap().map(|record| record.len()), Some(2));
    assert_eq!(records.next().unwrap_err().to_string(), "The file could not be read to its end: disk gone");
}

#[test]
fn a_cell_is_placed_by_line_and_character() {
    let mut records = Records::new("ä,\"1\nü\",bad,x\n".as_bytes());
    let record = records.next().unwrap().unwrap();
    let place = record.cell_place(2, &"f.csv".into());
    let expected = Place { file: "f.csv".into(), line: 2, column: 4, width: 3, text: "ü\",bad,x".into() };
    assert_eq!(place, expected);
}

proptest! {
    #[test]
    fn files_are_cut_as_the_csv_crate_cuts_them(text in "([ab,\"\n]|\r\n|ä|\"a\"|\"\"\"\",){0,40}", step in 1_usize..9) {
        let (found, error) = cut(text.as_bytes(), step);
        let mut theirs = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let theirs: Vec<Vec<String>> =
            theirs.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        // The csv crate passes over blank lines, which here are records with one empty cell.
        let found: Vec<Vec<String>> =
            found.into_iter().map(|(_, cells)| cells).filter(|cells| cells != &[""]).collect();
        let theirs: Vec<Vec<String>> = theirs.into_iter().filter(|cells| cells != &[""]).collect();
        match error {
            None => prop_assert_eq!(found, theirs),
            // It takes what we refuse; up to there both agree.
            Some(_) => prop_assert_eq!(&found[..], &theirs[..found.len().min(theirs.len())]),
        }
    }
}
