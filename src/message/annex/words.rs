//! The words of generated lists, by language. A language without an entry gets English ones.

use crate::domain::id::Language;
use crate::domain::statement::LineKind;
use crate::message::annex::table::Column;

/// The words of one language.
#[derive(Debug)]
pub(crate) struct Words {
    language: &'static str,
    /// How a list of items is called.
    pub(crate) items: &'static str,
    /// How a list of a statement's lines is called.
    pub(crate) statement: &'static str,
    /// How a ZIP of papers is called.
    pub(crate) papers: &'static str,
    /// The word before the sums.
    pub(crate) total: &'static str,
    columns: [&'static str; Column::ALL.len()],
    kinds: [&'static str; 4],
}

/// The languages of the shipped templates, English first.
const ALL: [Words; 4] = [
    Words {
        language: "en",
        items: "Open items",
        statement: "Statement",
        papers: "Documents",
        total: "Total",
        columns: ["Document", "Number", "Date", "Due on", "Days overdue", "Currency", "Amount", "Open"],
        kinds: ["Invoice", "Credit note", "Payment", "Settlement"],
    },
    Words {
        language: "de",
        items: "Offene Posten",
        statement: "Kontoauszug",
        papers: "Unterlagen",
        total: "Summe",
        columns: ["Beleg", "Nummer", "Datum", "Fällig am", "Tage überfällig", "Währung", "Betrag", "Offen"],
        kinds: ["Rechnung", "Gutschrift", "Zahlung", "Ausgleich"],
    },
    Words {
        language: "fr",
        items: "Factures ouvertes",
        statement: "Relevé de compte",
        papers: "Documents",
        total: "Total",
        columns: ["Pièce", "Numéro", "Date", "Échéance", "Jours de retard", "Devise", "Montant", "Solde"],
        kinds: ["Facture", "Avoir", "Paiement", "Règlement"],
    },
    Words {
        language: "es",
        items: "Partidas abiertas",
        statement: "Estado de cuenta",
        papers: "Documentos",
        total: "Total",
        columns: ["Documento", "Número", "Fecha", "Vencimiento", "Días de retraso", "Moneda", "Importe", "Pendiente"],
        kinds: ["Factura", "Nota de crédito", "Pago", "Liquidación"],
    },
];

impl Words {
    /// Returns the words for readers of `language`.
    pub(crate) fn of(language: &Language) -> &'static Self {
        let primary = language.as_str().split('-').next().unwrap_or_default();
        ALL.iter().find(|words| words.language == primary).unwrap_or(&ALL[0])
    }

    pub(crate) fn column(&self, column: Column) -> &'static str {
        self.columns[column as usize]
    }

    pub(crate) fn kind(&self, kind: LineKind) -> &'static str {
        match kind {
            LineKind::Invoice => self.kinds[0],
            LineKind::CreditNote => self.kinds[1],
            LineKind::Payment => self.kinds[2],
            LineKind::Settlement => self.kinds[3],
        }
    }
}
