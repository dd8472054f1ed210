//! The simple part of conditions as a typed tree: comparisons of fields with literals and with each other, `&&`,
//! `||`, `!`, `in` and `contains`, days before or after `as_of`.
//!
//! rhai needs 1 to 2 µs for a condition, this a few dozen nanoseconds, and a run asks millions of times. It is built
//! from rhai's own tree, so the two cannot read a text differently, and it never guesses: where a value is not what
//! it can judge (a day beyond the calendar, an attribute that is not there) it answers `None` and rhai is asked.
//! `condition::tests` holds both against each other on random expressions and ledgers.

use std::cmp::Ordering;

use compact_str::CompactString;
use rhai::{ASTFlags, Expr, FnCallExpr, Token};
use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::document::{Document, DocumentKind};
use crate::domain::ledger::{DocumentIndex, Ledger};
use crate::script::Account;
use crate::script::sandbox::AS_OF;

/// The document that a condition is asked about, with the account it stands on.
pub(crate) struct View<'v> {
    pub(crate) account: &'v Account<'v>,
    pub(crate) ledger: &'v Ledger,
    pub(crate) index: DocumentIndex,
    pub(crate) document: &'v Document,
    pub(crate) as_of: Date,
}

impl<'v> View<'v> {
    pub(crate) fn new(account: &'v Account<'v>, index: DocumentIndex) -> Self {
        let ledger = account.ledger;
        Self { account, ledger, index, document: ledger.document(index), as_of: account.as_of }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Constant(bool),
    Disputed,
    CreditNote,
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Whole(Whole, Comparison, Whole),
    Number(Number, Comparison, Number),
    Day(Day, Comparison, Day),
    Text(Text, Comparison, Text),
    Same(Box<Test>, Comparison, Box<Test>),
    Tagged(Text),
    Holds { text: Text, part: Text },
    Starts { text: Text, part: Text },
    Ends { text: Text, part: Text },
    OneOf(Text, Vec<Text>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A whole number: compared without the cost of a decimal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Whole {
    Literal(i64),
    DaysOverdue,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Number {
    Literal(Decimal),
    Whole(Whole),
    Total,
    Open,
    Balance,
    Overdue,
}

/// A day, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Day {
    Nothing,
    Literal(Date),
    AsOf,
    Issued,
    Due,
    /// Never around [`Day::Due`], which may be nothing.
    Moved(Box<Day>, i64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Text {
    Literal(CompactString),
    Number,
    Currency,
    CustomerId,
    CustomerName,
    Language,
    InvoiceAttribute(CompactString),
    CustomerAttribute(CompactString),
}

enum Term {
    Test(Test),
    Number(Number),
    Day(Day),
    Text(Text),
    Tags,
    Texts(Vec<Text>),
}

impl Test {
    /// Returns the tree of an expression, or `None` where a part of it is beyond the simple part.
    pub(crate) fn read(expression: &Expr) -> Option<Self> {
        match term(expression)? {
            Term::Test(test) => Some(test),
            _ => None,
        }
    }

    /// Returns whether the condition holds; `None`: ask rhai.
    pub(crate) fn holds(&self, view: &View<'_>) -> Option<bool> {
        Some(match self {
            Self::Constant(value) => *value,
            Self::Disputed => view.document.disputed,
            Self::CreditNote => view.document.kind == DocumentKind::CreditNote,
            Self::Not(test) => !test.holds(view)?,
            Self::All(tests) => {
                for test in tests {
                    if !test.holds(view)? {
                        return Some(false);
                    }
                }
                true
            }
            Self::Any(tests) => {
                for test in tests {
                    if test.holds(view)? {
                        return Some(true);
                    }
                }
                false
            }
            Self::Whole(left, comparison, right) => comparison.of(left.value(view).cmp(&right.value(view))),
            Self::Number(left, comparison, right) => comparison.of(left.value(view).cmp(&right.value(view))),
            Self::Day(left, comparison, right) => comparison.of_days(left.value(view)?, right.value(view)?),
            Self::Text(left, comparison, right) => comparison.of_texts(left.value(view)?, right.value(view)?),
            Self::Same(left, comparison, right) => comparison.of(left.holds(view)?.cmp(&right.holds(view)?)),
            Self::Tagged(tag) => view.ledger.customer(view.document.customer).is_tagged(tag.value(view)?),
            Self::Holds { text, part } => text.value(view)?.contains(part.value(view)?),
            Self::Starts { text, part } => text.value(view)?.starts_with(part.value(view)?),
            Self::Ends { text, part } => text.value(view)?.ends_with(part.value(view)?),
            Self::OneOf(text, texts) => {
                let text = text.value(view)?;
                let mut is_among = false;
                // Every member is looked at, as rhai builds the whole list before it searches it.
                for candidate in texts {
                    is_among |= candidate.value(view)? == text;
                }
                is_among
            }
        })
    }
}

impl Comparison {
    fn read(token: &Token) -> Option<Self> {
        Some(match token {
            Token::EqualsTo => Self::Equal,
            Token::NotEqualsTo => Self::NotEqual,
            Token::LessThan => Self::Less,
            Token::LessThanEqualsTo => Self::LessOrEqual,
            Token::GreaterThan => Self::Greater,
            Token::GreaterThanEqualsTo => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn of(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// Compares texts; equality, which is nearly all that is asked of them, looks at their lengths first.
    fn of_texts(self, left: &str, right: &str) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            _ => self.of(left.cmp(right)),
        }
    }

    /// Compares as rhai does: nothing equals nothing, and every other comparison with nothing is false.
    fn of_days(self, left: Option<Date>, right: Option<Date>) -> bool {
        match (left, right) {
            (Some(left), Some(right)) => self.of(left.cmp(&right)),
            (None, None) => self == Self::Equal,
            _ => self == Self::NotEqual,
        }
    }
}

impl Whole {
    pub(crate) fn value(&self, view: &View<'_>) -> i64 {
        match self {
            Self::Literal(value) => *value,
            Self::DaysOverdue => i64::from(view.document.days_overdue(view.as_of)),
        }
    }
}

impl Number {
    fn value(&self, view: &View<'_>) -> Decimal {
        match self {
            Self::Literal(value) => *value,
            Self::Whole(whole) => Decimal::from(whole.value(view)),
            Self::Total => view.document.total,
            Self::Open => view.ledger.open_on(view.index, view.as_of),
            Self::Balance => view.account.balance(),
            Self::Overdue => view.account.overdue(),
        }
    }
}

impl Day {
    /// Returns the day or nothing; the outer `None` is a day beyond the calendar.
    pub(crate) fn value(&self, view: &View<'_>) -> Option<Option<Date>> {
        Some(match self {
            Self::Nothing => None,
            Self::Literal(date) => Some(*date),
            Self::AsOf => Some(view.as_of),
            Self::Issued => Some(view.document.issued_on),
            Self::Due => view.document.due_on,
            Self::Moved(day, days) => {
                let span = jiff::Span::new().try_days(*days).ok()?;
                Some(day.value(view)??.checked_add(span).ok()?)
            }
        })
    }
}

impl Text {
    fn value<'v>(&'v self, view: &View<'v>) -> Option<&'v str> {
        let customer = || view.ledger.customer(view.document.customer);
        Some(match self {
            Self::Literal(text) => text,
            Self::Number => view.document.number.as_str(),
            Self::Currency => view.document.currency.as_str(),
            Self::CustomerId => customer().id.as_str(),
            Self::CustomerName => &customer().name,
            Self::Language => customer().language.as_ref().map_or("", |language| language.as_str()),
            Self::InvoiceAttribute(name) => return view.ledger.document_attribute(view.index, name),
            Self::CustomerAttribute(name) => return view.ledger.customer_attribute(view.document.customer, name),
        })
    }
}

fn term(expression: &Expr) -> Option<Term> {
    Some(match expression {
        Expr::BoolConstant(value, _) => Term::Test(Test::Constant(*value)),
        Expr::IntegerConstant(value, _) => Term::Number(Number::Whole(Whole::Literal(*value))),
        Expr::DynamicConstant(value, _) => Term::Number(Number::Literal(value.as_decimal().ok()?)),
        Expr::StringConstant(text, _) => Term::Text(Text::Literal(text.as_str().into())),
        Expr::Unit(_) => Term::Day(Day::Nothing),
        Expr::Array(members, _) => Term::Texts(members.iter().map(text).collect::<Option<_>>()?),
        Expr::Variable(variable, ..) if variable.1 == AS_OF && variable.2.is_empty() => Term::Day(Day::AsOf),
        Expr::Dot(pair, flags, _) if !flags.contains(ASTFlags::NEGATED) => chain(&pair.lhs, &pair.rhs)?,
        Expr::And(parts, _) => Term::Test(Test::All(parts.iter().map(Test::read).collect::<Option<_>>()?)),
        Expr::Or(parts, _) => Term::Test(Test::Any(parts.iter().map(Test::read).collect::<Option<_>>()?)),
        Expr::FnCall(call, _) => function(call)?,
        _ => return None,
    })
}

fn text(expression: &Expr) -> Option<Text> {
    match term(expression)? {
        Term::Text(text) => Some(text),
        _ => None,
    }
}

fn function(call: &FnCallExpr) -> Option<Term> {
    match (&call.op_token, &call.args[..]) {
        (Some(Token::Bang), [operand]) => Some(Term::Test(Test::Not(Box::new(Test::read(operand)?)))),
        (Some(Token::UnaryMinus | Token::Minus), [value]) => match term(value)? {
            Term::Number(Number::Literal(value)) => Some(Term::Number(Number::Literal(-value))),
            Term::Number(Number::Whole(Whole::Literal(value))) => {
                Some(Term::Number(Number::Whole(Whole::Literal(value.checked_neg()?))))
            }
            _ => None,
        },
        (Some(Token::Plus), [day, days]) => moved(term(day)?, term(days)?, 1),
        (Some(Token::Minus), [day, days]) => moved(term(day)?, term(days)?, -1),
        // `a in b` and `a !in b` are to rhai calls of `contains` with the two turned round.
        (None | Some(Token::In | Token::NotIn), [all, one]) if call.name == "contains" => contains(term(all)?, text(one)?),
        (Some(token), [left, right]) => compared(term(left)?, Comparison::read(token)?, term(right)?),
        (None, [Expr::StringConstant(day, _)]) if call.name == "date" && !call.is_qualified() => {
            Date::strptime(crate::domain::date::ISO, day.as_str()).ok().map(|day| Term::Day(Day::Literal(day)))
        }
        _ => None,
    }
}

fn moved(day: Term, days: Term, sign: i64) -> Option<Term> {
    match (day, days) {
        (Term::Day(Day::Due | Day::Nothing), _) => None,
        (Term::Day(day), Term::Number(Number::Whole(Whole::Literal(days)))) => {
            Some(Term::Day(Day::Moved(Box::new(day), days.checked_mul(sign)?)))
        }
        _ => None,
    }
}

fn compared(left: Term, comparison: Comparison, right: Term) -> Option<Term> {
    Some(Term::Test(match (left, right) {
        (Term::Number(Number::Whole(left)), Term::Number(Number::Whole(right))) => Test::Whole(left, comparison, right),
        (Term::Number(left), Term::Number(right)) => Test::Number(left.widened(), comparison, right.widened()),
        (Term::Day(left), Term::Day(right)) => Test::Day(left, comparison, right),
        (Term::Text(left), Term::Text(right)) => Test::Text(left, comparison, right),
        (Term::Test(left), Term::Test(right)) => Test::Same(Box::new(left), comparison, Box::new(right)),
        _ => return None,
    }))
}

impl Number {
    /// Turns a whole literal into a decimal once, not at every comparison.
    fn widened(self) -> Self {
        match self {
            Self::Whole(Whole::Literal(value)) => Self::Literal(Decimal::from(value)),
            other => other,
        }
    }
}

fn contains(all: Term, one: Text) -> Option<Term> {
    Some(Term::Test(match all {
        Term::Tags => Test::Tagged(one),
        Term::Text(text) => Test::Holds { text, part: one },
        Term::Texts(texts) => Test::OneOf(one, texts),
        _ => return None,
    }))
}

fn chain(first: &Expr, rest: &Expr) -> Option<Term> {
    let (mut value, mut rest) = match first {
        Expr::Variable(variable, ..) if variable.2.is_empty() && variable.1 != AS_OF => member(&variable.1, rest)?,
        literal => (term(literal)?, Some(rest)),
    };
    while let Some(more) = rest {
        let (step, next) = match more {
            Expr::Dot(pair, flags, _) if !flags.contains(ASTFlags::NEGATED) => (&pair.lhs, Some(&pair.rhs)),
            step => (step, None),
        };
        let Expr::MethodCall(call, _) = step else { return None };
        let [argument] = &call.args[..] else { return None };
        let part = text(argument)?;
        value = match (call.name.as_str(), value) {
            ("contains", all) => contains(all, part)?,
            ("starts_with", Term::Text(text)) => Term::Test(Test::Starts { text, part }),
            ("ends_with", Term::Text(text)) => Term::Test(Test::Ends { text, part }),
            _ => return None,
        };
        rest = next;
    }
    Some(value)
}

/// Reads `invoice.open` or `customer.attributes.region` and returns what follows it.
fn member<'e>(variable: &str, rest: &'e Expr) -> Option<(Term, Option<&'e Expr>)> {
    let (step, next) = match rest {
        Expr::Dot(pair, flags, _) if !flags.contains(ASTFlags::NEGATED) => (&pair.lhs, Some(&pair.rhs)),
        step => (step, None),
    };
    let Expr::Property(name, _) = step else { return None };
    let value = match (variable, name.2.as_str()) {
        ("invoice", "number") => Term::Text(Text::Number),
        ("invoice", "issued_on") => Term::Day(Day::Issued),
        ("invoice", "due_on") => Term::Day(Day::Due),
        ("invoice", "total") => Term::Number(Number::Total),
        ("invoice", "open") => Term::Number(Number::Open),
        ("invoice", "currency") => Term::Text(Text::Currency),
        ("invoice", "days_overdue") => Term::Number(Number::Whole(Whole::DaysOverdue)),
        ("invoice", "disputed") => Term::Test(Test::Disputed),
        ("invoice", "is_credit_note") => Term::Test(Test::CreditNote),
        ("customer", "id") => Term::Text(Text::CustomerId),
        ("customer", "name") => Term::Text(Text::CustomerName),
        ("customer", "language") => Term::Text(Text::Language),
        ("customer", "tags") => Term::Tags,
        ("customer", "balance") => Term::Number(Number::Balance),
        ("customer", "overdue") => Term::Number(Number::Overdue),
        ("invoice" | "customer", "attributes") => {
            let (step, next) = match next? {
                Expr::Dot(pair, flags, _) if !flags.contains(ASTFlags::NEGATED) => (&pair.lhs, Some(&pair.rhs)),
                step => (step, None),
            };
            let Expr::Property(column, _) = step else { return None };
            let column = CompactString::new(column.2.as_str());
            let attribute = if variable == "invoice" { Text::InvoiceAttribute(column) } else { Text::CustomerAttribute(column) };
            return Some((Term::Text(attribute), next));
        }
        _ => return None,
    };
    Some((value, next))
}
