-- What a decision's "no" rested on, item by item, for whoever asks later.

-- A text is kept once a month, however many decisions of that month rest on it. By month, so that it can go with the decisions: when
-- no run of its month has decisions here any more, none rests on it.
create table trace (
    id integer primary key,
    month integer not null,             -- of the run's start: twelve times the year, and the month from 0
    hash blob not null,                 -- the first 16 bytes of the text's SHA-256
    text text not null,                 -- a line an item: number, open, due date, reason, what was false
    unique (month, hash)
) strict;

-- No foreign key: SQLite would search all decisions for each trace that goes.
alter table decision add column trace_id integer;
