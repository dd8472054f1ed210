//! `dunlin outbox renew`, `cancel` and `accept`: what a person decides about mails, for all that are named or for none.

use std::collections::BTreeMap;

use clap::{ArgGroup, Args};

use crate::cli::outbox::{FilterArgs, failed};
use crate::cli::print::{counted, fail, few, json, out, say};
use crate::cli::run::runtime;
use crate::cli::session::Session;
use crate::cli::{Common, Exit};
use crate::clock::SystemClock;
use crate::engine::outbox::{Chosen, Intervened, Meant, intervene as intervene_with};
use crate::outbox::intervention::Intervention;
use crate::outbox::state::State;
use crate::port::Clock;

/// Which mails: some ids, or a state with a further filter, so that nobody takes all of them by accident.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("narrow").args(["customer", "rule", "run"]).multiple(true).requires("state"),
    group = ArgGroup::new("wide").arg("state").requires("narrow"),
    after_help = "Name ids, or --state with at least one of --customer, --rule and --run. Either all of these mails are \
        changed or none is."
)]
pub(crate) struct ChosenArgs {
    /// The mails' ids, as the list shows them
    #[arg(value_name = "ID", required_unless_present = "state", conflicts_with_all = ["customer", "rule", "state", "run"])]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// How many ids a sentence names before it only counts them.
const NAMED_MOST: usize = 10;

/// Does with the chosen mails what a person decided.
pub(crate) fn intervene(common: &Common, session: &Session, intervention: Intervention, args: &ChosenArgs) -> Result<Exit, Exit> {
    let chosen = if args.ids.is_empty() { Chosen::Matching(args.filter.filter()) } else { Chosen::Ids(args.ids.clone()) };
    let done = runtime()?.block_on(intervene_with(&session.workspace, intervention, chosen, SystemClock.now()));
    match done.map_err(failed)? {
        Intervened::Done(mails) if mails.is_empty() => {
            fail("No mail matches", Some("`dunlin outbox` lists them"));
            Err(Exit::Failed)
        }
        Intervened::Done(mails) => {
            tell(common, intervention, &mails);
            Ok(Exit::Done)
        }
        Intervened::Refused(misfits) => {
            let message = format!("Nothing was changed: {}", misfit_words(&misfits));
            fail(message, Some(&way_out(intervention, &misfits)));
            Err(Exit::Failed)
        }
    }
}

fn tell(common: &Common, intervention: Intervention, mails: &[Meant]) {
    if common.json {
        let ids: Vec<i64> = mails.iter().map(|mail| mail.id).collect();
        json(&serde_json::json!({ "verb": intervention.as_str(), "ids": ids }));
        return;
    }
    let count = counted(mails.len(), "mail", "mails");
    match intervention {
        Intervention::Renew => {
            out(format!("{count} renewed; the next run decides anew, with the figures and addresses of its day"))
        }
        Intervention::Cancel => out(format!("{count} cancelled; the invoices go on to the next level when its day comes")),
        Intervention::Accept => out(format!("{count} accepted on your word; the level counts as reached")),
    }
    let unknown: Vec<i64> = mails.iter().filter(|mail| mail.state == Some(State::Unknown)).map(|mail| mail.id).collect();
    if intervention == Intervention::Renew && !unknown.is_empty() {
        let unsure = counted(unknown.len(), "mail", "mails");
        say(format!(
            "note: of {unsure} nobody knew ({}); on your word nothing arrived, and the next run may send again",
            named(&unknown)
        ));
    }
}

/// Returns why the mails do not allow it, state by state.
fn misfit_words(misfits: &[Meant]) -> String {
    let mut by_state: BTreeMap<Option<State>, Vec<i64>> = BTreeMap::new();
    for mail in misfits {
        by_state.entry(mail.state).or_default().push(mail.id);
    }
    let words = by_state.iter().map(|(state, ids)| match (state, ids.len()) {
        (None, 1) => format!("there is no mail {}", named(ids)),
        (None, _) => format!("there are no mails {}", named(ids)),
        (Some(state), 1) => format!("mail {} is `{}`", named(ids), state.as_str()),
        (Some(state), _) => format!("mails {} are `{}`", named(ids), state.as_str()),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn named(ids: &[i64]) -> String {
    few(&ids.iter().map(ToString::to_string).collect::<Vec<_>>(), NAMED_MOST)
}

fn way_out(intervention: Intervention, misfits: &[Meant]) -> String {
    let states: Vec<&str> = intervention.states().iter().map(|state| state.as_str()).collect();
    let mut words = format!("`{}` takes mails that are {}", intervention.as_str(), states.join(", "));
    let is_any = |test: fn(State) -> bool| misfits.iter().filter_map(|mail| mail.state).any(test);
    if is_any(|state| state == State::Sending) {
        words.push_str("; what a dead run left `sending` is `unknown` after the next `dunlin run`");
    }
    if intervention == Intervention::Renew && is_any(State::is_replaceable) {
        words.push_str("; the next run composes what is blocked, exhausted or withdrawn anew by itself");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_misfit_is_named_with_its_state() {
        let meant = |id, state| Meant { id, state };
        let misfits =
            [meant(1, Some(State::Accepted)), meant(2, Some(State::Sending)), meant(3, Some(State::Accepted)), meant(9, None)];
        assert_eq!(misfit_words(&misfits), "there is no mail 9; mail 2 is `sending`; mails 1, 3 are `accepted`");
        assert_eq!(
            way_out(Intervention::Accept, &misfits),
            "`accept` takes mails that are unknown; what a dead run left `sending` is `unknown` after the next `dunlin run`"
        );
        assert_eq!(
            way_out(Intervention::Renew, &[meant(1, Some(State::Exhausted))]),
            "`renew` takes mails that are waiting, queued, refused, unknown, cancelled; the next run composes what is blocked, \
             exhausted or withdrawn anew by itself"
        );
    }
}
