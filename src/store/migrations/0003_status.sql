-- How the outbox stands, at the price of what is open in it: what was sent and settled over the years is not walked.
create index message_open on message (mode, state, state_at_ms, queued_at_ms)
    where state in ('blocked', 'waiting', 'queued', 'sending', 'refused', 'exhausted', 'unknown');
create index run_by_mode on run (mode, id);
