-- The record as it can be shown to others: what a run was made with and from, and a chain of hashes over it.

-- The texts of a generation, each kept once however many generations have it.
create table text (
    hash text primary key,              -- SHA-256, in hex
    bytes blob not null
) strict;

create table generation (
    id text primary key,                -- as `run.generation` has it
    digest blob not null                -- over its texts' paths and hashes
) strict, without rowid;

create table generation_text (
    generation text not null references generation (id),
    path text not null,
    hash text not null,
    is_kept integer not null check (is_kept in (0, 1)), -- 0: only its hash is, since it may hold secrets or is a program
    primary key (generation, path)
) strict, without rowid;

-- The rows of the ledger that a mail was made from, as JSON; null in mails of earlier releases.
alter table message_body add column input text;

-- Digests over what nothing changes any more of a row. Null in rows of earlier releases.
alter table message add column digest blob;
alter table message add column text_digest blob;    -- of text and input, once they are in the archive
alter table attempt add column digest blob;
alter table act add column digest blob;
alter table decision add column digest blob;        -- the first half of one: there are many

-- What was here of a message that a later run composed anew in its place.
create table message_replaced (
    run_id integer not null,
    message_id integer not null,
    digest blob not null,
    primary key (run_id, message_id)
) strict, without rowid;

-- One link for each run, and for each end of sending; the first one says where the chain begins. A digest is null where there
-- was nothing.
create table link (
    id integer primary key,
    run_id integer,                     -- null: no run, but what has happened since the link before
    at_ms integer not null,
    run_digest blob,
    decision_count integer not null,
    decision_digest blob,
    message_count integer not null,
    message_digest blob,
    last_message integer not null,      -- the highest ids there were
    last_attempt integer not null,
    last_act integer not null,
    copy_digest blob,                   -- what has come since the link before: copies of mails, attempts, acts
    attempt_digest blob,
    act_digest blob,
    hash blob not null                  -- over all of this and the hash of the link before
) strict;
