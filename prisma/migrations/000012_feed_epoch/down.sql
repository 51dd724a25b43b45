DROP TABLE change_feed;
DROP FUNCTION change_feed_cluster();
DROP INDEX audit_log_seq_key;
ALTER TABLE audit_log DROP COLUMN seen_after, DROP COLUMN seen_before;
