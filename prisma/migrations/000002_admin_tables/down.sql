ALTER TABLE audit_log DROP COLUMN status;
DROP TABLE api_tokens, project_members;
DROP TYPE audit_status, project_role;
