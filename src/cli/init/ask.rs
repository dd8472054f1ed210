//! Questions on a terminal: one line each, asked again until the answer can be used.

use std::io::{self, BufRead, Read, Write};

/// The most bytes of one answer.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Who answers; where nobody does, every question takes its usual answer.
pub(crate) struct Person<I, O> {
    /// What they write.
    pub(crate) input: I,
    /// Where they read.
    pub(crate) output: O,
    /// Whether there is somebody to ask.
    pub(crate) asks: bool,
}

impl<I: BufRead, O: Write> Person<I, O> {
    /// Tells something that only a person wants to know.
    pub(crate) fn tell(&mut self, text: &str) -> io::Result<()> {
        if self.asks { writeln!(self.output, "{text}") } else { Ok(()) }
    }

    /// Asks until `read` takes the answer; an empty line stands for `usual`.
    ///
    /// # Errors
    /// The input has ended, or cannot be read.
    pub(crate) fn answer(
        &mut self,
        question: &str,
        usual: &str,
        read: impl Fn(&str) -> Result<String, String>,
    ) -> io::Result<String> {
        if !self.asks {
            return Ok(usual.to_owned());
        }
        loop {
            let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
            write!(self.output, "{question}{shown}: ")?;
            self.output.flush()?;
            let mut line = String::new();
            if (&mut self.input).take(ANSWER_BYTES_MAX).read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let answer = if line.trim().is_empty() { usual } else { line.trim() };
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(why) => writeln!(self.output, "  {why}")?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(lines: &str, asks: bool) -> (io::Result<String>, String) {
        let mut person = Person { input: lines.as_bytes(), output: Vec::new(), asks };
        let is_short = |text: &str| if text.len() < 5 { Ok(text.to_owned()) } else { Err(format!("`{text}` is too long")) };
        let answer = person.answer("A word", "usual"[..4].as_ref(), is_short);
        (answer, String::from_utf8(person.output).unwrap())
    }

    #[test]
    fn a_question_is_asked_until_its_answer_can_be_used() {
        let (answer, shown) = talk("much too long\n  word \n", true);
        assert_eq!(answer.unwrap(), "word");
        assert_eq!(shown, "A word [usua]:   `much too long` is too long\nA word [usua]: ");
        assert_eq!(talk("\n", true).0.unwrap(), "usua");
        assert_eq!(talk("", true).0.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (answer, shown) = talk("word\n", false);
        assert_eq!((answer.unwrap().as_str(), shown.as_str()), ("usua", ""));
    }
}
