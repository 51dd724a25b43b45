-- Instances that are without Redis, and so tell nobody at once what they write. As long as one is here and its beat rises, no instance uses what it keeps.
CREATE TABLE unheard_instances (
  -- of the outage, not of the instance: each has its own row
  id      uuid         NOT NULL,
  address varchar(255) NOT NULL,
  beat    bigint       NOT NULL DEFAULT 1,
  CONSTRAINT unheard_instances_pkey PRIMARY KEY (id)
);
