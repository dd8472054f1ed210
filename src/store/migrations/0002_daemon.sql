-- The daemon: firings, statements and notices, control of runs, and what people did.

-- What a message is, and, for statements and notices, of which occasion: a period or an event.
alter table message add column kind text not null default 'reminder' check (kind in ('reminder', 'statement', 'notice'));
alter table message add column occasion text not null default '';

create index message_by_occasion on message (mode, rule_id, customer_id, currency, occasion) where occasion <> '';

-- What was there when a notice rule first ran, and so is not new.
create table notice_baseline (
    mode text not null,
    rule_id text not null,
    subject text not null,              -- the occasion of the notice that nobody gets
    primary key (mode, rule_id, subject)
) strict, without rowid;

-- What a run was asked for, and by whom; a firing's run has no person.
alter table run add column person text;
alter table run add column only_subject text;       -- JSON: {"customer": id} or {"invoice": number}; null: everybody
alter table run add column stopped_at_ms integer;   -- a person stopped it; its mails wait
alter table run add column closed_at_ms integer;    -- a person closed it; its mails were cancelled

-- A year of a rule that fires every minute is half a million runs; those with mails left are few.
create index run_unfinished on run (id) where finished_at_ms is null;

-- One scheduled time of one rule, decided once: its local time is its name, whatever the clock does.
create table firing (
    mode text not null,
    rule_id text not null,
    local_time text not null,           -- 2027-03-28T02:30, by the clock of time_zone
    time_zone text not null,
    scheduled_at_ms integer not null,
    outcome text not null check (outcome in ('ran', 'missed')),
    reason text,                        -- why it did not run
    run_id integer references run (id),
    decided_at_ms integer not null,
    primary key (mode, rule_id, local_time)
) strict, without rowid;

create index firing_by_time on firing (decided_at_ms);
create index firing_by_run on firing (run_id) where run_id is not null;

-- Up to which local time each rule's firings are decided.
create table rule_schedule (
    mode text not null,
    rule_id text not null,
    schedule text not null,             -- as the rule writes it; another one starts anew
    decided_until text not null,        -- local time
    primary key (mode, rule_id)
) strict, without rowid;

-- What people did: who, when, what with.
create table act (
    id integer primary key,
    at_ms integer not null,
    person text not null,
    act text not null,                  -- run, start, stop, close, renew, cancel, accept, reload
    run_id integer references run (id),
    message_id integer references message (id),
    detail text
) strict;

create index act_by_run on act (run_id) where run_id is not null;
create index act_by_message on act (message_id) where message_id is not null;

-- How the outbox stands, at the price of what is open in it: what was sent and settled over the years is not walked.
create index message_open on message (mode, state, state_at_ms, queued_at_ms)
    where state in ('blocked', 'waiting', 'queued', 'sending', 'refused', 'exhausted', 'unknown');
create index run_by_mode on run (mode, id);
