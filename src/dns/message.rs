//! Questions and answers as bytes. Pure: what is not a whole answer to the question is refused, never guessed at.
//!
//! Source: RFC 1035 §4 (the format), RFC 3596 (AAAA).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dns::resolver::{Kind, Record};

/// The most records taken from one answer.
pub(crate) const RECORDS_MAX: usize = 100;

/// The longest name, in characters. Source: RFC 1035 §2.3.4.
pub(crate) const NAME_CHARS_MAX: usize = 253;

/// The most pointers followed within one name; a loop would have no end.
const POINTERS_MAX: usize = 16;

const HEADER_BYTES: usize = 12;
const IN: u16 = 1;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The records of the kind that was asked for; maybe none.
    Records(Vec<Record>),
    /// There is no such name.
    NoSuchName,
    /// It did not fit: ask again over TCP.
    Truncated,
    /// The server could not or would not answer; its code.
    Failed(u8),
}

impl Kind {
    fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
        }
    }
}

/// Returns the bytes of a question; `None` for a name that cannot be one.
pub(crate) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + name.len() + 6);
    bytes.extend(id.to_be_bytes());
    // A standard question that asks for recursion, and one of them.
    bytes.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > NAME_CHARS_MAX {
        return None;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        if !label.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        bytes.push(length);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(kind.code().to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    Some(bytes)
}

/// Reads the answer to `asked`; `None` where the bytes are no answer to it.
pub(crate) fn answer(bytes: &[u8], asked: &[u8], kind: Kind) -> Option<Answer> {
    let mut reader = Reader { bytes, at: 0 };
    let id = reader.number()?;
    let flags = reader.number()?;
    let [questions, answers, _, _] = [reader.number()?, reader.number()?, reader.number()?, reader.number()?];
    let is_answer = id == u16::from_be_bytes([*asked.first()?, *asked.get(1)?]) && flags & 0x8000 != 0 && questions == 1;
    let question = bytes.get(HEADER_BYTES..asked.len())?;
    if !is_answer || !question.eq_ignore_ascii_case(asked.get(HEADER_BYTES..)?) {
        return None;
    }
    reader.at = asked.len();
    match (flags & 0x000f) as u8 {
        0 => {}
        3 => return Some(Answer::NoSuchName),
        code => return Some(Answer::Failed(code)),
    }
    if flags & 0x0200 != 0 {
        return Some(Answer::Truncated);
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        reader.name()?;
        let [found, class] = [reader.number()?, reader.number()?];
        reader.take(4)?;
        let length = usize::from(reader.number()?);
        let end = reader.at.checked_add(length).filter(|end| *end <= bytes.len())?;
        // An alias stands before what it leads to; a resolver sends both, and the alias itself says nothing.
        if found == kind.code() && class == IN && records.len() < RECORDS_MAX {
            records.push(record(&mut reader, kind, end)?);
        }
        reader.at = end;
    }
    Some(Answer::Records(records))
}

fn record(reader: &mut Reader<'_>, kind: Kind, end: usize) -> Option<Record> {
    let length = end - reader.at;
    Some(match kind {
        Kind::A => Record::Address(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(reader.take(length)?).ok()?))),
        Kind::Aaaa => Record::Address(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(reader.take(length)?).ok()?))),
        Kind::Mx => {
            reader.number()?;
            Record::Exchange(reader.name()?)
        }
        Kind::Txt => {
            let mut text = Vec::with_capacity(length);
            while reader.at < end {
                let length = usize::from(*reader.take(1)?.first()?);
                text.extend(reader.take(length)?);
            }
            if reader.at != end {
                return None;
            }
            Record::Text(String::from_utf8_lossy(&text).into_owned())
        }
    })
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let found = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(found)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Reads a name, following pointers to what stands before. Source: RFC 1035 §4.1.4.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut pointers = 0;
        let mut back = None;
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => break,
                1..=63 => {
                    let label = self.take(usize::from(length))?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(label));
                    if name.len() > NAME_CHARS_MAX {
                        return None;
                    }
                }
                0xc0.. => {
                    let low = *self.take(1)?.first()?;
                    back.get_or_insert(self.at);
                    pointers += 1;
                    if pointers > POINTERS_MAX {
                        return None;
                    }
                    self.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                }
                _ => return None,
            }
        }
        if let Some(back) = back {
            self.at = back;
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::rdata::{A, AAAA, CNAME, MX, RData, TXT};
    use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};

    use super::*;

    /// Returns the answer of another implementation to a question of ours.
    fn replied(asked: &[u8], records: Vec<(&'static str, RData<'static>)>, change: impl FnOnce(&mut Packet<'_>)) -> Vec<u8> {
        let mut packet = Packet::parse(asked).unwrap().into_reply();
        packet.answers =
            records.into_iter().map(|(name, data)| ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, 60, data)).collect();
        change(&mut packet);
        packet.build_bytes_vec_compressed().unwrap()
    }

    #[test]
    fn answers_of_another_implementation_are_read() {
        let name = "mail.acme.example";
        let spf = TXT::new().with_string("v=spf1 ip4:192.0.2.1 ").unwrap().with_string("-all").unwrap();
        for (kind, records, expected) in [
            (
                Kind::A,
                vec![
                    (name, RData::CNAME(CNAME(Name::new_unchecked("b.acme.example")))),
                    ("b.acme.example", RData::A(A { address: 0xc000_0201 })),
                ],
                vec![Record::Address("192.0.2.1".parse().unwrap())],
            ),
            (Kind::Aaaa, vec![(name, RData::AAAA(AAAA { address: 1 }))], vec![Record::Address("::1".parse().unwrap())]),
            (
                Kind::Mx,
                vec![(name, RData::MX(MX { preference: 10, exchange: Name::new_unchecked("mx.acme.example") }))],
                vec![Record::Exchange("mx.acme.example".to_owned())],
            ),
            (Kind::Txt, vec![(name, RData::TXT(spf))], vec![Record::Text("v=spf1 ip4:192.0.2.1 -all".to_owned())]),
            (Kind::Txt, vec![], vec![]),
        ] {
            let asked = question(7, name, kind).unwrap();
            let bytes = replied(&asked, records, |_| {});
            assert_eq!(answer(&bytes, &asked, kind), Some(Answer::Records(expected)), "{kind:?}");
        }
    }

    #[test]
    fn no_name_no_answer_and_too_much_are_told_apart() {
        let asked = question(7, "acme.example", Kind::Txt).unwrap();
        for (code, expected) in [
            (RCODE::NameError, Answer::NoSuchName),
            (RCODE::ServerFailure, Answer::Failed(2)),
            (RCODE::Refused, Answer::Failed(5)),
        ] {
            let bytes = replied(&asked, vec![], |packet| *packet.rcode_mut() = code);
            assert_eq!(answer(&bytes, &asked, Kind::Txt), Some(expected));
        }
        let bytes = replied(&asked, vec![], |packet| packet.set_flags(PacketFlag::TRUNCATION));
        assert_eq!(answer(&bytes, &asked, Kind::Txt), Some(Answer::Truncated));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let asked = question(7, "acme.example", Kind::Txt).unwrap();
        let whole = replied(&asked, vec![], |_| {});
        assert!(answer(&whole, &asked, Kind::Txt).is_some());
        assert_eq!(answer(&asked, &asked, Kind::Txt), None, "a question is no answer");
        for other in [(8, "acme.example", Kind::Txt), (7, "acme.test", Kind::Txt), (7, "acme.example", Kind::A)] {
            let other = question(other.0, other.1, other.2).unwrap();
            assert_eq!(answer(&whole, &other, Kind::Txt), None);
        }
    }

    #[test]
    fn only_names_are_asked_for() {
        let long = format!("{}.example", "a".repeat(64));
        let whole = format!("{}example", "abcdefg.".repeat(32));
        for bad in ["", ".", "a..example", "a b.example", "müller.example", &long, &whole] {
            assert_eq!(question(1, bad, Kind::A), None, "{bad:?}");
        }
        assert!(question(1, "acme.example.", Kind::A).is_some());
    }

    #[test]
    fn a_name_that_points_to_itself_ends() {
        let asked = question(7, "a.example", Kind::Mx).unwrap();
        let mut bytes = replied(&asked, vec![], |_| {});
        bytes[7] = 1;
        let at = bytes.len() as u8;
        bytes.extend([0xc0, at, 0, 15, 0, 1, 0, 0, 0, 60, 0, 0]);
        assert_eq!(answer(&bytes, &asked, Kind::Mx), None);
    }

    #[test]
    fn records_are_limited() {
        let asked = question(7, "a.example", Kind::A).unwrap();
        let many = vec![("a.example", RData::A(A { address: 1 })); RECORDS_MAX + 1];
        let Some(Answer::Records(records)) = answer(&replied(&asked, many, |_| {}), &asked, Kind::A) else { panic!() };
        assert_eq!(records.len(), RECORDS_MAX);
    }

    proptest! {
        #[test]
        fn no_bytes_can_make_it_panic(tail in prop::collection::vec(any::<u8>(), 0..120), count in 0u8..4) {
            for kind in [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Txt] {
                let asked = question(7, "a.example", kind).unwrap();
                let mut bytes = replied(&asked, vec![], |_| {});
                bytes[7] = count;
                bytes.extend(&tail);
                drop(answer(&bytes, &asked, kind));
                drop(answer(&tail, &asked, kind));
            }
        }
    }
}
