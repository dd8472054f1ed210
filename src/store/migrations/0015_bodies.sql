-- The bytes of a mail stand last in their row: a large mail is written where it lies, which SQLite can only do there.

create table message_body_new (
    message_id integer primary key references message (id),
    input text,                         -- the rows of the ledger that it was made from, as JSON; null in mails of early releases
    bytes blob not null
) strict;

insert into message_body_new (message_id, input, bytes) select message_id, input, bytes from message_body order by message_id;
drop table message_body;
alter table message_body_new rename to message_body;
