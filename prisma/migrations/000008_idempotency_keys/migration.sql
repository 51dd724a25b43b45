-- What a keyed mutation answered, so that a repeat answers the same. Written in the mutation's own transaction.

CREATE TABLE idempotency_keys (
  principal    varchar(63)    NOT NULL,
  key          varchar(128)   NOT NULL,
  command      varchar(63)    NOT NULL,
  request_hash varchar(64)    NOT NULL,
  result       jsonb          NOT NULL DEFAULT '{}',
  created_at   timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  expires_at   timestamptz(3) NOT NULL,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal, key),
  CONSTRAINT idempotency_keys_key_check CHECK (principal <> '' AND key <> ''),
  CONSTRAINT idempotency_keys_result_check CHECK (jsonb_typeof(result) = 'object')
);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);
