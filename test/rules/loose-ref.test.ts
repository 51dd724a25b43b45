/** References by type and UUID, and the audit log's own rule of who sees what. */
import { describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/core/authz.js';
import { looseId, looseRef, refList } from '../../src/graphql/loose-ref.js';
import { decodeGlobalId, encodeGlobalId } from '../../src/ids.js';
import { AuditEntryEntity } from '../../src/modules/audit/queries.js';

const A = '019a0000-0000-7000-8000-00000000000a';
const B = '019a0000-0000-7000-8000-00000000000b';
const PATH = ['filter', 'resource'];

describe('a public id made from a type and a UUID', () => {
  test('leads back to both', () => {
    expect(decodeGlobalId(looseId('AuditEntry', A) ?? '')).toEqual({ type: 'AuditEntry', id: A });
  });

  test.each([
    ['Unheard', A],
    ['AuditEntry', 'not-a-uuid'],
    ['AuditEntry', null],
    [null, A],
    ['', ''],
  ])('is null for %j and %j', (type, id) => {
    expect(looseId(type, id)).toBeNull();
  });
});

describe('a filter by ids of any type', () => {
  const { where } = looseRef('resourceType', 'resourceId');
  const apply = (value: object) => where('', value as never, PATH);

  test('asks for the type together with the UUID', () => {
    expect(apply({ eq: encodeGlobalId('Volume', A) })).toEqual({
      AND: [{ OR: [{ resourceType: 'Volume', resourceId: A }] }],
    });
    expect(apply({ in: [encodeGlobalId('Volume', A), encodeGlobalId('Image', B)] })).toEqual({
      AND: [
        {
          OR: [
            { resourceType: 'Volume', resourceId: A },
            { resourceType: 'Image', resourceId: B },
          ],
        },
      ],
    });
  });

  test('finds nothing for a type that the rows never refer to', () => {
    const strict = looseRef('t', 'i', (type) => (type === 'Volume' ? 'VOL' : undefined));
    const value = { in: [encodeGlobalId('Volume', A), encodeGlobalId('Image', B)] };
    expect(strict.where('', value as never, PATH)).toEqual({
      AND: [{ OR: [{ t: 'VOL', i: A }, { id: { in: [] } }] }],
    });
  });

  test('tells rows with a reference from those without', () => {
    expect(apply({ isNull: true })).toEqual({ AND: [{ resourceId: null }] });
    expect(apply({ isNull: false })).toEqual({ AND: [{ NOT: { resourceId: null } }] });
    expect(apply({ eq: null, in: null, isNull: null })).toEqual({ AND: [] });
  });

  test('refuses what is no id, and more than 100 of them', () => {
    expect(() => apply({ eq: 'nonsense' })).toThrow(/"nonsense" is not an id/);
    const many = Array.from({ length: 101 }, () => encodeGlobalId('Volume', A));
    expect(() => apply({ in: many })).toThrow(/At most 100/);
    expect(() => apply({ in: many.slice(1) })).not.toThrow();
  });
});

describe('a filter on a list of ids', () => {
  const { where } = refList('assignedNodeIds', 'HypervisorNode');
  const apply = (value: object) => where('', value as never, PATH);

  test('matches rows that list one of the objects', () => {
    expect(apply({ in: [A, B].map((id) => encodeGlobalId('HypervisorNode', id)) })).toEqual({
      AND: [{ assignedNodeIds: { hasSome: [A, B] } }],
    });
    expect(apply({ isNull: true })).toEqual({ AND: [{ assignedNodeIds: { isEmpty: true } }] });
  });

  test('refuses the id of an object of another type', () => {
    expect(() => apply({ eq: encodeGlobalId('Volume', A) })).toThrow(/a HypervisorNode is needed/);
  });
});

describe('an entry of the audit log', () => {
  const viewer = (role: Viewer['role'], id: string, projects: string[] = []): Viewer => ({
    id,
    userId: id,
    name: 'someone',
    role,
    projects: new Map(projects.map((project) => [project, 'VIEWER'])),
    credentialId: 'session',
  });
  const { sees } = AuditEntryEntity.visibility;
  const entry = (userId: string | null, projectId: string | null) => ({ userId, projectId });

  test('is seen by whoever made it and by members of its project', () => {
    expect(sees(viewer('VIEWER', A), entry(A, null))).toBe(true);
    expect(sees(viewer('VIEWER', A, [B]), entry(null, B))).toBe(true);
    expect(sees(viewer('OPERATOR', A, [B]), entry(null, null))).toBe(false);
    expect(sees(viewer('OPERATOR', A), entry(B, B))).toBe(false);
  });

  test('is seen by every administrator and by no agent', () => {
    expect(sees(viewer('ADMIN', A), entry(null, null))).toBe(true);
    expect(sees(viewer('AGENT', A, [B]), entry(A, B))).toBe(false);
  });
});
