-- Which mails a reminder goes on from: what its References name.

-- The Message-ID in the header, without brackets, since the sender's domain may be another by the next reminder. Null in
-- mails of earlier releases: there it is the key at the domain of envelope_from.
alter table message add column header_id text;

create index item_by_document on message_item (mode, document) where claimed = 1;
