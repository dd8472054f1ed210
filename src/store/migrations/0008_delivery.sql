-- How long a message may be tried, where its rule says so; null: as config.yaml says.
alter table message add column give_up_after_ms integer;
