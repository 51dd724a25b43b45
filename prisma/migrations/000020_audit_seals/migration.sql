-- Seals over the audit log: each names the entries of a range of positions by their hashes, and the seal before it. docs/audit.md has the format.

CREATE TABLE audit_seals (
  number     bigint         NOT NULL,
  from_seq   bigint         NOT NULL,
  to_seq     bigint         NOT NULL,
  entries    int            NOT NULL,
  -- a line for each entry: position, id, hash; gone when the entries were removed for their age
  manifest   text,
  -- stays, so that the chain can be followed through what was removed
  manifest_hash char(64)    NOT NULL,
  sealed_at  timestamptz(3) NOT NULL,
  previous   char(64)       NOT NULL,
  hash       char(64)       NOT NULL,
  removed_at timestamptz(3),
  CONSTRAINT audit_seals_pkey PRIMARY KEY (number),
  CONSTRAINT audit_seals_range_check CHECK (from_seq <= to_seq AND entries > 0),
  CONSTRAINT audit_seals_removed_check CHECK ((manifest IS NULL) = (removed_at IS NOT NULL))
);
CREATE UNIQUE INDEX audit_seals_to_seq_key ON audit_seals (to_seq);
CREATE UNIQUE INDEX audit_seals_hash_key ON audit_seals (hash);

-- A seal continues the one before it, and is never changed but for one thing: that its entries were removed, the oldest first and when they are old.
-- Whoever owns the table can also carry over old seals, as when a backup is restored; for the others a seal is of now, so that none can be made old.
CREATE FUNCTION audit_seals_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM public.audit_seals WHERE number = NEW.number - 1 AND to_seq = NEW.from_seq - 1 AND hash = NEW.previous)
       AND NOT (NEW.number = 1 AND NEW.from_seq = 1 AND NEW.previous = repeat('0', 64)) THEN
      RAISE EXCEPTION 'the seal % does not continue the one before it', NEW.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
       AND (NEW.removed_at IS NOT NULL OR abs(extract(epoch FROM NEW.sealed_at - now())) > 3600) THEN
      RAISE EXCEPTION 'a seal is of now, not of %', NEW.sealed_at USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE'
     AND OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL
     AND to_jsonb(NEW) - 'removed_at' - 'manifest' = to_jsonb(OLD) - 'removed_at' - 'manifest'
     AND OLD.sealed_at < now() - interval '30 days'
     AND NOT EXISTS (SELECT FROM public.audit_seals WHERE number < OLD.number AND removed_at IS NULL)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit_seals is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE ON audit_seals
  FOR EACH ROW EXECUTE FUNCTION audit_seals_append_only();
CREATE TRIGGER audit_seals_no_truncate BEFORE TRUNCATE ON audit_seals
  FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_append_only();
-- After: a whole chain can be carried over by one statement.
CREATE TRIGGER audit_seals_continue AFTER INSERT ON audit_seals
  FOR EACH ROW EXECUTE FUNCTION audit_seals_append_only();

-- As before, and one more thing is let through: an entry goes whose seal says that its entries were removed.
CREATE OR REPLACE FUNCTION audit_log_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE'
     AND OLD.user_id IS NOT NULL AND NEW.user_id IS NULL
     AND to_jsonb(NEW) - 'user_id' = to_jsonb(OLD) - 'user_id'
     AND NOT EXISTS (SELECT FROM public.users WHERE id = OLD.user_id)
  THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' AND EXISTS (
    SELECT FROM public.audit_seals WHERE OLD.seq BETWEEN from_seq AND to_seq AND removed_at IS NOT NULL)
  THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'audit_log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END;
$$;

-- The one way in which entries go: a whole sealed range, the oldest there is, by whoever may work with this database. It acts as the owner,
-- and its rules are those of the triggers. The change feed is told in the same transaction: no cursor may reach behind what is gone.
CREATE FUNCTION audit_remove(seal bigint) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found public.audit_seals;
  removed int;
BEGIN
  UPDATE public.audit_seals SET removed_at = now(), manifest = NULL WHERE number = seal RETURNING * INTO found;
  IF found.number IS NULL THEN
    RAISE EXCEPTION 'there is no seal %', seal USING ERRCODE = 'no_data_found';
  END IF;
  UPDATE public.change_feed SET pruned_seq = greatest(pruned_seq, found.to_seq);
  DELETE FROM public.audit_log WHERE seq BETWEEN found.from_seq AND found.to_seq;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END;
$$;
REVOKE EXECUTE ON FUNCTION audit_remove(bigint) FROM PUBLIC;
