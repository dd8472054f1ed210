-- Rules weighed against each other, holds and suppressions.

-- The rule that a declined subject stands back for.
alter table decision add column yields_to text;

-- Whom people leave alone, up to and including a day, and what became of it.
create table hold (
    id integer primary key,
    kind text not null check (kind in ('dispute', 'promise', 'pause')),
    customer_id text,                   -- the customer, or
    document text,                      -- the invoice
    until text not null,
    reason text not null,
    person text not null,
    created_at_ms integer not null,
    ended_at_ms integer,                -- a person ended it, or a run found its day passed
    ended_by text,                      -- who ended it; null: it ended by itself
    outcome text check (outcome in ('kept', 'broken')), -- of a promise whose day has passed
    settled_by text,                    -- who has taken note of a broken promise
    check ((customer_id is null) <> (document is null))
) strict;

create index hold_standing on hold (until) where ended_at_ms is null;
create index hold_broken on hold (id) where outcome = 'broken' and settled_by is null;

-- Where nothing is sent to.
create table suppression (
    address text primary key,           -- in small letters
    reason text not null,
    person text not null,
    created_at_ms integer not null
) strict, without rowid;
