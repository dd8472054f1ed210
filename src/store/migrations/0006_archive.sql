-- How far what is over has been moved into the archive.
alter table run add column decisions_archived integer not null default 0 check (decisions_archived in (0, 1));
alter table run add column mails_archived integer not null default 0 check (mails_archived in (0, 1));
create index run_decisions_here on run (id) where decisions_archived = 0;
create index run_mails_here on run (id) where mails_archived = 0;
create index firing_without_run on firing (decided_at_ms) where run_id is null;

-- The archive's files as far as what they hold has left the database; what a file has beyond that is written anew.
create table archive (
    file text primary key,              -- in the archive's folder
    bytes integer not null,
    checksum text not null              -- of its last part, which the ones before it go into
) strict, without rowid;
