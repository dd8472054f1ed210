-- Where the database belongs, so that a copy and an old state of it are noticed, and how far it has come.
create table home (
    only integer primary key check (only = 1),
    database_id text not null,          -- drawn once; the seal beside the database carries the same
    host text not null,
    path text not null,                 -- without links
    inode integer,                      -- of the file; null where the system tells none
    born_ms integer,                    -- when the file was made; null where the file system does not keep it
    epoch integer not null,             -- moves on with what is written; the seal follows, and is never ahead of its own database
    backup_at_ms integer,               -- this file is a backup of that time, not the database itself
    doubt_until text                    -- what came due up to this day may have gone before the database was restored
) strict;
