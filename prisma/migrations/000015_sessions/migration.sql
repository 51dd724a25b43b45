-- Who is signed in, from where: what a session is, and that it still counts, is decided here. Redis keeps when each was last seen.

CREATE TABLE sessions (
  id         uuid           NOT NULL,
  user_id    uuid           NOT NULL,
  ip_address inet,
  user_agent varchar(255)   NOT NULL DEFAULT '',
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  expires_at timestamptz(3) NOT NULL,
  CONSTRAINT sessions_pkey PRIMARY KEY (id),
  CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT sessions_expires_at_check CHECK (expires_at > created_at)
);
CREATE INDEX sessions_created_at_id_idx ON sessions (created_at, id);
CREATE INDEX sessions_user_id_created_at_id_idx ON sessions (user_id, created_at, id);
CREATE INDEX sessions_expires_at_id_idx ON sessions (expires_at, id);

-- True: the user does nothing else before the password is another one.
ALTER TABLE users
  ADD COLUMN must_change_password boolean        NOT NULL DEFAULT false,
  ADD COLUMN password_changed_at  timestamptz(3);
