-- Network interfaces and the addresses that they hold. A machine's spec says what was asked for, these rows what was assigned.

CREATE TABLE network_interfaces (
  id          uuid           NOT NULL,
  vm_id       uuid           NOT NULL,
  name        varchar(32)    NOT NULL,
  network_id  uuid           NOT NULL,
  mac_address varchar(17)    NOT NULL,
  position    integer        NOT NULL DEFAULT 0,
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT network_interfaces_pkey PRIMARY KEY (id),
  CONSTRAINT network_interfaces_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES virtual_machines (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT network_interfaces_network_id_fkey FOREIGN KEY (network_id) REFERENCES virtual_networks (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT network_interfaces_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
  -- lower case and unicast, so that no two ways to write an address are two addresses
  CONSTRAINT network_interfaces_mac_address_check CHECK (mac_address ~ '^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$'),
  CONSTRAINT network_interfaces_position_check CHECK (position >= 0)
);
CREATE UNIQUE INDEX network_interfaces_mac_address_key ON network_interfaces (mac_address);
CREATE UNIQUE INDEX network_interfaces_vm_id_name_key ON network_interfaces (vm_id, name);
CREATE INDEX network_interfaces_network_id_created_at_id_idx ON network_interfaces (network_id, created_at, id);

-- The primary key is the judge of who holds an address, and the index that the lowest free one is found by.
CREATE TABLE ip_addresses (
  network_id   uuid           NOT NULL,
  address      inet           NOT NULL,
  interface_id uuid           NOT NULL,
  requested    boolean        NOT NULL DEFAULT false,
  created_at   timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT ip_addresses_pkey PRIMARY KEY (network_id, address),
  CONSTRAINT ip_addresses_network_id_fkey FOREIGN KEY (network_id) REFERENCES virtual_networks (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT ip_addresses_interface_id_fkey FOREIGN KEY (interface_id) REFERENCES network_interfaces (id) ON DELETE CASCADE ON UPDATE CASCADE,
  -- an address and not a network: 10.0.0.5/32 and 10.0.0.5/24 would be two keys for one address
  CONSTRAINT ip_addresses_address_check CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END)
);
CREATE INDEX ip_addresses_interface_id_idx ON ip_addresses (interface_id);

CREATE TABLE interface_security_groups (
  interface_id      uuid NOT NULL,
  security_group_id uuid NOT NULL,
  CONSTRAINT interface_security_groups_pkey PRIMARY KEY (interface_id, security_group_id),
  CONSTRAINT interface_security_groups_interface_id_fkey FOREIGN KEY (interface_id) REFERENCES network_interfaces (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT interface_security_groups_security_group_id_fkey FOREIGN KEY (security_group_id) REFERENCES security_groups (id) ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX interface_security_groups_security_group_id_idx ON interface_security_groups (security_group_id);

-- ------------------------------------------------------------------ machines from before
-- Older machines win what two ask for. What is not valid, or taken, is passed over: a start must not fail on old data.
-- Nobody who asked for no address is given one: the guest may have one of its own by now.

DO $$
DECLARE
  machine record;
  nic     record;
  home    record;
  asked   text;
  given   inet;
  label   text;
  mac     text;
  made    uuid;
BEGIN
  FOR machine IN
    SELECT id, spec -> 'nics' AS nics, created_at FROM virtual_machines
    WHERE jsonb_typeof(spec -> 'nics') = 'array' ORDER BY created_at, id
  LOOP
    FOR nic IN
      SELECT part, ordinality::integer AS place FROM jsonb_array_elements(machine.nics) WITH ORDINALITY AS parts (part, ordinality)
      WHERE jsonb_typeof(part) = 'object'
    LOOP
      SELECT id, cidr, gateway INTO home FROM virtual_networks WHERE id::text = lower(nic.part ->> 'networkId');
      CONTINUE WHEN NOT FOUND;

      label := nic.part ->> 'name';
      IF label IS NULL OR label !~ '^[a-z][a-z0-9-]{0,31}$' THEN label := 'nic' || nic.place; END IF;
      WHILE EXISTS (SELECT FROM network_interfaces WHERE vm_id = machine.id AND name = label) LOOP
        label := 'nic' || nic.place || '-' || substr(md5(random()::text), 1, 6);
      END LOOP;

      mac := lower(replace(nic.part ->> 'macAddress', '-', ':'));
      WHILE mac IS NULL OR mac !~ '^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$'
        OR EXISTS (SELECT FROM network_interfaces WHERE mac_address = mac) LOOP
        mac := '52:54:00' || regexp_replace(substr(md5(random()::text), 1, 6), '(..)', ':\1', 'g');
      END LOOP;

      made := gen_random_uuid();
      INSERT INTO network_interfaces (id, vm_id, name, network_id, mac_address, position, created_at, updated_at)
      VALUES (made, machine.id, label, home.id, mac, nic.place - 1, machine.created_at, machine.created_at);

      IF jsonb_typeof(nic.part -> 'securityGroupIds') = 'array' THEN
        INSERT INTO interface_security_groups (interface_id, security_group_id)
        SELECT DISTINCT made, member.security_group_id FROM vm_security_groups AS member
        WHERE member.vm_id = machine.id AND nic.part -> 'securityGroupIds' ? member.security_group_id::text;
      END IF;

      CONTINUE WHEN home.cidr IS NULL OR jsonb_typeof(nic.part -> 'ipAddresses') IS DISTINCT FROM 'array';
      FOR asked IN SELECT jsonb_array_elements_text(nic.part -> 'ipAddresses') LOOP
        BEGIN
          given := asked::inet;
        EXCEPTION WHEN data_exception THEN
          CONTINUE;
        END;
        CONTINUE WHEN given IS NULL OR family(given) <> family(home.cidr) OR NOT given <<= home.cidr
          OR masklen(given) <> CASE family(given) WHEN 4 THEN 32 ELSE 128 END
          OR given IS NOT DISTINCT FROM home.gateway
          -- neither the network's own address nor an IPv4 broadcast, where there is room for such
          OR (masklen(home.cidr) < masklen(given) - 1 AND host(given) = host(home.cidr))
          OR (family(given) = 4 AND masklen(home.cidr) < 31 AND host(given) = host(broadcast(home.cidr)));
        INSERT INTO ip_addresses (network_id, address, interface_id, requested, created_at)
        VALUES (home.id, given, made, true, machine.created_at) ON CONFLICT (network_id, address) DO NOTHING;
      END LOOP;
    END LOOP;
  END LOOP;
END
$$;
