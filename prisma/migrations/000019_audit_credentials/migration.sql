-- What an entry says of its actor for ever, and how entries are looked for.

CREATE TYPE audit_credential_kind AS ENUM ('SESSION', 'API_TOKEN', 'AGENT_TOKEN');

-- `user_id` is a link, which goes with the user; `actor_id` says who it was, and stays.
ALTER TABLE audit_log
  ADD COLUMN actor_id        uuid,
  ADD COLUMN credential_kind audit_credential_kind,
  ADD COLUMN credential_id   varchar(63);

ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only;
UPDATE audit_log SET actor_id = user_id WHERE user_id IS NOT NULL;
ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only;

CREATE INDEX audit_log_request_id_idx ON audit_log (request_id);
CREATE INDEX audit_log_action_created_at_idx ON audit_log (action, created_at);
CREATE INDEX audit_log_username_created_at_idx ON audit_log (username, created_at);
CREATE INDEX audit_log_ip_address_created_at_idx ON audit_log (ip_address, created_at);
-- few among many, and the first that are asked for
CREATE INDEX audit_log_refused_idx ON audit_log (created_at, id) WHERE status <> 'SUCCEEDED';
