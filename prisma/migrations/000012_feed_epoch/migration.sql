-- Readers of the change feed: who saw an object before a change and who sees it after, where the feed begins, and of which cluster it is.

-- Ids of projects and users; the nil UUID is everybody, the greatest one administrators. Empty: the object was not there, or is not any more.
-- Entries from before have neither, and are in no feed: no cursor was ever given for them.
ALTER TABLE audit_log
  ADD COLUMN seen_before uuid[] NOT NULL DEFAULT '{}',
  ADD COLUMN seen_after  uuid[] NOT NULL DEFAULT '{}';

-- Pages are read in this order.
CREATE UNIQUE INDEX audit_log_seq_key ON audit_log (seq);

-- Which life of which cluster this is. A restored dump, a recovery to an earlier time and a standby that took over all change it,
-- and in each of them transaction ids mean something else from then on.
CREATE FUNCTION change_feed_cluster() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid)
  FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_database d
  WHERE d.datname = pg_catalog.current_database()
$$;

CREATE TABLE change_feed (
  id         int            NOT NULL DEFAULT 1 CONSTRAINT change_feed_id_check CHECK (id = 1),
  epoch      int            NOT NULL DEFAULT 1,
  cluster    text           NOT NULL,
  begun_at   timestamptz(3) NOT NULL DEFAULT now(),
  begun_seq  bigint         NOT NULL DEFAULT 0,
  pruned_seq bigint         NOT NULL DEFAULT 0,
  CONSTRAINT change_feed_pkey PRIMARY KEY (id)
);
INSERT INTO change_feed (cluster, begun_seq)
  SELECT change_feed_cluster(), coalesce(max(seq), 0) FROM audit_log;
