//! Companies: the whole of one, and every fault at its place.

use super::*;
use crate::yaml::parse;

/// Returns the company of a text, and its problems.
fn read(text: &str) -> (Option<Company>, Vec<String>) {
    let root = parse("config.yaml", text).unwrap();
    let mut problems = Problems::new("config.yaml", text);
    let found = company(&root, &mut problems);
    (found, problems.into_list().iter().map(ToString::to_string).collect())
}

#[test]
fn a_company_is_read_with_an_account_for_each_currency() {
    let text = "\
name: ACME GmbH
street: Hafenstraße 12
city: Hamburg
postal_code: 20457
country: Germany
country_code: DE
email: billing@acme.example
website: https://www.acme.example
pay_url: https://pay.acme.example/{customer_id}?amount={amount}
bank_accounts:
  eur: { iban: de89 3704 0044 0532 0130 00, bic: cobadeffxxx, bank: Example Bank }
  CHF: { holder: ACME (Schweiz) AG, iban: CH9300762011623852957, qr_iban: CH44 3199 9123 0008 8901 2 }
  USD: { account_number: \"0123456789\", routing_number: \"021000021\" }
";
    let (found, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let found = found.unwrap();
    let accounts = found.bank_accounts.iter().map(|account| {
        let number = |iban: &Option<Iban>| iban.as_ref().map_or(String::new(), ToString::to_string);
        let bic = account.bic.as_ref().map_or("", Bic::as_str);
        let BankAccount { currency, holder, account_number, .. } = account;
        format!("{currency} {holder} {} {} {bic} {account_number}", number(&account.iban), number(&account.qr_iban))
    });
    assert_eq!(
        accounts.collect::<Vec<_>>(),
        [
            "EUR ACME GmbH DE89 3704 0044 0532 0130 00  COBADEFFXXX ",
            "CHF ACME (Schweiz) AG CH93 0076 2011 6238 5295 7 CH44 3199 9123 0008 8901 2  ",
            "USD ACME GmbH    0123456789",
        ]
    );
    assert_eq!((found.postal_code.as_str(), found.state.as_str(), found.pay_url.is_some()), ("20457", "", true));
    let currency = |code| Currency::parse(code).unwrap();
    assert!(found.bank_account(currency("EUR")).is_some() && found.bank_account(currency("GBP")).is_none());
}

#[test]
fn all_that_is_wrong_with_a_company_is_told_at_once_and_at_its_place() {
    let text = "\
name: \" \"
city: [Hamburg]
country_code: Germany
email: billing
website: www.acme.example
pay_url: https://pay.acme.example/{ammount}
phome: 1
bank_accounts:
  EUR: { iban: DE89 3704 0044 0532 0130 01, bic: COBA }
  Euro: { iban: CH44 3199 9123 0008 8901 2 }
  CHF: { qr_iban: DE89370400440532013000 }
  USD: { account_number: \"1\", qr_iban: CH4431999123000889012 }
";
    let (found, problems) = read(text);
    assert!(found.is_none());
    assert_eq!(
        problems,
        [
            "config.yaml:1:7: The company's name is empty; write it as letters show it",
            "config.yaml:2:7: Expected a text, found a list",
            "config.yaml:3:15: `Germany` is not a country's code; write two capital letters: `DE`",
            "config.yaml:4:8: `billing` is not an e-mail address; write `name@example.com` and nothing else",
            "config.yaml:5:10: `www.acme.example` is not a page; write it like `https://www.example.com`",
            "config.yaml:6:10: `{ammount}` is not a placeholder; did you mean `{amount}`?",
            "config.yaml:7:1: Unknown field `phome`; did you mean `phone`?",
            "config.yaml:9:16: `DE89 3704 0044 0532 0130 01` is mistyped somewhere: its check digits do not fit the rest; copy \
             it from the bank's own papers",
            "config.yaml:9:50: `COBA` is not a BIC; write its 8 or 11 letters and digits: `COBADEFFXXX`",
            "config.yaml:10:3: `Euro` is not a currency; accounts are named by the currency that is paid on them: `EUR:`",
            "config.yaml:10:17: `CH44 3199 9123 0008 8901 2` is a QR-IBAN, which takes payments with a QR reference alone; write it \
             as `qr_iban`, and the account's usual number as `iban`",
            "config.yaml:11:3: The account for CHF has no number; add `iban: …`, or `account_number: …` and `routing_number: …` \
             where there are no IBANs",
            "config.yaml:11:19: `DE89 3704 0044 0532 0130 00` is not a QR-IBAN; a QR-IBAN is Swiss and has 30000 to 31999 from its \
             fifth digit on; write any other as `iban`",
            "config.yaml:12:40: A QR-IBAN takes CHF and EUR, not USD; remove it; the account's usual number is enough",
        ]
    );
}

#[test]
fn an_account_that_could_have_a_swiss_code_says_what_is_missing_for_it() {
    let account = "bank_accounts:\n  CHF: { iban: CH9300762011623852957 }\n";
    for (lines, told) in [
        ("postal_code: 8000\ncity: Zürich\ncountry_code: CH\n", None),
        ("city: Zürich\n", Some("`postal_code`, `country_code` of the company is missing")),
        ("postal_code: 8000\ncity: Ζυρίχη\ncountry_code: CH\n", Some("`city` has the letter 'Ζ', which no Swiss code can have")),
    ] {
        let (found, problems) = read(&format!("name: ACME AG\n{lines}{account}"));
        assert!(found.is_some());
        assert_eq!(problems.len(), usize::from(told.is_some()), "{problems:?}");
        assert!(told.is_none_or(|told| problems[0].contains(told)), "{problems:?}");
    }
}

#[test]
fn one_currency_has_one_account_and_a_holder_that_codes_take() {
    let long = "A".repeat(71);
    let (_, problems) = read(&format!("name: {long}\nbank_accounts:\n  EUR: {{ iban: DE89370400440532013000 }}\n"));
    assert_eq!(
        problems,
        [format!(
            "config.yaml:3:3: The account holder `{long}` has more than 70 characters; banks and payment codes take no more; \
             write `holder` as the bank knows it"
        )]
    );
    let twice = "name: A\nbank_accounts:\n  EUR: { account_number: \"1\" }\n  eur: { account_number: \"2\" }\n";
    let (_, problems) = read(twice);
    assert_eq!(problems, ["config.yaml:4:3: There is an account for EUR already; one currency has one account"]);
}
