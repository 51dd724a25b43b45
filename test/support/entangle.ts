/** Ties all that a project has to a secret one, in each way that the tables have room for, whether the gate would let it come about or not. */
import type { Db } from '../../src/data/client.js';
import type { SecretProject } from './secret-project.js';

/** The secret machine is in every group of the project and on every network, has each image in a drive, and each volume a copy. */
export async function holdEverything(db: Db, { vm, pool, project, own }: SecretProject) {
  await db.$executeRaw`
    INSERT INTO vm_security_groups (vm_id, security_group_id)
    SELECT ${vm.uuid}::uuid, id FROM security_groups WHERE project_id = ${own.uuid}::uuid ON CONFLICT DO NOTHING`;
  await db.$executeRaw`
    INSERT INTO network_interfaces (id, vm_id, name, network_id, mac_address, updated_at)
    SELECT gen_random_uuid(), ${vm.uuid}::uuid, 'sesame-' || left(md5(n.id::text), 12), n.id,
           regexp_replace('52' || left(md5(n.id::text), 10), '(..)(?=.)', '\\1:', 'g'), now()
    FROM virtual_networks n WHERE NOT EXISTS (
      SELECT FROM network_interfaces WHERE vm_id = ${vm.uuid}::uuid AND network_id = n.id)`;
  await db.$executeRaw`
    INSERT INTO ip_addresses (network_id, address, interface_id, requested)
    SELECT n.id, host(network(n.cidr) + 99)::inet, nic.id, true
    FROM virtual_networks n JOIN network_interfaces nic ON nic.network_id = n.id AND nic.vm_id = ${vm.uuid}::uuid
    WHERE n.cidr IS NOT NULL ON CONFLICT DO NOTHING`;
  await db.$executeRaw`
    UPDATE virtual_machines SET spec = jsonb_set(spec, '{cdroms}',
      (SELECT jsonb_agg(jsonb_build_object('imageId', id)) FROM images)) WHERE id = ${vm.uuid}::uuid`;
  await db.$executeRaw`
    INSERT INTO volumes (id, name, pool_id, project_id, size_bytes, phase, parent_id, spec, updated_at)
    SELECT gen_random_uuid(), 'sesame-copy-' || v.id, ${pool.uuid}::uuid, ${project.uuid}::uuid, 1, 'READY', v.id,
           jsonb_build_object('source', jsonb_build_object('type', 'CLONE', 'id', v.id, 'linked', true)), now()
    FROM volumes v WHERE v.project_id = ${own.uuid}::uuid ON CONFLICT DO NOTHING`;
  await db.$executeRaw`
    INSERT INTO volumes (id, name, pool_id, project_id, size_bytes, phase, spec, updated_at)
    SELECT gen_random_uuid(), 'sesame-copy-' || s.id, ${pool.uuid}::uuid, ${project.uuid}::uuid, 1, 'READY',
           jsonb_build_object('source', jsonb_build_object('type', 'SNAPSHOT', 'id', s.id, 'linked', true)), now()
    FROM vm_snapshots s JOIN virtual_machines m ON m.id = s.vm_id WHERE m.project_id = ${own.uuid}::uuid
    ON CONFLICT DO NOTHING`;
}

/** Every machine of the project is in the secret group and on the secret network, and has a volume in the secret pool. */
export async function tieEverything(db: Db, { group, network, pool, own }: SecretProject) {
  await db.$executeRaw`
    INSERT INTO vm_security_groups (vm_id, security_group_id)
    SELECT id, ${group.uuid}::uuid FROM virtual_machines WHERE project_id = ${own.uuid}::uuid ON CONFLICT DO NOTHING`;
  await db.$executeRaw`
    INSERT INTO network_interfaces (id, vm_id, name, network_id, mac_address, updated_at)
    SELECT gen_random_uuid(), m.id, 'astray', ${network.uuid}::uuid,
           regexp_replace('56' || left(md5(m.id::text), 10), '(..)(?=.)', '\\1:', 'g'), now()
    FROM virtual_machines m WHERE m.project_id = ${own.uuid}::uuid ON CONFLICT DO NOTHING`;
  await db.$executeRaw`
    INSERT INTO volumes (id, name, pool_id, project_id, size_bytes, phase, attached_vm_id, updated_at)
    SELECT gen_random_uuid(), 'astray-' || m.id, ${pool.uuid}::uuid, ${own.uuid}::uuid, 1, 'IN_USE', m.id, now()
    FROM virtual_machines m WHERE m.project_id = ${own.uuid}::uuid ON CONFLICT DO NOTHING`;
}
