//! A value that a script hands to a template: frozen, exact, of a closed set of kinds.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::money::Money;

/// One value. There are no floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Nothing: rhai's `()`, a template's `none`.
    Nothing,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// An exact decimal without a currency.
    Decimal(Decimal),
    /// An amount with its currency.
    Money(Money),
    /// A calendar date.
    Date(Date),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Variable>),
    /// Named values.
    Map(BTreeMap<String, Variable>),
}
