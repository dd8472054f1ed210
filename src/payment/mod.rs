//! Payment codes: what a customer's bank has to be told, as the text and the square of modules that banking programs read.
//!
//! Two standards: the SEPA credit transfer code (EPC069-12) and the Swiss QR-bill. Which one an account gets, what goes into
//! it, and its picture. Nothing here knows what a mail or a paper is: what is owed comes in, a [`PaymentCode`] goes out, and
//! `message` and whatever draws papers place it.

mod epc;
mod matrix;
mod reference;
mod swiss;
mod transfer;

pub use crate::payment::matrix::{Matrix, QUIET_MODULES};
pub use crate::payment::reference::{QR_DIGITS, Reference, is_creditor_reference, is_qr_reference};
pub use crate::payment::swiss::{CODE_TENTHS, CROSS_TENTHS, creditor_fault};
pub use crate::payment::transfer::{CodeKind, PaymentCode, Transfer};

#[cfg(test)]
mod tests;
