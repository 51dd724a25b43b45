-- Whose term it is: a transaction of a leader first proves here that no other leader came after it.

CREATE TABLE leadership (
  name    varchar(63)    NOT NULL,
  cluster varchar(255)   NOT NULL,
  token   bigint         NOT NULL,
  holder  varchar(255)   NOT NULL,
  since   timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT leadership_pkey PRIMARY KEY (name),
  CONSTRAINT leadership_token_check CHECK (token > 0),
  CONSTRAINT leadership_name_check CHECK (name <> '' AND cluster <> '')
);
