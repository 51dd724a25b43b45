-- triggers first, they use the function; the sequence and the indexes go with their columns
DROP TRIGGER audit_log_no_truncate ON audit_log;
DROP TRIGGER audit_log_append_only ON audit_log;
DROP FUNCTION audit_log_append_only();
ALTER TABLE audit_log DROP COLUMN seq, DROP COLUMN tx_id, DROP COLUMN request_id, DROP COLUMN project_id;
