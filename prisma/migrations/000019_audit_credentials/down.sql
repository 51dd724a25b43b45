DROP INDEX audit_log_refused_idx;
DROP INDEX audit_log_ip_address_created_at_idx;
DROP INDEX audit_log_username_created_at_idx;
DROP INDEX audit_log_action_created_at_idx;
DROP INDEX audit_log_request_id_idx;
ALTER TABLE audit_log DROP COLUMN credential_id, DROP COLUMN credential_kind, DROP COLUMN actor_id;
DROP TYPE audit_credential_kind;
