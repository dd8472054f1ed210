-- Copies of mails that a person asked for stay copies, whatever their state's reason says.
alter table message add column is_copy integer not null default 0 check (is_copy in (0, 1));
update message set is_copy = 1 where instr(message_key, '-') > 0;     -- keys of plans are hexadecimal, those of copies end in -1, -2
