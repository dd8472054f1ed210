//! What would change an answer: for each reason for no the thing that would have to be otherwise, and when it will be by itself.

use rust_decimal::Decimal;

use crate::domain::date::shifted;
use crate::plan::explain::{ItemFact, Part};
use crate::plan::obstacles::{Obstacles, hold_words, money};
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::rule::RuleKind;

/// The most items that advice is given for; the nearest ones are.
const ITEMS_ADVISED_MAX: usize = 3;

/// Returns sentences without a final stop; none where a mail is due.
pub(crate) fn advice(obstacles: &Obstacles<'_, '_>, items: &[ItemFact], condition: Option<&Part>) -> Vec<String> {
    // Asked about one invoice, it is that invoice's own reason that counts.
    let own = items.first().filter(|_| obstacles.case.document.is_some()).and_then(|item| item.reason);
    let own = own.and_then(|own| DeclineReason::ALL.into_iter().find(|reason| reason.as_str() == own));
    if let (Some(blocked), None) = (obstacles.message.and_then(|message| message.blocked), own) {
        return vec![unblock(blocked)];
    }
    let Some(reason) = own.or(obstacles.reason()) else { return Vec::new() };
    let (case, currency) = (obstacles.case, obstacles.decision.currency);
    let (customer, as_of) = (&case.ledger.customer(obstacles.decision.customer).id, case.plan.as_of);
    let tomorrow = shifted(as_of, 1);
    // The items whose own reason stands for the subject.
    let nearest = || items.iter().filter(|item| item.reason == Some(reason.as_str())).take(ITEMS_ADVISED_MAX);
    let of_each = |line: &dyn Fn(&ItemFact) -> Option<String>| nearest().filter_map(line).collect::<Vec<_>>();
    let place = case.rules.rules.iter().position(|rule| rule.id == obstacles.rule.id).unwrap_or_default();
    match reason {
        DeclineReason::NothingOpen => vec!["an invoice that is open".to_owned()],
        DeclineReason::ToldToParent => vec!["`for_each: customer` in the rule makes one for each branch".to_owned()],
        DeclineReason::ConditionFalse => {
            let own = of_each(&|item| Some(format!("{}: {}", item.document, wishes(item.condition.as_ref()?).join("; "))));
            if own.is_empty() { condition.map(wishes).unwrap_or_default() } else { own }
        }
        DeclineReason::Held | DeclineReason::Promised => {
            let ends = of_each(&|item| {
                let last = item.holds.first()?;
                Some(format!("{}: {}; reminders go on from {}", item.document, hold_words(last), shifted(last.until, 1)))
            });
            if ends.is_empty() {
                vec!["the pause of the customer ends, or a person ends it: `dunlin hold`".to_owned()]
            } else {
                ends
            }
        }
        DeclineReason::NotApproved => of_each(&|item| Some(format!("the books approve {}", item.document))),
        DeclineReason::DueDateMissing => of_each(&|item| Some(format!("{} gets a due date in the books", item.document))),
        DeclineReason::LadderFinished => {
            vec!["nothing of itself: the rule has no further level; a person goes on from here".to_owned()]
        }
        DeclineReason::AlreadySent => match obstacles.rule.kind {
            RuleKind::Statement(_) => vec!["the next period".to_owned()],
            _ => vec!["nothing: an event is told of once".to_owned()],
        },
        DeclineReason::Backlog => {
            let mut ways = of_each(&step_ahead);
            ways.push(match obstacles.rule.kind {
                RuleKind::Reminder(_) => {
                    "`start: to_age` or `start: first_level` in the rule takes up what was overdue before".to_owned()
                }
                _ => "nothing: what was there before the rule first ran is not told of".to_owned(),
            });
            ways
        }
        DeclineReason::NotYetDue => of_each(&step_ahead),
        DeclineReason::Cancelled => {
            vec![format!("a person takes it back: `dunlin outbox renew --customer {customer} --state cancelled`")]
        }
        DeclineReason::Refused => vec![format!("a person acts: `dunlin outbox --customer {customer} --state refused` shows why")],
        DeclineReason::OutcomeUnknown => {
            vec![format!("a person decides whether it arrived: `dunlin outbox --customer {customer} --state unknown`")]
        }
        DeclineReason::UnderWay => vec![format!("it leaves, or is withdrawn: `dunlin outbox --customer {customer}`")],
        DeclineReason::NotSelected => vec![format!("the rule's script beside {} selects it", obstacles.rule.file)],
        DeclineReason::BelowMinimum => currency
            .and_then(|currency| {
                let minimum = obstacles.minimum(currency)?;
                let missing = minimum.amount - obstacles.sum(&obstacles.asked(place), currency).abs();
                Some(format!("{} more", money(missing.max(Decimal::ZERO), currency)))
            })
            .into_iter()
            .collect(),
        DeclineReason::CreditCovers => {
            let credit = currency.map(|currency| money(obstacles.account(currency).credit(), currency));
            vec![format!("the credit of {} is set against invoices in the books, or more falls due", credit.unwrap_or_default())]
        }
        DeclineReason::ClosedDay => vec![format!("the next business day, {}", obstacles.open_day())],
        DeclineReason::ContactGap => match obstacles.gap() {
            Some((_, until)) => vec![format!("time: not before {until}")],
            None => vec!["time: the day's other mail goes first, and the gap counts from it".to_owned()],
        },
        DeclineReason::DayTaken => vec![format!("another day: not before {tomorrow}")],
        DeclineReason::Outranked => vec!["another day, on which no higher reminder goes".to_owned()],
    }
}

fn step_ahead(item: &ItemFact) -> Option<String> {
    let step = item.next_step.as_ref()?;
    let repeat = if step.repeat > 0 { format!(" (repeat {})", step.repeat) } else { String::new() };
    Some(format!("{}: due for `{}`{repeat} on {}", item.document, step.level, step.on))
}

/// Returns what would have to come out otherwise for a condition to hold: every part that `&&` asks for, one of those that `||` offers.
fn wishes(condition: &Part) -> Vec<String> {
    vec![wish(condition, true)]
}

fn wish(part: &Part, wanted: bool) -> String {
    // What is as it should be needs no wish.
    let others: Vec<&Part> = part.parts.iter().filter(|own| own.outcome != wanted.to_string()).collect();
    let joined = |parts: &[&Part], word: &str| {
        let wishes: Vec<String> = parts.iter().map(|own| wish(own, wanted)).collect();
        let is_nested = |own: &&Part| own.joint != "test" && own.parts.len() > 1;
        let bracketed =
            |(own, text): (&&Part, String)| if parts.len() > 1 && is_nested(own) { format!("({text})") } else { text };
        parts.iter().zip(wishes).map(bracketed).collect::<Vec<_>>().join(word)
    };
    match (part.joint, wanted) {
        ("not", _) => part.parts.first().map_or_else(String::new, |own| wish(own, !wanted)),
        ("all", true) | ("any", false) => joined(&others, " and "),
        ("any", true) | ("all", false) => joined(&others, " or "),
        _ if part.outcome != "true" && part.outcome != "false" => format!("`{}` failed: {}", part.shown, part.outcome),
        _ => format!("`{}` would have to be {wanted}", part.shown),
    }
}

fn unblock(reason: BlockReason) -> String {
    match reason {
        BlockReason::RecipientMissing => "an address in the customers' file, or another recipient in the rule's `to`",
        BlockReason::Suppressed => "another address, or `dunlin suppress remove` where the reason is gone",
        BlockReason::SenderUnknown => "the sender's profile in config.yaml",
        BlockReason::DocumentMissing => "the document that the rule attaches",
        BlockReason::DocumentForeign => "the document of this customer, or `shared: true` where it is for everybody",
        BlockReason::PasswordMissing => "a password of eight characters or more in the customers' file",
        BlockReason::TemplateError => "the template, mended: `dunlin preview` shows what is wrong",
        BlockReason::ScriptError => "the rule's `where` or script, mended",
        BlockReason::Unbalanced => "figures that add up; this is a fault of the program or of the export",
    }
    .to_owned()
}
