//! What programs call the columns that we know by another word, in the languages exports come in.

use crate::source::field::Kind;

/// For each field of a customers', invoices' or bank's file the headings it goes by, folded by [`folded`], the surest first.
///
/// A heading that can mean something else is not here: a `balance` may be the account's, a `payment date` that of a part.
const HEADINGS: &[(Kind, &str, &[&str])] = &[
    (
        Kind::Customers,
        "id",
        &[
            "id",
            "customerid",
            "customerno",
            "customernumber",
            "customernr",
            "custid",
            "custno",
            "customer",
            "debtorno",
            "debtornumber",
            "debtor",
            "accountno",
            "accountnumber",
            "account",
            "clientid",
            "clientno",
            "number",
            "kundennummer",
            "kundennr",
            "kdnr",
            "debitorennummer",
            "debitorennr",
            "debitor",
            "codeclient",
            "numeroclient",
            "idcliente",
        ],
    ),
    (
        Kind::Customers,
        "name",
        &[
            "name",
            "customername",
            "companyname",
            "company",
            "clientname",
            "debtorname",
            "firma",
            "kundenname",
            "name1",
            "firmenname",
            "raisonsociale",
            "nom",
            "nombre",
            "razonsocial",
        ],
    ),
    (Kind::Customers, "language", &["language", "languagecode", "lang", "sprache", "langue", "idioma"]),
    (Kind::Customers, "tags", &["tags", "labels"]),
    (Kind::Customers, "hold_until", &["holduntil", "mahnsperrebis", "gesperrtbis"]),
    (
        Kind::Customers,
        "parent",
        &[
            "parent",
            "parentid",
            "parentcustomer",
            "parentno",
            "headoffice",
            "billtocustomer",
            "konzern",
            "zentrale",
            "hauptkunde",
        ],
    ),
    (
        Kind::Invoices,
        "number",
        &[
            "number",
            "invoicenumber",
            "invoiceno",
            "invoicenr",
            "invoiceid",
            "invnumber",
            "invno",
            "invoice",
            "documentnumber",
            "documentno",
            "docno",
            "rechnungsnummer",
            "rechnungsnr",
            "renr",
            "rechnung",
            "belegnummer",
            "belegnr",
            "numerofacture",
            "facture",
            "numerofactura",
            "factura",
        ],
    ),
    (
        Kind::Invoices,
        "customer",
        &[
            "customer",
            "customerid",
            "customerno",
            "customernumber",
            "customernr",
            "custid",
            "custno",
            "debtorno",
            "debtornumber",
            "debtor",
            "accountno",
            "accountnumber",
            "account",
            "clientid",
            "clientno",
            "client",
            "kundennummer",
            "kundennr",
            "kdnr",
            "kunde",
            "debitorennummer",
            "debitorennr",
            "debitor",
            "codeclient",
            "cliente",
            "idcliente",
        ],
    ),
    (
        Kind::Invoices,
        "issued_on",
        &[
            "issuedon",
            "invoicedate",
            "dateofinvoice",
            "issuedate",
            "documentdate",
            "docdate",
            "date",
            "rechnungsdatum",
            "belegdatum",
            "datum",
            "datefacture",
            "fechafactura",
            "fecha",
        ],
    ),
    (
        Kind::Invoices,
        "due_on",
        &[
            "dueon",
            "duedate",
            "dateofdue",
            "paymentdue",
            "netduedate",
            "due",
            "faelligam",
            "faelligkeit",
            "faelligkeitsdatum",
            "faellig",
            "dateecheance",
            "echeance",
            "fechavencimiento",
            "vencimiento",
        ],
    ),
    (
        Kind::Invoices,
        "total",
        &[
            "total",
            "invoiceamount",
            "totalamount",
            "invoicetotal",
            "grossamount",
            "gross",
            "amount",
            "rechnungsbetrag",
            "bruttobetrag",
            "gesamtbetrag",
            "brutto",
            "betrag",
            "montantttc",
            "montant",
            "importe",
        ],
    ),
    (
        Kind::Invoices,
        "open",
        &[
            "open",
            "openamount",
            "outstanding",
            "outstandingamount",
            "openbalance",
            "remaining",
            "amountdue",
            "offenerbetrag",
            "offen",
            "restbetrag",
            "pendiente",
        ],
    ),
    (Kind::Invoices, "currency", &["currency", "currencycode", "curr", "waehrung", "devise", "moneda"]),
    (
        Kind::Invoices,
        "settled_on",
        &[
            "settledon",
            "settleddate",
            "settlementdate",
            "paidon",
            "paiddate",
            "datepaid",
            "clearingdate",
            "cleared",
            "bezahltam",
            "ausgleichsdatum",
        ],
    ),
    (Kind::Invoices, "disputed", &["disputed", "dispute", "indispute", "strittig", "reklamation", "litige"]),
    (Kind::Invoices, "hold_until", &["holduntil", "mahnsperrebis", "gesperrtbis"]),
    (Kind::Invoices, "promised_on", &["promisedon", "promisetopay", "promisedate", "zahlungszusage", "zugesagtzum"]),
    (
        Kind::BankLines,
        "booked_on",
        &[
            "bookedon",
            "bookingdate",
            "datebooked",
            "buchungstag",
            "buchungsdatum",
            "buchung",
            "transactiondate",
            "postingdate",
            "date",
            "datum",
            "datedecomptabilisation",
            "dateoperation",
            "fechaoperacion",
            "fecha",
            "valuedate",
            "valutadatum",
            "wertstellung",
            "valuta",
        ],
    ),
    (
        Kind::BankLines,
        "amount",
        &[
            "amount",
            "paidin",
            "moneyin",
            "creditamount",
            "credit",
            "betrag",
            "betrageur",
            "betragineur",
            "umsatz",
            "umsatzineur",
            "gutschrift",
            "haben",
            "montant",
            "montanteneuros",
            "importe",
            "transactionamount",
        ],
    ),
    (Kind::BankLines, "currency", &["currency", "currencycode", "waehrung", "devise", "divisa", "moneda"]),
    (
        Kind::BankLines,
        "direction",
        &[
            "direction",
            "creditdebit",
            "debitcredit",
            "creditdebitindicator",
            "cdtdbtind",
            "sollhaben",
            "sollhabenkennzeichen",
            "sh",
            "dc",
            "cd",
        ],
    ),
    (
        Kind::BankLines,
        "payer",
        &[
            "payer",
            "payername",
            "debtorname",
            "beguenstigterzahlungspflichtiger",
            "namezahlungsbeteiligter",
            "zahlungspflichtiger",
            "zahlungspflichtige",
            "auftraggeberempfaenger",
            "auftraggeberbeguenstigter",
            "auftraggeber",
            "counterparty",
            "counterpartyname",
            "partnername",
            "remitter",
            "remittername",
            "name",
            "donneurdordre",
            "ordenante",
        ],
    ),
    (
        Kind::BankLines,
        "account",
        &[
            "payeraccount",
            "iban",
            "payeriban",
            "debtoriban",
            "counterpartyiban",
            "counterpartyaccount",
            "ibanzahlungsbeteiligter",
            "kontonummeriban",
            "ibanauftraggeber",
            "partneriban",
        ],
    ),
    (
        Kind::BankLines,
        "reference",
        &[
            "reference",
            "paymentreference",
            "remittanceinformation",
            "remittance",
            "verwendungszweck",
            "buchungstext",
            "zahlungsreferenz",
            "description",
            "details",
            "narrative",
            "libelle",
            "communication",
            "concepto",
        ],
    ),
    (
        Kind::BankLines,
        "end_to_end",
        &["endtoend", "endtoendid", "endtoendreference", "kundenreferenzendtoend", "kundenreferenz", "customerreference"],
    ),
    (
        Kind::BankLines,
        "id",
        &["id", "transactionid", "bankreference", "accountservicerreference", "bankreferenz", "umsatzid", "entryreference"],
    ),
];

/// The words of a heading that only say that addresses stand below it.
const ADDRESS_WORDS: &[&str] = &["e", "mail", "email", "emails", "address", "addresses", "adresse", "courriel", "correo"];

/// Returns the headings that a field of such a file goes by, the surest first.
pub(crate) fn headings(kind: Kind, field: &str) -> &'static [&'static str] {
    HEADINGS.iter().find(|(own, name, _)| *own == kind && *name == field).map_or(&[], |(_, _, words)| words)
}

/// Returns a heading in small letters without accents and without anything that is neither letter nor digit.
pub(crate) fn folded(heading: &str) -> String {
    let mut folded = String::new();
    for letter in heading.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' => folded.push_str("ae"),
            'ö' => folded.push_str("oe"),
            'ü' => folded.push_str("ue"),
            'ß' => folded.push_str("ss"),
            'é' | 'è' | 'ê' | 'ë' => folded.push('e'),
            'à' | 'â' | 'á' => folded.push('a'),
            'ç' => folded.push('c'),
            'í' | 'î' => folded.push('i'),
            'ó' | 'ô' => folded.push('o'),
            'ú' | 'û' | 'ù' => folded.push('u'),
            'ñ' => folded.push('n'),
            letter if letter.is_ascii_alphanumeric() => folded.push(letter),
            _ => {}
        }
    }
    folded
}

/// Returns the recipient key for a column of addresses: `BillingEmail` and `billing_email` give `billing`, `E-Mail` too,
/// since a bill is what goes to a customer's only address.
pub(crate) fn recipient_key(heading: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    let mut was_small = false;
    for letter in heading.chars() {
        let starts_word = letter.is_uppercase() && was_small || !letter.is_alphanumeric();
        if starts_word {
            words.push(String::new());
        }
        let word = words.last_mut().expect("there is always a last word");
        word.push(letter);
        was_small = letter.is_lowercase();
    }
    let words: Vec<String> = words.iter().map(|word| folded(word)).collect();
    let kept: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !word.is_empty() && !ADDRESS_WORDS.contains(word)).collect();
    let key: String = kept.join("_").chars().take(40).collect();
    if key.is_empty() { "billing".to_owned() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::field::fields;

    #[test]
    fn headings_are_folded_and_belong_to_fields_there_are() {
        for (heading, expected) in
            [("Fälligkeit", "faelligkeit"), ("Invoice No.", "invoiceno"), ("N° Échéance", "necheance"), ("日付", "")]
        {
            assert_eq!(folded(heading), expected);
        }
        for (kind, field, words) in HEADINGS {
            assert!(fields(*kind).iter().any(|spec| spec.name == *field), "{field} is no field");
            assert!(words.iter().all(|word| folded(word) == *word), "{field}: {words:?} are not folded");
        }
    }

    #[test]
    fn a_column_of_addresses_gives_its_role() {
        for (heading, expected) in [
            ("billing_email", "billing"),
            ("BillingEmail", "billing"),
            ("E-Mail", "billing"),
            ("Email", "billing"),
            ("account_manager", "account_manager"),
            ("E-Mail Geschäftsführung", "geschaeftsfuehrung"),
            ("CFO mail address", "cfo"),
        ] {
            assert_eq!(recipient_key(heading), expected, "{heading}");
        }
    }
}
