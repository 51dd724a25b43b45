DROP TABLE enrolments, enrolment_tokens;
DROP INDEX api_tokens_name_id_idx, api_tokens_created_at_id_idx;
-- Without its projects and permissions a token of a script would be one for everything.
UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE user_id IS NOT NULL;
ALTER TABLE api_tokens DROP CONSTRAINT api_tokens_node_scope_check, DROP COLUMN project_ids, DROP COLUMN prefix;
