-- Conditions that each step of a mail is held against, without a list: for one of more than two words SQLite makes a table at
-- every insert and update, which cost more than the row itself.

-- Those of the tables change nothing that is stored, so their text is put right where it stands.
-- Source: https://www.sqlite.org/lang_altertable.html#otheralter
pragma writable_schema = on;

update sqlite_schema set sql = replace(sql,
    'check (state in (''blocked'', ''waiting'', ''queued'', ''sending'', ''accepted'', ''refused'', ''exhausted'',
                                         ''unknown'', ''withdrawn'', ''cancelled''))',
    'check (state = ''queued'' or state = ''sending'' or state = ''accepted'' or state = ''blocked'' or state = ''waiting''
        or state = ''refused'' or state = ''exhausted'' or state = ''unknown'' or state = ''withdrawn'' or state = ''cancelled'')')
    where name = 'message';
update sqlite_schema set sql = replace(sql,
    'check (kind in (''reminder'', ''statement'', ''notice''))',
    'check (kind = ''reminder'' or kind = ''statement'' or kind = ''notice'')')
    where name = 'message';
update sqlite_schema set sql = replace(sql,
    'check (role in (''to'', ''cc'', ''bcc''))',
    'check (role = ''to'' or role = ''cc'' or role = ''bcc'')')
    where name = 'message_recipient';
update sqlite_schema set sql = replace(sql,
    'check (verdict in (''due'', ''blocked'', ''declined''))',
    'check (verdict = ''due'' or verdict = ''declined'' or verdict = ''blocked'')')
    where name = 'decision';

pragma writable_schema = reset;

-- The states it leaves out, since they are fewer, in the order in which a mail goes through them.
drop index message_open;
create index message_open on message (mode, state, state_at_ms)
    where state <> 'queued' and state <> 'accepted' and state <> 'withdrawn' and state <> 'cancelled';
