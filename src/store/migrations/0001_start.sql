-- Times are Unix milliseconds (`_ms`), days are ISO dates, amounts are exact decimals as text.

create table instance (
    only integer primary key check (only = 1),
    id text not null,
    created_at_ms integer not null
) strict;

-- One run: the rules it ran, decided for one day, in one transaction.
create table run (
    id integer primary key,
    as_of text not null,
    rule_id text,                       -- null: all rules
    mode text not null check (mode in ('live', 'redirect', 'dry')),
    generation text not null,           -- hash of config, rules, scripts and templates it ran with
    started_at_ms integer not null,
    finished_at_ms integer              -- null: its queue had not drained when it was last seen
) strict;

-- The day each rule first ran: what `start:` counts from.
create table rule_start (
    mode text not null,
    rule_id text not null,
    started_on text not null,
    primary key (mode, rule_id)
) strict, without rowid;

create table message (
    id integer primary key,
    message_key text not null unique,
    run_id integer not null references run (id),
    mode text not null,
    rule_id text not null,
    rule_revision text not null,
    customer_id text not null,
    customer_name text not null,
    currency text not null,
    total text not null,
    level_id text not null,
    level_repeat integer not null,
    as_of text not null,
    state text not null check (state in ('blocked', 'waiting', 'queued', 'sending', 'accepted', 'refused', 'exhausted',
                                         'unknown', 'withdrawn', 'cancelled')),
    reason text,                        -- why it is blocked or withdrawn
    detail text,                        -- the fault's own words
    sender_id text not null,
    envelope_from text,
    subject text,
    queued_at_ms integer,
    next_attempt_at_ms integer,
    attempt_count integer not null default 0,
    state_at_ms integer not null
) strict;

create index message_by_run on message (run_id, state);
create index message_by_customer on message (customer_id);
create index message_queue on message (mode, sender_id, next_attempt_at_ms, id) where state = 'queued';
create index message_sending on message (id) where state = 'sending';

create table message_body (
    message_id integer primary key references message (id),
    bytes blob not null
) strict;

create table message_recipient (
    message_id integer not null references message (id),
    position integer not null,
    role text not null check (role in ('to', 'cc', 'bcc')),
    address text not null,
    primary key (message_id, position)
) strict, without rowid;

create table message_item (
    message_id integer not null references message (id),
    document text not null,
    mode text not null,
    rule_id text not null,
    level_id text not null,
    level_repeat integer not null,
    open text not null,                 -- what was open of it when the mail was composed
    claimed integer not null check (claimed in (0, 1)),
    primary key (message_id, document)
) strict, without rowid;

-- An item is never reminded twice at one step of one rule, whatever the messages' keys say.
create unique index step_once on message_item (mode, rule_id, document, level_id, level_repeat) where claimed = 1;

-- One decision for every rule and subject of a run, due and declined alike.
create table decision (
    run_id integer not null references run (id),
    rule_id text not null,
    customer_id text not null,
    currency text not null,             -- '' where the customer has nothing open
    document text not null,             -- '' where the subject is the customer
    verdict text not null check (verdict in ('due', 'blocked', 'declined')),
    reason text not null,
    message_id integer references message (id),
    primary key (run_id, rule_id, customer_id, currency, document)
) strict, without rowid;

create table attempt (
    id integer primary key,
    message_id integer not null references message (id),
    server_id text not null,
    started_at_ms integer not null,
    duration_ms integer not null,
    stage text not null,
    outcome text not null,
    reply_code integer,
    reply_enhanced text,
    reply_text text,
    fault text,
    recipients_refused text             -- JSON: [{address, code, text}], null where none
) strict;

create index attempt_by_message on attempt (message_id);
create index attempt_by_server on attempt (server_id, started_at_ms);
