//! What can be told about a condition or script before it runs: names that do not exist, kinds that cannot meet.
//!
//! A trial run sees only the branches it takes; this walks the whole tree, so that a misspelt name in a branch taken
//! once a year is a problem of today. What only running can tell (`Kind::Unknown`) is left to the trial run.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt, Token};

use crate::domain::id::RecipientKey;
use crate::domain::problem::{Problem, nearest};
use crate::script::fault::Locate;
use crate::script::functions::{FUNCTIONS, is_function};
use crate::script::late_payment::LATE_PAYMENT;
use crate::script::library::Library;
use crate::script::sandbox::AS_OF;
use crate::script::values::{FIELDS, Kind, Needs, find_field};

/// The names a script may use that the workspace, not the program, decides on.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The recipient keys of config.yaml.
    pub recipient_keys: Vec<RecipientKey>,
    /// The further columns of the documents' files; `None`: not known, any is accepted.
    pub invoice_attributes: Option<Vec<String>>,
    /// The further columns of the customers' file; `None`: not known, any is accepted.
    pub customer_attributes: Option<Vec<String>>,
    /// The functions that plugins add.
    pub library: Library,
}

impl Names {
    fn attributes(&self, kind: Kind) -> Option<&Vec<String>> {
        match kind {
            Kind::InvoiceAttributes => self.invoice_attributes.as_ref(),
            _ => self.customer_attributes.as_ref(),
        }
    }
}

/// Properties that rhai's own lists and texts have.
const PROPERTIES: [&str; 2] = ["len", "is_empty"];

/// A function that the script defines itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defined {
    pub(crate) name: String,
    pub(crate) parameters: usize,
}

/// What a walk over a tree found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) needs: Needs,
    /// The functions of the script itself that are called somewhere.
    pub(crate) called: BTreeSet<String>,
    /// The names asked of `attributes`, for the sample.
    pub(crate) attributes: BTreeSet<String>,
    /// Whether `disputed` is asked for anywhere.
    pub(crate) asks_disputed: bool,
    /// Whether anything is asked for that changes from day to day while the ledger stays as it is.
    pub(crate) asks_day: bool,
}

/// Walks a whole tree, closures and functions included. `variables` are the names with a known kind.
pub(crate) fn walk(ast: &AST, variables: &[(&str, Kind)], defined: &[Defined], names: &Names, locate: &Locate) -> Findings {
    let mut walk = Walk {
        variables,
        defined,
        names,
        locate,
        assigned: own_properties(ast),
        judged: BTreeSet::new(),
        problems: BTreeMap::new(),
        findings: Findings::default(),
    };
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(node) = path.last() {
            walk.node(node);
        }
        true
    });
    let Walk { mut findings, problems, .. } = walk;
    findings.problems = problems.into_values().collect();
    findings
}

struct Walk<'w> {
    variables: &'w [(&'w str, Kind)],
    defined: &'w [Defined],
    names: &'w Names,
    locate: &'w Locate,
    /// Names of maps the script builds itself.
    assigned: BTreeSet<String>,
    /// Properties that were checked with the value they belong to.
    judged: BTreeSet<(usize, usize)>,
    problems: BTreeMap<(usize, usize), Problem>,
    findings: Findings,
}

impl Walk<'_> {
    fn node(&mut self, node: &ASTNode<'_>) {
        match node {
            ASTNode::Stmt(Stmt::FnCall(call, position)) | ASTNode::Expr(Expr::FnCall(call, position)) => {
                self.call(call, *position, 0)
            }
            ASTNode::Expr(Expr::MethodCall(call, position)) => self.call(call, *position, 1),
            ASTNode::Expr(Expr::Property(name, position)) => self.property(&name.2, *position),
            ASTNode::Expr(Expr::Variable(variable, ..)) => self.findings.asks_day |= variable.1 == AS_OF,
            ASTNode::Expr(chain @ Expr::Dot(..)) => self.chain(chain),
            ASTNode::Stmt(Stmt::Assignment(assignment)) => {
                let target = &assignment.1.lhs;
                let base = base(target);
                if let Some((name, _)) = self.variables.iter().find(|(name, _)| Some(*name) == base) {
                    let message = format!("`{name}` cannot be changed");
                    let problem = self.locate.error(target.start_position(), name.len(), message);
                    self.note(
                        target.start_position(),
                        problem.hint("put the new value into a variable of your own: `let x = …`"),
                    );
                }
            }
            ASTNode::Stmt(Stmt::Import(_, position) | Stmt::Export(_, position)) => {
                let problem = self.locate.error(*position, 6, "Scripts stand alone: nothing is imported or exported");
                self.note(*position, problem);
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, receivers: usize) {
        if call.op_token.is_some() {
            return;
        }
        let name = call.name.as_str();
        // How rhai writes a closure that captures a variable.
        if name == "curry" && call.args.first().is_some_and(|first| matches!(first, Expr::DynamicConstant(..))) {
            return;
        }
        if let Some(own) = self.defined.iter().find(|own| own.name == name) {
            self.findings.called.insert(name.to_owned());
            let given = call.args.len();
            if receivers == 0 && !self.defined.iter().any(|own| own.name == name && own.parameters == given) {
                let message = format!("`{name}` takes {} values, not {given}", own.parameters);
                let problem = self.locate.error(position, name.len(), message);
                self.note(position, problem);
            }
            return;
        }
        if is_function(name) && !call.is_qualified() {
            if name == LATE_PAYMENT {
                self.findings.needs.payments = true;
                self.findings.needs.attributes = true;
                self.findings.asks_day = true;
            }
            return;
        }
        let library = &self.names.library;
        if let Some(function) = library.function(name).filter(|_| !call.is_qualified()) {
            // What the function asks of an invoice or customer has to be there when it is called.
            self.findings.needs = self.findings.needs.and(library.needs_of(function));
            self.findings.asks_disputed |= library.asks_disputed();
            // It may ask for the day by itself.
            self.findings.asks_day = true;
            let (given, taken) = (call.args.len(), function.parameters.len());
            if receivers > 0 || given != taken {
                let form = format!("{name}({})", function.parameters.join(", "));
                let message = match receivers {
                    0 => format!("`{name}` takes {taken} values, not {given}"),
                    _ => format!("`{name}` is not called behind a point"),
                };
                let problem = self.locate.error(position, name.len(), message);
                self.note(position, problem.hint(format!("write `{form}`")));
            }
            return;
        }
        let problem = self.locate.error(position, name.chars().count(), format!("There is no function `{name}`"));
        let own = self.defined.iter().map(|own| own.name.as_str());
        let of_plugins = library.functions().iter().map(|function| function.name.as_str());
        let known = FUNCTIONS.iter().map(|function| function.name).chain(own).chain(of_plugins);
        let problem = match nearest(name, known) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint("docs/reference/script-functions.md lists all functions"),
        };
        self.note(position, problem);
    }

    /// Follows `customer.tags.…` from a variable of known kind.
    fn chain(&mut self, chain: &Expr) {
        let Expr::Dot(pair, ..) = chain else { return };
        if let (Expr::Property(name, _), Some((attribute, position))) = (&pair.lhs, first_property(&pair.rhs)) {
            // `items[0].attributes.project`: whose columns they are is not known here.
            if name.2 == "attributes" && !self.judged.contains(&key(position)) {
                self.findings.attributes.insert(attribute.to_owned());
                self.judged.insert(key(position));
            }
        }
        let Expr::Variable(variable, ..) = &pair.lhs else { return };
        let known = self.variables.iter().find(|(name, _)| *name == variable.1.as_str());
        let Some(mut kind) = known.map(|(_, kind)| *kind) else { return };
        let mut rest = &pair.rhs;
        while let Some((name, position)) = first_property(rest) {
            let Some(next) = self.member(kind, name, position) else { return };
            kind = next;
            let Expr::Dot(pair, ..) = rest else { return };
            rest = &pair.rhs;
        }
    }

    /// Checks one step and returns the kind it leads to.
    fn member(&mut self, owner: Kind, name: &str, position: Position) -> Option<Kind> {
        let candidates: Vec<&str> = match owner {
            Kind::InvoiceAttributes | Kind::CustomerAttributes => {
                self.findings.attributes.insert(name.to_owned());
                self.judged.insert(key(position));
                let Some(known) = self.names.attributes(owner) else { return Some(Kind::Text) };
                if known.iter().any(|own| own == name) {
                    return Some(Kind::Text);
                }
                known.iter().map(String::as_str).collect()
            }
            Kind::Invoice | Kind::Payment | Kind::Customer | Kind::Level | Kind::Date | Kind::MaybeDate => {
                if let Some(field) = find_field(owner, name) {
                    self.need(name);
                    self.judged.insert(key(position));
                    return Some(field.kind);
                }
                FIELDS.iter().filter(|field| field.owner == owner).map(|field| field.name).collect()
            }
            _ => return None,
        };
        self.judged.insert(key(position));
        let what = match owner {
            Kind::InvoiceAttributes => "The documents' files have no column",
            Kind::CustomerAttributes => "The customers' file has no column",
            Kind::Invoice => "An invoice has no",
            Kind::Payment => "A payment has no",
            Kind::Customer => "A customer has no",
            Kind::Level => "A level has no",
            _ => "A date has no",
        };
        let problem = self.locate.error(position, name.chars().count(), format!("{what} `{name}`"));
        let problem = match nearest(name, candidates.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None if candidates.is_empty() => problem,
            None => problem.hint(format!("known are: {}", candidates.join(", "))),
        };
        self.note(position, problem);
        None
    }

    /// Checks a property of a value whose kind is not known: some value must have it.
    fn property(&mut self, name: &str, position: Position) {
        self.need(name);
        let known = || FIELDS.iter().map(|field| field.name).chain(PROPERTIES);
        if self.judged.contains(&key(position)) || self.assigned.contains(name) || known().any(|own| own == name) {
            return;
        }
        let problem = self.locate.error(position, name.chars().count(), format!("Nothing here has a field `{name}`"));
        let problem = match nearest(name, known().chain(self.assigned.iter().map(String::as_str))) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint("docs/reference/script-functions.md lists all fields"),
        };
        self.note(position, problem);
    }

    fn need(&mut self, name: &str) {
        match name {
            "balance" => self.findings.needs.balance = true,
            "overdue" => (self.findings.needs.overdue, self.findings.asks_day) = (true, true),
            "days_overdue" => self.findings.asks_day = true,
            "attributes" => self.findings.needs.attributes = true,
            "payments" => (self.findings.needs.payments, self.findings.asks_day) = (true, true),
            "disputed" => self.findings.asks_disputed = true,
            _ => {}
        }
    }

    fn note(&mut self, position: Position, problem: Problem) {
        self.problems.entry(key(position)).or_insert(problem);
    }
}

fn key(position: Position) -> (usize, usize) {
    (position.line().unwrap_or(0), position.position().unwrap_or(0))
}

/// Returns the variable at the start of a chain such as `customer.tags[0]`.
fn base(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Variable(variable, ..) => Some(&variable.1),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => base(&pair.lhs),
        _ => None,
    }
}

/// Returns the property a chain goes on with, if it is one.
fn first_property(rest: &Expr) -> Option<(&str, Position)> {
    match rest {
        Expr::Property(name, position) => Some((&name.2, *position)),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => match &pair.lhs {
            Expr::Property(name, position) => Some((&name.2, *position)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the names of all maps the script writes, and those it adds to them.
fn own_properties(ast: &AST) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => found.extend(map.0.iter().map(|(name, _)| name.as_str().to_owned())),
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                if let Ok(map) = value.as_map_ref() {
                    found.extend(map.keys().map(ToString::to_string));
                }
            }
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                let mut target = &assignment.1.lhs;
                while let Expr::Dot(pair, ..) | Expr::Index(pair, ..) = target {
                    if let Expr::Property(name, _) = &pair.rhs {
                        found.insert(name.2.to_string());
                    }
                    target = &pair.rhs;
                }
            }
            _ => {}
        }
        true
    });
    found
}

/// Returns the one expression of a condition.
pub(crate) fn expression(ast: &AST) -> Option<Expr> {
    match ast.statements() {
        [Stmt::Expr(expression)] => Some((**expression).clone()),
        // rhai keeps a lone call, operators included, as a statement of its own kind.
        [Stmt::FnCall(call, position)] => Some(Expr::FnCall(call.clone(), *position)),
        _ => None,
    }
}

/// Infers kinds bottom up and notes what cannot meet.
pub(crate) struct Kinds<'k> {
    pub(crate) variables: &'k [(&'k str, Kind)],
    pub(crate) locate: &'k Locate,
    pub(crate) problems: Vec<Problem>,
}

impl Kinds<'_> {
    /// Returns the kind of an expression.
    pub(crate) fn of(&mut self, expression: &Expr) -> Kind {
        match expression {
            Expr::BoolConstant(..) => Kind::Boolean,
            Expr::IntegerConstant(..) => Kind::Number,
            Expr::StringConstant(..) | Expr::InterpolatedString(..) => Kind::Text,
            Expr::Unit(..) => Kind::Nothing,
            Expr::Array(..) => Kind::List,
            Expr::Map(..) => Kind::Map,
            Expr::DynamicConstant(value, _) if value.is_decimal() => Kind::Number,
            Expr::DynamicConstant(value, _) if value.is_array() => Kind::List,
            Expr::Variable(variable, ..) => {
                let known = self.variables.iter().find(|(name, _)| *name == variable.1.as_str());
                known.map_or(Kind::Unknown, |(_, kind)| *kind)
            }
            Expr::Dot(pair, flags, _) if !flags.contains(ASTFlags::NEGATED) => self.chain(&pair.lhs, &pair.rhs),
            Expr::And(parts, _) => self.joined(parts, "&&"),
            Expr::Or(parts, _) => self.joined(parts, "||"),
            Expr::FnCall(call, position) => self.call(call, *position),
            _ => Kind::Unknown,
        }
    }

    fn chain(&mut self, first: &Expr, rest: &Expr) -> Kind {
        let mut kind = self.of(first);
        let mut rest = rest;
        loop {
            let (step, next) = match rest {
                Expr::Dot(pair, flags, _) if !flags.contains(ASTFlags::NEGATED) => (&pair.lhs, Some(&pair.rhs)),
                step => (step, None),
            };
            kind = match (step, kind) {
                (Expr::Property(..), Kind::InvoiceAttributes | Kind::CustomerAttributes) => Kind::Text,
                (Expr::Property(name, _), owner) => find_field(owner, &name.2).map_or(Kind::Unknown, |field| field.kind),
                (Expr::MethodCall(call, _), _) => method(&call.name),
                _ => Kind::Unknown,
            };
            match next {
                Some(next) => rest = next,
                None => return kind,
            }
        }
    }

    fn joined(&mut self, parts: &[Expr], operator: &str) -> Kind {
        for part in parts {
            let kind = self.of(part);
            self.boolean(part, kind, &format!("`{operator}` joins conditions"));
        }
        Kind::Boolean
    }

    /// Notes a part that ought to be true or false and is not.
    pub(crate) fn boolean(&mut self, part: &Expr, kind: Kind, why: &str) {
        if !matches!(kind, Kind::Boolean | Kind::Unknown) {
            let problem = self.locate.error(part.start_position(), 1, format!("{why}, but this is {}", kind.words()));
            self.problems.push(problem.hint("compare it with something: `invoice.open > 0`"));
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) -> Kind {
        let (Some(operator), [left, right]) = (&call.op_token, &call.args[..]) else {
            if let (Some(Token::Bang), [operand]) = (&call.op_token, &call.args[..]) {
                let kind = self.of(operand);
                self.boolean(operand, kind, "`!` turns a condition round");
                return Kind::Boolean;
            }
            let kinds: Vec<Kind> = call.args.iter().map(|argument| self.of(argument)).collect();
            return match (&call.op_token, kinds.as_slice()) {
                (Some(_), [kind]) => *kind,
                _ => method(&call.name),
            };
        };
        let (left_kind, right_kind) = (self.of(left), self.of(right));
        match operator {
            Token::EqualsTo | Token::NotEqualsTo => {
                self.comparable(call, position, left_kind, right_kind, may_equal(left_kind, right_kind));
                Kind::Boolean
            }
            Token::LessThan | Token::LessThanEqualsTo | Token::GreaterThan | Token::GreaterThanEqualsTo => {
                self.comparable(call, position, left_kind, right_kind, may_order(left_kind, right_kind));
                Kind::Boolean
            }
            Token::In | Token::NotIn => Kind::Boolean,
            Token::Plus | Token::Minus | Token::Multiply | Token::Divide | Token::Modulo => {
                self.computed(call, position, operator, left_kind, right_kind)
            }
            _ => Kind::Unknown,
        }
    }

    fn comparable(&mut self, call: &FnCallExpr, position: Position, left: Kind, right: Kind, fits: bool) {
        if fits {
            return;
        }
        let message = format!("`{}` cannot compare {} with {}", call.name, left.words(), right.words());
        let problem = self.locate.error(position, call.name.len(), message);
        self.problems.push(match (left, right) {
            (Kind::Date | Kind::MaybeDate, Kind::Text) | (Kind::Text, Kind::Date | Kind::MaybeDate) => {
                problem.hint("write a day as `date(\"2026-11-21\")`")
            }
            (Kind::Number, Kind::Text) | (Kind::Text, Kind::Number) => problem.hint("write numbers without quotes"),
            _ => problem,
        });
    }

    fn computed(&mut self, call: &FnCallExpr, position: Position, operator: &Token, left: Kind, right: Kind) -> Kind {
        let (plus, minus) = (*operator == Token::Plus, *operator == Token::Minus);
        match (left, right) {
            (Kind::Number, Kind::Number) => Kind::Number,
            (Kind::Date | Kind::MaybeDate, Kind::Number) if plus || minus => Kind::Date,
            (Kind::Date | Kind::MaybeDate, Kind::Date | Kind::MaybeDate) if minus => Kind::Number,
            (Kind::Text, _) | (_, Kind::Text) if plus => Kind::Text,
            (Kind::Unknown, _) | (_, Kind::Unknown) => Kind::Unknown,
            (Kind::List, Kind::List) | (Kind::Map, Kind::Map) if plus => left,
            _ => {
                let message = format!("`{}` has no meaning for {} and {}", call.name, left.words(), right.words());
                self.problems.push(self.locate.error(position, call.name.len(), message));
                Kind::Unknown
            }
        }
    }
}

fn may_equal(left: Kind, right: Kind) -> bool {
    let dated = |kind| matches!(kind, Kind::Date | Kind::MaybeDate);
    left == right
        || left == Kind::Unknown
        || right == Kind::Unknown
        || dated(left) && dated(right)
        || matches!((left, right), (Kind::MaybeDate, Kind::Nothing) | (Kind::Nothing, Kind::MaybeDate))
}

fn may_order(left: Kind, right: Kind) -> bool {
    let dated = |kind| matches!(kind, Kind::Date | Kind::MaybeDate);
    left == Kind::Unknown
        || right == Kind::Unknown
        || dated(left) && dated(right)
        || left == right && matches!(left, Kind::Number | Kind::Text)
}

/// Returns the kind of a function's result where it is always the same.
fn method(name: &str) -> Kind {
    match name {
        "contains" | "starts_with" | "ends_with" | "is_empty" | "some" | "all" | "has_contact" | "is_business_day" => {
            Kind::Boolean
        }
        "len" | "days_between" | "business_days_between" | "round_half_up" | "abs" | "floor" | "ceiling" | "parse_decimal" => {
            Kind::Number
        }
        "date" | "add_days" | "add_business_days" | "month_end" => Kind::Date,
        "to_upper" | "to_lower" | "sub_string" | "to_string" => Kind::Text,
        _ => Kind::Unknown,
    }
}
