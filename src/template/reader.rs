//! How one reader writes money, numbers and dates: CLDR data of their language, and a small table of currency signs.
//!
//! It must not round money: an amount is shown with all its digits, at least the currency's own.

use std::str::FromStr;

use fixed_decimal::Decimal as Digits;
use icu_calendar::Gregorian;
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::YMD;
use icu_decimal::DecimalFormatter;
use icu_decimal::options::DecimalFormatterOptions;
use icu_locale_core::Locale;
use icu_plurals::PluralRules;
use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::id::Language;
use crate::domain::money::{Money, plain};

/// The language of a reader whose language nobody knows.
pub const LANGUAGE_DEFAULT: &str = "en";

/// CLDR's English without a region is American (`March 8, 2027`); letters across borders are read as written here
/// in Britain's order (`8 March 2027`), which nobody can misread.
const ENGLISH_WITHOUT_REGION: &str = "en-GB";

/// A non-breaking space: an amount and its currency stay on one line.
const NO_BREAK: char = '\u{a0}';

/// Where a language puts the sign of a currency. Source: CLDR 47, standard currency patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignPlace {
    /// `€1,234.50`, and `CHF 1,234.50` where the sign is made of letters.
    Before,
    /// `€ 1.234,50`
    BeforeSpaced,
    /// `1.234,50 €`
    AfterSpaced,
}

/// Languages that put the sign before the number, the most special tag first; all others put it after.
const SIGN_BEFORE: &[(&str, SignPlace)] = &[
    ("de-at", SignPlace::BeforeSpaced),
    ("de-ch", SignPlace::BeforeSpaced),
    ("de-li", SignPlace::BeforeSpaced),
    ("es-ar", SignPlace::BeforeSpaced),
    ("es-mx", SignPlace::Before),
    ("es-us", SignPlace::Before),
    ("it-ch", SignPlace::BeforeSpaced),
    ("pt-pt", SignPlace::AfterSpaced),
    ("en", SignPlace::Before),
    ("ga", SignPlace::Before),
    ("hi", SignPlace::Before),
    ("ja", SignPlace::Before),
    ("ko", SignPlace::Before),
    ("nl", SignPlace::BeforeSpaced),
    ("pt", SignPlace::BeforeSpaced),
    ("th", SignPlace::Before),
    ("tr", SignPlace::Before),
    ("zh", SignPlace::Before),
];

/// Signs that every reader knows, and signs that only readers of one language know (by primary tag).
/// A currency without an entry shows its code, which nobody can mistake: a bare `$` is only the US dollar.
const SIGNS: &[(&str, &str, &str)] = &[
    ("EUR", "", "€"),
    ("GBP", "", "£"),
    ("USD", "", "$"),
    ("JPY", "", "¥"),
    ("BRL", "pt", "R$"),
    ("CZK", "cs", "Kč"),
    ("DKK", "da", "kr."),
    ("HUF", "hu", "Ft"),
    ("INR", "hi", "₹"),
    ("KRW", "ko", "₩"),
    ("NOK", "nb", "kr"),
    ("NOK", "no", "kr"),
    ("PLN", "pl", "zł"),
    ("SEK", "sv", "kr"),
    ("TRY", "tr", "₺"),
    ("UAH", "uk", "₴"),
];

/// One reader's convention, built once per language and shared.
#[derive(Debug)]
pub struct Reader {
    language: Language,
    sign_place: SignPlace,
    numbers: DecimalFormatter,
    dates_long: FixedCalendarDateTimeFormatter<Gregorian, YMD>,
    dates_short: FixedCalendarDateTimeFormatter<Gregorian, YMD>,
    plurals: PluralRules,
}

impl Reader {
    /// Returns the convention of `language`; of [`LANGUAGE_DEFAULT`] where CLDR does not know the language.
    pub fn new(language: &Language) -> Self {
        Self::known(language.as_str()).or_else(|| Self::known(LANGUAGE_DEFAULT)).expect("English data are compiled in")
    }

    fn known(tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        let locale = Locale::from_str(if tag == "en" { ENGLISH_WITHOUT_REGION } else { &tag }).ok()?;
        let numbers = DecimalFormatter::try_new((&locale).into(), DecimalFormatterOptions::default()).ok()?;
        let dates = |fields: YMD, locale: &Locale| FixedCalendarDateTimeFormatter::try_new(locale.into(), fields).ok();
        let (dates_long, dates_short) = (dates(YMD::long(), &locale)?, dates(YMD::medium(), &locale)?);
        // For a language without data ICU falls back to its root, which writes a date like `2027 M03 8`.
        let root = dates(YMD::long(), &Locale::UNKNOWN)?;
        let sample = icu_calendar::Date::try_new_gregorian(2027, 3, 8).ok()?;
        if dates_long.format(&sample).to_string() == root.format(&sample).to_string() {
            return None;
        }
        let is_match = |own: &str| tag == own || tag.strip_prefix(own).is_some_and(|rest| rest.starts_with('-'));
        let sign_place = SIGN_BEFORE.iter().find(|(own, _)| is_match(own)).map_or(SignPlace::AfterSpaced, |(_, place)| *place);
        let plurals = PluralRules::try_new_cardinal((&locale).into()).ok()?;
        Some(Self { language: Language::new(&tag), sign_place, numbers, dates_long, dates_short, plurals })
    }

    /// Returns the language the convention is of.
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Returns the rules by which a number takes one form of a noun or another.
    pub(crate) fn plurals(&self) -> &PluralRules {
        &self.plurals
    }

    /// Returns a number with all its digits: `1.234,5` in German.
    pub fn number(&self, number: Decimal) -> String {
        self.digits(&number.normalize().to_string())
    }

    /// Returns an amount without its currency, with at least the currency's digits: `1.234,50` in German.
    pub fn amount(&self, money: Money) -> String {
        self.digits(&plain(money.amount, money.currency))
    }

    /// Returns an amount with its currency: `1.234,50 €` in German, `€1,234.50` in English.
    pub fn money(&self, money: Money) -> String {
        let size = self.amount(Money { amount: money.amount.abs(), ..money });
        // The minus sign differs too (Swedish has its own), so it is cut from what ICU writes.
        let minus = match money.amount.is_sign_negative() && !money.amount.is_zero() {
            true => self.amount(money).strip_suffix(size.as_str()).unwrap_or("-").to_owned(),
            false => String::new(),
        };
        let sign = self.sign(money);
        let is_word = sign.chars().any(|c| c.is_ascii_alphabetic());
        match self.sign_place {
            SignPlace::Before if !is_word => format!("{minus}{sign}{size}"),
            SignPlace::Before | SignPlace::BeforeSpaced => format!("{minus}{sign}{NO_BREAK}{size}"),
            SignPlace::AfterSpaced => format!("{minus}{size}{NO_BREAK}{sign}"),
        }
    }

    /// Returns a date in full: `8. März 2027` in German, `8 March 2027` in English.
    pub fn date(&self, date: Date) -> String {
        Self::written(&self.dates_long, date)
    }

    /// Returns a date as short as it can be without being misread: `08.03.2027` in German, `8 Mar 2027` in English.
    pub fn date_short(&self, date: Date) -> String {
        Self::written(&self.dates_short, date)
    }

    fn written(form: &FixedCalendarDateTimeFormatter<Gregorian, YMD>, date: Date) -> String {
        match icu_calendar::Date::try_new_gregorian(i32::from(date.year()), date.month() as u8, date.day() as u8) {
            Ok(day) => form.format(&day).to_string(),
            // Only a year beyond ICU's range, which no book has; ISO 8601 is then as good as any.
            Err(_) => date.to_string(),
        }
    }

    fn digits(&self, plain: &str) -> String {
        match Digits::try_from_str(plain) {
            Ok(digits) => self.numbers.format(&digits).to_string(),
            Err(_) => plain.to_owned(),
        }
    }

    fn sign<'a>(&self, money: Money) -> std::borrow::Cow<'a, str> {
        let primary = self.language.as_str().split('-').next().unwrap_or_default();
        let is_own = |(code, language, _): &&(&str, &str, &str)| {
            *code == money.currency.as_str() && (language.is_empty() || *language == primary)
        };
        SIGNS.iter().find(is_own).map_or_else(|| money.currency.to_string().into(), |(_, _, sign)| (*sign).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;
    use jiff::civil::date;
    use rust_decimal::dec;

    fn money(amount: Decimal, code: &str) -> Money {
        Money { amount, currency: Currency::parse(code).unwrap() }
    }

    #[test]
    fn money_is_written_the_way_its_reader_writes_it() {
        for (language, amount, code, expected) in [
            ("en", dec!(1234.5), "EUR", "€1,234.50"),
            ("en", dec!(-1234.5), "EUR", "-€1,234.50"),
            ("en", dec!(1234.5), "CHF", "CHF\u{a0}1,234.50"),
            ("en-us", dec!(1234.5), "USD", "$1,234.50"),
            ("de", dec!(1234.5), "EUR", "1.234,50\u{a0}€"),
            ("de", dec!(-0.05), "EUR", "-0,05\u{a0}€"),
            ("de-at", dec!(1234.5), "EUR", "€\u{a0}1\u{a0}234,50"),
            ("de-ch", dec!(1234.5), "CHF", "CHF\u{a0}1'234.50"),
            ("fr", dec!(1234.5), "EUR", "1\u{202f}234,50\u{a0}€"),
            ("nl", dec!(1234.5), "EUR", "€\u{a0}1.234,50"),
            ("es", dec!(1234.5), "EUR", "1234,50\u{a0}€"),
            ("pl", dec!(12345.5), "PLN", "12\u{a0}345,50\u{a0}zł"),
            ("sv", dec!(-5), "SEK", "−5,00\u{a0}kr"),
            ("sv", dec!(5), "NOK", "5,00\u{a0}NOK"),
            ("pt-br", dec!(1234.5), "BRL", "R$\u{a0}1.234,50"),
            ("ja", dec!(1234), "JPY", "¥1,234"),
            ("en", dec!(0.1234), "EUR", "€0.1234"),
            ("en", dec!(1.5), "KWD", "KWD\u{a0}1.500"),
            ("xx", dec!(1234.5), "EUR", "€1,234.50"),
            ("not a tag", dec!(1234.5), "EUR", "€1,234.50"),
        ] {
            assert_eq!(Reader::new(&Language::new(language)).money(money(amount, code)), expected, "{language} {amount} {code}");
        }
    }

    #[test]
    fn dates_are_written_the_way_their_reader_writes_them() {
        for (language, long, short) in [
            ("en", "8 March 2027", "8 Mar 2027"),
            ("en-us", "March 8, 2027", "Mar 8, 2027"),
            ("de", "8. März 2027", "08.03.2027"),
            ("fr", "8 mars 2027", "8 mars 2027"),
            ("xx", "8 March 2027", "8 Mar 2027"),
        ] {
            let reader = Reader::new(&Language::new(language));
            let day = date(2027, 3, 8);
            assert_eq!((reader.date(day).as_str(), reader.date_short(day).as_str()), (long, short), "{language}");
        }
        assert_eq!(Reader::new(&Language::new("de")).date(date(2028, 2, 29)), "29. Februar 2028");
    }

    #[test]
    fn a_number_keeps_all_its_digits() {
        let reader = Reader::new(&Language::new("de"));
        assert_eq!(reader.number(dec!(1234567.890)), "1.234.567,89");
        assert_eq!(reader.number(dec!(3)), "3");
    }
}
