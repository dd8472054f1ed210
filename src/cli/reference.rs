//! The reference page of the command line, made from the same definitions that `--help` prints.
//!
//! What clap cannot know (what `--json` prints, what the states and reasons mean) is written here, from the tables of
//! the modules that own it.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::cli::outbox::REASONS;
use crate::outbox::state::State;
use crate::plan::reason::{BlockReason, DeclineReason};

/// Returns docs/reference/commands.md.
pub fn commands_page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = String::from(INTRODUCTION);
    line(&mut page, "\n## With every command\n");
    arguments(&mut page, command.get_arguments().filter(|argument| argument.is_global_set()));
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        describe(&mut page, verb, verb.get_name());
        for inner in verb.get_subcommands().filter(|inner| inner.get_name() != "help") {
            describe(&mut page, inner, &format!("{} {}", verb.get_name(), inner.get_name()));
        }
    }
    page.push_str(JSON);
    line(&mut page, "\n## States of a message\n\n| state | meaning |\n| --- | --- |");
    for state in State::ALL {
        line(&mut page, &format!("| `{}` | {} |", state.as_str(), state_words(state)));
    }
    line(&mut page, "\n## Reasons\n\nWhy a mail is `blocked`:\n\n| reason | meaning |\n| --- | --- |");
    for reason in BlockReason::ALL {
        line(&mut page, &format!("| `{}` | {} |", reason.as_str(), reason.sentence()));
    }
    line(&mut page, "\nWhy a mail stands in another state:\n\n| reason | meaning |\n| --- | --- |");
    for (reason, sentence) in REASONS {
        line(&mut page, &format!("| `{reason}` | {sentence} |"));
    }
    line(
        &mut page,
        "\nWhy an item, or a customer with all items, gets no mail. The table goes from the farthest from a mail to the\n\
         nearest; where a customer's items differ, the nearest stands for the customer.\n\n| reason | meaning |\n| --- | --- |",
    );
    for reason in DeclineReason::ALL {
        line(&mut page, &format!("| `{}` | {} |", reason.as_str(), reason.sentence()));
    }
    page
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a string cannot fail");
}

fn describe(page: &mut String, command: &Command, name: &str) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    line(page, &format!("\n## dunlin {name}\n\n{about}.\n"));
    let usage = command.clone().render_usage().to_string();
    let usage: Vec<&str> = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect();
    line(page, &format!("```text\n{}\n```\n", usage.join("\n")));
    arguments(page, command.get_arguments().filter(|argument| !argument.is_global_set()));
    if let Some(more) = command.get_after_help() {
        line(page, &format!("\n{more}"));
    }
}

fn arguments<'a>(page: &mut String, all: impl Iterator<Item = &'a Arg>) {
    let mut rows: Vec<String> =
        all.filter(|argument| argument.get_id() != "help" && argument.get_id() != "version").map(row).collect();
    if rows.is_empty() {
        return;
    }
    rows.insert(0, "| argument | meaning | without it |\n| --- | --- | --- |".to_owned());
    line(page, &rows.join("\n"));
}

fn row(argument: &Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default().join(" ");
    let takes_value = argument.get_action().takes_values();
    let mut names: Vec<String> = argument.get_short().map(|short| format!("-{short}")).into_iter().collect();
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let mut spelling = if names.is_empty() { format!("<{}>", value.replace('|', " or ")) } else { names.join(", ") };
    if takes_value && !names.is_empty() {
        write!(spelling, " <{value}>").expect("writing to a string cannot fail");
    }
    let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let words = argument.get_possible_values();
    if takes_value && !words.is_empty() {
        let words: Vec<String> = words
            .iter()
            .map(|word| match word.get_help() {
                Some(help) => format!("`{}` ({})", word.get_name(), lower_first(&help.to_string())),
                None => format!("`{}`", word.get_name()),
            })
            .collect();
        write!(meaning, ": {}", words.join(", ")).expect("writing to a string cannot fail");
    }
    let defaults: Vec<String> = argument.get_default_values().iter().map(|value| format!("`{}`", value.display())).collect();
    let default = if takes_value { defaults.join(" ") } else { String::new() };
    format!("| `{spelling}` | {meaning} | {default} |")
}

fn lower_first(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_lowercase().chain(rest).collect())
}

/// Returns what a state means, with what follows from it.
fn state_words(state: State) -> &'static str {
    match state {
        State::Blocked => "due, but it could not be composed; its reason says why. The next run tries again.",
        State::Waiting => {
            "composed, but its run waits for a person (`approve: true`, `run_guard`), or `mode: dry` only composes."
        }
        State::Queued => "to be sent, now or at its next attempt.",
        State::Sending => "on disk as about to leave, before its final dot may; after a crash it becomes `unknown`.",
        State::Accepted => "the server answered 2yz to the final dot. Only now does its level count as reached.",
        State::Refused => {
            "the server refused it for good (5yz). Its items get nothing more from the rule until a person acts: mend the \
             address, then `outbox renew`; or `outbox cancel`."
        }
        State::Exhausted => "attempts or time ran out, and it never left. The next run composes it anew.",
        State::Unknown => {
            "the connection broke after the final dot; nobody can know. It is never sent again without a person: ask, then \
             `outbox accept` if it arrived, `outbox renew` if it did not."
        }
        State::Withdrawn => {
            "found paid, changed or held before it was sent, or renewed by a person. What is still due is planned anew by the next run."
        }
        State::Cancelled => "closed by a person (`outbox cancel`). Its items go on to their next level when its day comes.",
    }
}

const INTRODUCTION: &str = "# Commands

*Made from the program's own definitions; `cargo test` fails while it is out of date.*

Results go to standard output; progress, problems of the run and advice go to standard error.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed, or ended before the queue had drained |
| 2 | wrong use of the command line |
| 3 | problems in rules, config or ledger; with `run` and `plan` the rules without problems were run all the same |
| 4 | of `diff`: done, and something changes |

The environment variable `DUNLIN_LOG` sets what is logged, `dunlin=debug` for example, and wins over `-v`.
`DUNLIN_LOG_FORMAT` is as good as `--log`.
";

const JSON: &str = "
## What `--json` prints

Amounts are texts with exact digits, never numbers; days are `YYYY-MM-DD`; times are UTC (`2027-03-15T09:00:00Z`). New keys
may be added, so a reader must pass over those it does not know.

**init**: two objects, one a line: `folder`, `files` (those written) and `notes`; then what `check` prints.

**check**: one object: `errors`, `warnings` (counts) and `problems`, each with its `severity`, `message`, `place`
(`file`, `line`, `column`, `width` and the line's `text`) and `hint`.

**plan**: one object:

| key | what it holds |
| --- | --- |
| `as_of` | the day |
| `messages` | what is due: `rule`, `customer`, `customer_name`, `kind` (`reminder`, `statement`, `notice`), `level` (null but for reminders), `occasion` (the period of a statement, `2026-10-01/2026-10-31`, or the event of a notice, `invoice:R-1`; null for reminders), `repeat` (0 for the first mail at the level), `items` (invoice numbers), `item_levels` (`item`, `level`), `currency`, `total`, `to`, `copies`, `state` (`due` or `blocked`), `reason` (`level_due`, `period_due`, `event_new`, or why it is blocked), and `detail` where a fault has words of its own |
| `declined` | everything else: `rule`, `customer`, `customer_name`, `currency` (null where nothing is open), `items`, `reason`, `yields_to` (the rule whose mail is in its way, where one is), `item_reasons` (`item`, `reason`) |

**explain**: one object: `customer`, `customer_name`, `invoice` (null: a customer was asked about), `as_of`, `answers`, `stored` (null: nothing is told from what is
stored), `holds` (as **hold list**) and `left_out` (rules with errors).

| key | what it holds |
| --- | --- |
| `answers` | what each rule says of each subject by the present ledger and rules: `rule`, `kind`, `currency`, `subject` (a document or event; empty: the account), `verdict` (`due`, `blocked`, `declined`), `reason`, `sentence`, `yields_to`, `mail` (`level`, `repeat`, `occasion`, `items`, `total`, `currency`), `condition` (of a statement or notice), `items`, `checks` (sentences about the mail as a whole), `change` (what would change it), `next` (the next mail: `on`, `level`, `repeat`, `occasion`, `blocked`) |
| `items` of an answer | `document`, `open`, `currency`, `due_on`, `days_overdue`, `level` (in the mail) or `reason` and `sentence`, `condition`, `holds` (`kind`, `by_books`, `until`), `approved`, `ladder` (`level`, `on`, `standing`, `last_on`, `repeats`, `repeats_at_most`), `next_step` (`level`, `repeat`, `on`, by the ladder alone) |
| `condition` | a part of `where`: `text`, `shown` (with the values it saw), `outcome` (`true`, `false`, or what went wrong), `is_asked` (whether the condition came to it), `decides` (whether it made the whole what it is), `joint` (`test`, `all`, `any`, `not`), and its `parts` |
| `stored` | what runs decided: `run`, `as_of`, `rule`, `currency`, `document`, `verdict`, `reason`, `sentence`, `yields_to`, `message`, `mail` (`id`, `run`, `state`, `about`, `items`, `total`, `currency`), `items` without a mail (`document`, `count` where they are only counted, `open`, `due_on`, `reason`, `was_false`), `otherwise` (what today's ledger and rules would have decided; null: the same) |

**preview**: one object: `rule`, `customer`, `level`, `language`, `from`, `to`, `cc` and `bcc` (addresses),
`recipients` (the same with `address` and `role`), `subject`, `text`, `html` (or null), `eml`.

With `--levels` a list of these, one for each rule and level; of one without a mail `rule`, `level` and `fault`.

**forecast**, **backtest**: one object: `from`, `to`, `mails_count`, `items_count`, `blocked_count`, `notes` (sentences), and

| key | what it holds |
| --- | --- |
| `days` | every day: `day`, `mails`, `blocked` (told on the first day of each), `levels` (`rule`, `level`, `mails`) |
| `totals` | by rule, level and currency: `rule`, `level` (`statement` or `notice` of other rules), `currency`, `mails` (led by the level), `items` (that reach it), `amount` |
| `mails` | `day`, `rule`, `customer`, `customer_name`, `kind`, `level`, `repeat`, `occasion`, `items` (`item`, `level`), `currency`, `total`, and `blocked` where it would be |

**diff**: one object: `from`, `to`, `today` and `all` (each before and after: `mails`, `blocked`), `gaining` and `losing` (customers), `files` (those that differ),
`common_count` (mails that both sides make) and `compared_count` (of these, those that were compared word for word), and

| key | what it holds |
| --- | --- |
| `sums` | what changes by rule, level and currency: `rule`, `level`, `currency`, `mails` and `totals` (each before and after) |
| `changes` | the mails that change: `kind` (`added`, `removed`, `level`, `day`, `items`, `blocked`), `before` and `after` (a mail of **forecast**, or null) |
| `texts` | the texts that change, one mail for each rule, level and language: `rule`, `level`, `language`, `customer`, `mails` (how many change), `lines` (`is`: `kept`, `removed`, `added`; `line`) |

**test**: one object: `passed` and `failed` (counts), `problems` (as **check**), `cases` (`rule`, `case`, `place`, `cites`, `passed`, and
`differences`: `place`, `on`, `about`, `expected`, `got`), and `coverage` for each rule with tests: `rule`, `levels` and `functions` (`name`, `reached`),
`branches` of its `where` (`part`, `was_true`, `was_false`). With `--record` the case is printed as YAML all the same.

**next**: one object a line and firing, in order of time: `rule`, `at`, `local` (what the firing is known by), `offset`, `weekday`,
`time_zone`, `notes` (why it is not when `cron` says), `schedule` (everything that decides when it fires), `missed` and `missed_within_s`. Then one for each rule
without any, with `at`, `local`, `offset` and `weekday` null; a rule without a schedule has nulls in all.

**run**: one object, once its queue has drained or it had to end: `run` (its id), `as_of`, `end`
(`drained`, `stopped`, `servers_faulty` or `store_failed`; where a daemon sends, `with_daemon` while it does, then the run's state), `counts` (every state with the number of this run's mails in it),
`ended` (how many attempts led to each state, mails left over from earlier runs among them), `declined`, `left_over` (queued mails of earlier runs sent too), `withdrawn`, `interrupted` (mails that an earlier run left `unknown`), `ended_holds` (as **hold list**), `booked_matches` (ids of matches that it found in the books) and `server_faults`
(`server`, `fault`), `checks`: what was found before it started (`due`, `blocked`: `reason` and `customers`, each an id and a name; `not_approved`:
invoice numbers; `already_sent`, `under_way`, `undecided`: counts of invoices; `declined`: with `--only`, the rules that send nothing, each `rule`, `reason`, `sentence`, `next_on`).

**runs**: one object a line and run, the newest first: `id`, `rule` (null: all), `only` (null: everybody), `as_of`, `mode`, `generation`, `person`
(null where its schedule asked), `firing` (`local_time`, `time_zone`), `started_at`, `finished_at`, `stopped_at`, `closed_at`, `state`, `counts` (states without any left out).

**runs show**: one object: `run` (as above), `decisions` (`rule`, `verdict`, `reason`, `yields_to`, `count`) and `acts` (`at`, `person`, `act`, `detail`).

**runs start**: as **run**, without `checks`; `as_of` is null. **runs stop**, **runs close**: one object: `done`, `run`, `stopped` or `cancelled`, and `under_way`.

**runs firings**: one object a line and firing, the newest first: `rule`, `local_time`, `time_zone`, `scheduled_at`, `outcome`, `reason`, `run`, `decided_at`, `mode`.

**outbox**: one object a line and mail, the newest first: `id`, `message_key`, `run`, `rule`, `customer`, `customer_name`, `kind`, `occasion` (empty for reminders),
`level` (empty but for reminders), `repeat`, `items`, `currency`, `total`, `to`, `state`, `reason`, `detail`, `subject`, `as_of`, `mode`, `state_at`, `next_attempt_at`, `attempts`.

**outbox show**: one object: `message` (as above), `items` (`document`, `level`, `repeat`, and `open`: what was open when it was composed),
`recipients`, `attempts` (`server`, `started_at`, `duration_ms`, `stage`, `outcome`, `code` and `enhanced` of the reply, `reply`, `fault`,
`recipients_refused`, and `diagnosis`: `meaning` and `next_step`, null where the answer is not known or the mail was accepted), `acts` (as above) and `eml`.

**outbox renew**, **outbox cancel**, **outbox accept**, **outbox resend**: one object: `verb` and `ids`, the mails that were changed.

**smtp test**: one object a line and server: `server`, `endpoint`, `security`, `sender` (null without `--send`), `is_ok`, `steps`, each with `step` (`dns`,
`connect`, `greeting`, `hello`, `certificate`, `tls`, `auth`, `mail`; of one that failed the stage, as in an attempt), `is_ok`, `took_ms`, `words`, and where there
are any `certificate` (`subject`, `issuer`, `names`, `not_before`, `not_after`, `days_left`) and `extensions`; and `diagnosis` (as above).

**doctor**: one object a line and finding: `level` (`ok`, `unknown`, `note`, `fault`), `area` (`clock`, `files`, `database`, `disk`, `daemon`, `server`, `certificate`, `spf`,
`dkim`, `dmarc`), `about` (which server, domain or file), `what`, `why` and `next_step` (empty where nothing is to be done).
**hold list**: one object a line and hold: `id`, `subject` (`customer` or `invoice`, each with its id or number), `kind`, `until`, `reason`, `person`, `created_at`,
`ended_at` and `ended_by` (null: it ended by itself, or has not), `outcome` (`kept` or `broken`, of a promise whose day has passed), `settled_by` (who has seen to a broken one).
**hold add**: `done`, `hold`, `subject`, `kind`, `until`, `withdrawn` and `under_way`. **hold end**: `done`, `hold` (as above) and `settled`.

**match**: one object a line and bank line: `line` (`id`, `booked_on`, `amount`, `currency`, `payer`, `account`, `reference`), `class` (`certain`, `doubtful`,
`unmatched`; null: applied already), `match_id`, `candidates`, the likeliest first (`customer`, `name`, `invoices`: `number`, `currency`, `open` and `amount`, what
of the line goes to it; `rest`, `grounds`, `doubts`) and `more_count`. With `--apply`: `done`, `matches` (`id`, `line`, `customer`, `name`, `parts`: `invoice`, `amount`,
`settled_before`), `withdrawn` and `under_way`. **match list**: one object a line and match: `id`, `line`, `customer`, `parts`, `class`, `person`, `applied_at`,
`expected_by`, `outcome` (`booked`, `undone`; null: it counts), `ended_at`, `ended_by`. **match undo**: `done` and `undone` (as above).

**suppress list**: one object: `suppressed` (`address`, `reason`, `person`, `created_at`) and `unknown`: what a server refused for good as unknown (`address`, `refused_at`).
**suppress add**: `done`, `address`, `withdrawn`. **suppress remove**: `done`, `address`.

**plugin list**: a list: `name`, `description`, `version`, `usable`, `offers`. **plugin new**: `files`. **plugin check**: as check.
**plugin test**: one object: `passed`, `failed` (counts) and `cases`, each with `plugin`, `case`, `place`, `passed`, `expected` and `got`.

**demo**: one object: `run`, `as_of`, `counts`, `page` (the path of its index.html) and `plan` (as above).

**schema**, **completions** and **man** print the same with and without it.
";
