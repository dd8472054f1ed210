//! Names of payers and customers, as far as they can be held against each other: without legal forms, accents and order.

use std::collections::HashMap;

use crate::domain::ledger::{CustomerIndex, Ledger};

/// The words of a name that are looked at.
const WORDS_MAX: usize = 12;

/// A word that more customers have tells nobody apart, and is not looked up.
const SHARED_MAX: usize = 50;

/// Banks cut names off after 27 characters or more; the last word of a longer one may be a piece.
const CUT_OFF_AFTER: usize = 27;

/// What companies are by law, and words that go with it.
const LEGAL_FORMS: &[&str] = &[
    "gmbh",
    "mbh",
    "ag",
    "kg",
    "kgaa",
    "ohg",
    "gbr",
    "ug",
    "ek",
    "eg",
    "se",
    "co",
    "und",
    "and",
    "ltd",
    "limited",
    "llc",
    "llp",
    "lp",
    "plc",
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "company",
    "sa",
    "sas",
    "sarl",
    "srl",
    "spa",
    "sl",
    "bv",
    "nv",
    "oy",
    "ab",
    "as",
    "aps",
    "the",
    "haftungsbeschrankt",
];

/// Returns the words of a name, sorted, each once.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = split(name).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn split(name: &str) -> impl Iterator<Item = String> + '_ {
    // `S.A.` and `e.K.` are one word; other signs stand between words.
    let plain = name.replace('.', "");
    let words: Vec<String> = plain.split(|letter: char| !letter.is_alphanumeric()).map(folded).take(WORDS_MAX).collect();
    words.into_iter().filter(|word| !word.is_empty() && !LEGAL_FORMS.contains(&word.as_str()))
}

/// Returns a word in small letters without accents; `ä` and `ae` are one.
fn folded(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    for letter in word.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' | 'à' | 'á' | 'â' | 'ã' | 'å' | 'æ' | 'ą' => plain.push('a'),
            'ö' | 'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'œ' => plain.push('o'),
            'ü' | 'ù' | 'ú' | 'û' | 'ů' => plain.push('u'),
            'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => plain.push('e'),
            'ì' | 'í' | 'î' | 'ï' => plain.push('i'),
            'ß' => plain.push_str("ss"),
            'ç' | 'ć' | 'č' => plain.push('c'),
            'ñ' | 'ń' | 'ň' => plain.push('n'),
            'š' | 'ś' => plain.push('s'),
            'ž' | 'ź' | 'ż' => plain.push('z'),
            'ł' => plain.push('l'),
            letter => plain.push(letter),
        }
    }
    plain.replace("ae", "a").replace("oe", "o").replace("ue", "u")
}

/// The customers by the words of their names.
#[derive(Debug)]
pub(crate) struct Names {
    words: Vec<Vec<String>>,
    by_word: HashMap<String, Vec<CustomerIndex>>,
}

impl Names {
    /// Takes the names of all customers of a ledger.
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let mut by_word: HashMap<String, Vec<CustomerIndex>> = HashMap::new();
        let mut all = Vec::with_capacity(ledger.customers().len());
        for index in ledger.customer_indexes() {
            let words = words(&ledger.customer(index).name);
            for word in &words {
                by_word.entry(word.clone()).or_default().push(index);
            }
            all.push(words);
        }
        Self { words: all, by_word }
    }

    /// Returns the customers that a payer's name is the name of: the words of one are all among those of the other.
    pub(crate) fn find(&self, payer: &str) -> Vec<CustomerIndex> {
        let own = words(payer);
        let last = split(payer).last().filter(|_| payer.chars().count() >= CUT_OFF_AFTER);
        let known = own.iter().filter_map(|word| self.by_word.get(word)).filter(|customers| customers.len() <= SHARED_MAX);
        let mut found: Vec<CustomerIndex> = known.flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found.retain(|customer| {
            let theirs = &self.words[customer.0 as usize];
            let is_among = |word: &String, words: &[String]| {
                words.contains(word) || last.as_ref() == Some(word) && words.iter().any(|other| other.starts_with(word.as_str()))
            };
            // One common word out of many is a place or a trade, not a name.
            let is_enough = |words: &[String]| words.len() >= 2 || words.iter().any(|word| word.chars().count() >= 6);
            let is_within = own.iter().all(|word| is_among(word, theirs)) && is_enough(&own);
            let is_around = theirs.iter().all(|word| own.contains(word)) && is_enough(theirs);
            own == *theirs || is_within || is_around
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::customer::Customer;
    use crate::domain::ledger::LedgerBuilder;

    #[test]
    fn a_payer_is_known_by_name_whatever_the_bank_made_of_it() {
        let names = [
            "Kranwerk Nord GmbH",
            "Möbelhaus Grünwald e.K.",
            "Meadow & Mill Bakery",
            "Kranwerk Süd GmbH",
            "Copperfield Engineering Services Ltd",
            "Abc",
        ];
        let mut builder = LedgerBuilder::default();
        for (place, name) in names.iter().enumerate() {
            let customer = Customer { name: (*name).into(), ..Customer::from_id(&format!("C{place}")) };
            builder.add_customer(customer, [].into_iter()).unwrap();
        }
        let index = Names::of(&builder.finish());
        for (payer, expected) in [
            ("KRANWERK NORD GMBH", vec![0]),
            ("Nord, Kranwerk", vec![0]),
            ("MOEBELHAUS GRUENWALD", vec![1]),
            ("Mobelhaus Grunwald E.K.", vec![1]),
            ("Meadow and Mill Bakery Limited", vec![2]),
            ("KRANWERK", vec![0, 3]),
            ("COPPERFIELD ENGINEERING SERV", vec![4]),
            ("Copperfield Engineering Serv", vec![4]),
            ("ABC GmbH", vec![5]),
            ("Abc Handel", vec![]),
            ("Nord", vec![]),
            ("GmbH", vec![]),
            ("", vec![]),
        ] {
            let found: Vec<u32> = index.find(payer).into_iter().map(|customer| customer.0).collect();
            assert_eq!(found, expected, "{payer}");
        }
    }
}
