-- What the storage backend knows of a volume, beside what was asked for.

ALTER TABLE volumes
  ADD COLUMN labels            jsonb         NOT NULL DEFAULT '{}',
  ADD COLUMN spec              jsonb         NOT NULL DEFAULT '{}',
  ADD COLUMN error_message     varchar(1000) NOT NULL DEFAULT '',
  ADD COLUMN actual_size_bytes bigint        NOT NULL DEFAULT 0,
  ADD COLUMN backend_id        varchar(255)  NOT NULL DEFAULT '',
  ADD COLUMN device_path       varchar(1024) NOT NULL DEFAULT '',
  ADD COLUMN snapshot_count    integer       NOT NULL DEFAULT 0,
  ADD CONSTRAINT volumes_labels_check CHECK (
    jsonb_typeof(labels) = 'object'
    AND NOT jsonb_path_exists(labels, 'strict $.* ? (@.type() != "string")', '{}', true)),
  ADD CONSTRAINT volumes_spec_check CHECK (jsonb_typeof(spec) = 'object'),
  -- not bounded by size_bytes: metadata and snapshots may take more than the volume shows
  ADD CONSTRAINT volumes_actual_size_bytes_check CHECK (actual_size_bytes >= 0),
  ADD CONSTRAINT volumes_snapshot_count_check CHECK (snapshot_count >= 0);
