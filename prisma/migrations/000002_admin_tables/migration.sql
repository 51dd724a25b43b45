-- What administration adds: who works in which project, long-lived credentials, and how an audited action ended.

CREATE TYPE project_role AS ENUM ('OPERATOR', 'VIEWER');
CREATE TYPE audit_status AS ENUM ('SUCCEEDED', 'DENIED', 'FAILED');

CREATE TABLE project_members (
  project_id uuid           NOT NULL,
  user_id    uuid           NOT NULL,
  role       project_role   NOT NULL DEFAULT 'VIEWER',
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT project_members_pkey PRIMARY KEY (project_id, user_id),
  CONSTRAINT project_members_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT project_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX project_members_user_id_idx ON project_members (user_id);

CREATE TABLE api_tokens (
  id           uuid           NOT NULL,
  name         varchar(63)    NOT NULL,
  user_id      uuid,
  node_id      uuid,
  token_hash   varchar(64)    NOT NULL,
  scopes       varchar(64)[]  NOT NULL DEFAULT '{}',
  expires_at   timestamptz(3),
  last_used_at timestamptz(3),
  revoked_at   timestamptz(3),
  created_at   timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT api_tokens_pkey PRIMARY KEY (id),
  CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT api_tokens_node_id_fkey FOREIGN KEY (node_id) REFERENCES nodes (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT api_tokens_owner_check CHECK (num_nonnulls(user_id, node_id) = 1),
  CONSTRAINT api_tokens_name_check CHECK (name <> ''),
  -- 256 bits in hex or base64url: a secret stored by mistake in plain text is unlikely to look like that
  CONSTRAINT api_tokens_token_hash_check CHECK (token_hash ~ '^([0-9a-f]{64}|[A-Za-z0-9_-]{43})$')
);
CREATE UNIQUE INDEX api_tokens_token_hash_key ON api_tokens (token_hash);
CREATE INDEX api_tokens_user_id_idx ON api_tokens (user_id);
CREATE INDEX api_tokens_node_id_idx ON api_tokens (node_id);

-- only actions that succeeded were recorded before this column
ALTER TABLE audit_log ADD COLUMN status audit_status NOT NULL DEFAULT 'SUCCEEDED';
