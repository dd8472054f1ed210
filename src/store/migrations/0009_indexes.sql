-- Fewer trees to change for each step that a mail takes: what an index was for, another one tells too.

-- What stands in the queue is in `message_queue`, since when included; what is on the wire is in `message_open`.
drop index message_sending;
drop index message_open;
create index message_open on message (mode, state, state_at_ms)
    where state in ('blocked', 'waiting', 'sending', 'refused', 'exhausted', 'unknown');
drop index message_queue;
create index message_queue on message (mode, sender_id, next_attempt_at_ms, id, queued_at_ms) where state = 'queued';

-- The document before the rule, so that the mails about a document are found by it too.
drop index item_by_document;
drop index step_once;
create unique index step_once on message_item (mode, document, rule_id, level_id, level_repeat) where claimed = 1;
