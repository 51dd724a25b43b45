-- The audit log becomes the change feed: ordered by the writing transaction and a sequence within it, and append-only.
-- A reader stays below the oldest transaction still running, so that no row ever appears behind it.

ALTER TABLE audit_log
  ADD COLUMN project_id uuid,
  ADD COLUMN request_id varchar(63) NOT NULL DEFAULT '',
  ADD COLUMN tx_id      bigint      NOT NULL DEFAULT ((pg_current_xact_id())::text)::bigint,
  ADD COLUMN seq        bigint;

-- Rows from before all get this transaction's id, and the order in which they were written.
CREATE SEQUENCE audit_log_seq_seq AS bigint OWNED BY audit_log.seq;
UPDATE audit_log SET seq = earlier.position
FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS position FROM audit_log) AS earlier
WHERE earlier.id = audit_log.id;
SELECT setval('audit_log_seq_seq', (SELECT count(*) + 1 FROM audit_log), false);
ALTER TABLE audit_log
  ALTER COLUMN seq SET DEFAULT nextval('audit_log_seq_seq'),
  ALTER COLUMN seq SET NOT NULL;

CREATE INDEX audit_log_tx_id_seq_idx ON audit_log (tx_id, seq);
CREATE INDEX audit_log_project_id_created_at_idx ON audit_log (project_id, created_at);

-- One change is let through: the foreign key forgetting a deleted user. The user is already gone when it happens,
-- so an UPDATE by hand, whose user still exists, is refused even when it looks the same.
CREATE FUNCTION audit_log_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE'
     AND OLD.user_id IS NOT NULL AND NEW.user_id IS NULL
     AND to_jsonb(NEW) - 'user_id' = to_jsonb(OLD) - 'user_id'
     AND NOT EXISTS (SELECT FROM public.users WHERE id = OLD.user_id)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit_log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION audit_log_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION audit_log_append_only();
