-- What persons said that bank lines pay, before the books show it.

create table bank_match (
    id integer primary key,
    line text not null,                 -- the bank line's id, the same in every file
    booked_on text not null,            -- not after the day on which it was applied
    amount text not null,
    currency text not null,
    payer text not null,
    account text not null,
    reference text not null,
    customer_id text not null,
    class text not null check (class in ('certain', 'doubtful')), -- what it had been proposed as
    known text not null,                -- JSON: marks of the customer's payments that the books had then
    expected_by_ms integer not null,    -- when the books should show it
    person text not null,
    applied_at_ms integer not null,
    outcome text check (outcome in ('booked', 'undone')), -- null: it stands
    ended_at_ms integer,
    ended_by text                       -- null: the books showed it
) strict;

-- A line is applied once.
create unique index bank_match_line on bank_match (line) where outcome is null or outcome = 'booked';
create index bank_match_standing on bank_match (customer_id) where outcome is null;
create index bank_match_customer on bank_match (customer_id, ended_at_ms) where outcome = 'booked';

create table bank_match_part (
    match_id integer not null references bank_match (id),
    place integer not null,             -- the order in which the money goes to them
    invoice text not null,
    amount text not null,
    settled_before text,                -- what the books had as settled; null where they do not say what is open
    primary key (match_id, place)
) strict, without rowid;
