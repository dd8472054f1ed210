-- Guards and alerts: what is usual for a rule, and what persons were told.

-- How many mails each rule of a run made; runs for one subject are not among them.
create table rule_run (
    mode text not null,
    rule_id text not null,
    run_id integer not null references run (id),
    message_count integer not null,     -- composed ones; blocked ones are left out
    primary key (mode, rule_id, run_id)
) strict, without rowid;

-- What is usual is asked of runs with mails alone; a rule that fires every minute has few among many.
create index rule_run_with_mails on rule_run (mode, rule_id, run_id, message_count) where message_count > 0;

insert into rule_run (mode, rule_id, run_id, message_count)
    select run.mode, decision.rule_id, run.id, count(distinct case when verdict = 'due' then message_id end)
    from decision join run on run.id = run_id where only_subject is null group by run.mode, decision.rule_id, run.id;

-- One thing that needed a person, from its beginning to its end, and when each of both was told which way.
create table alert (
    mode text not null,
    kind text not null,                 -- a reason of health
    about text not null,                -- the rule, run, server or plugin; '' where there is only one such thing
    began_at_ms integer not null,
    words text not null,                -- as it was when it began
    ended_at_ms integer,                -- null: it stands
    begin_mailed_at_ms integer,         -- null: nobody was written to, or not yet
    begin_plugged_at_ms integer,        -- the same of the plugin
    end_mailed_at_ms integer,
    end_plugged_at_ms integer,
    primary key (mode, kind, about, began_at_ms)
) strict, without rowid;

create index alert_standing on alert (mode) where ended_at_ms is null;
create index alert_ended on alert (mode, ended_at_ms) where ended_at_ms is not null;
