-- The files that mails carry: which customer's mail carried which bytes, so that no other customer's ever does.

create table message_file (
    message_id integer not null references message (id),
    position integer not null,
    name text not null,
    packed_in text,                     -- the name of the ZIP it is in; null: it is attached itself
    content_type text not null,
    byte_count integer not null,
    hash blob not null,                 -- SHA-256
    customer_id text,                   -- whose paper it is; null: made for the mail, or shared by all
    primary key (message_id, position)
) strict, without rowid;

create index message_file_by_hash on message_file (hash, customer_id) where customer_id is not null;
