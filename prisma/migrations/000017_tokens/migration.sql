-- Tokens of scripts, and tokens with which new nodes enrol.

-- `prefix` is what is shown of a token for good; nobody knows it of tokens from before.
-- `project_ids` empty: all projects of the owner. A token of a node has neither these nor scopes: it is for its node.
ALTER TABLE api_tokens
  ADD COLUMN prefix      varchar(16) NOT NULL DEFAULT '',
  ADD COLUMN project_ids uuid[]      NOT NULL DEFAULT '{}',
  ADD CONSTRAINT api_tokens_node_scope_check CHECK (node_id IS NULL OR (scopes = '{}' AND project_ids = '{}'));
CREATE INDEX api_tokens_created_at_id_idx ON api_tokens (created_at, id);
CREATE INDEX api_tokens_name_id_idx ON api_tokens (name, id);

CREATE TABLE enrolment_tokens (
  id          uuid           NOT NULL,
  name        varchar(63)    NOT NULL,
  cluster_id  uuid           NOT NULL,
  token_hash  varchar(64)    NOT NULL,
  prefix      varchar(16)    NOT NULL,
  max_uses    int            NOT NULL,
  uses        int            NOT NULL DEFAULT 0,
  expires_at  timestamptz(3) NOT NULL,
  revoked_at  timestamptz(3),
  created_by  uuid,
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT enrolment_tokens_pkey PRIMARY KEY (id),
  CONSTRAINT enrolment_tokens_cluster_id_fkey FOREIGN KEY (cluster_id) REFERENCES clusters (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT enrolment_tokens_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT enrolment_tokens_name_check CHECK (name <> ''),
  CONSTRAINT enrolment_tokens_token_hash_check CHECK (token_hash ~ '^[0-9a-f]{64}$'),
  CONSTRAINT enrolment_tokens_max_uses_check CHECK (max_uses > 0),
  -- The last word on how many nodes a token lets in.
  CONSTRAINT enrolment_tokens_uses_check CHECK (uses BETWEEN 0 AND max_uses)
);
CREATE UNIQUE INDEX enrolment_tokens_token_hash_key ON enrolment_tokens (token_hash);
CREATE INDEX enrolment_tokens_cluster_id_idx ON enrolment_tokens (cluster_id);
CREATE INDEX enrolment_tokens_created_by_idx ON enrolment_tokens (created_by);
CREATE INDEX enrolment_tokens_created_at_id_idx ON enrolment_tokens (created_at, id);
CREATE INDEX enrolment_tokens_name_id_idx ON enrolment_tokens (name, id);

-- Which agent became which node: one that asks again, because the answer was lost, is known by its key.
CREATE TABLE enrolments (
  token_id   uuid           NOT NULL,
  key_hash   varchar(64)    NOT NULL,
  node_id    uuid           NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT enrolments_pkey PRIMARY KEY (token_id, key_hash),
  CONSTRAINT enrolments_token_id_fkey FOREIGN KEY (token_id) REFERENCES enrolment_tokens (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT enrolments_node_id_fkey FOREIGN KEY (node_id) REFERENCES nodes (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT enrolments_key_hash_check CHECK (key_hash ~ '^[0-9a-f]{64}$')
);
CREATE INDEX enrolments_node_id_idx ON enrolments (node_id);
