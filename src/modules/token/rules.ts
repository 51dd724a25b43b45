/** What a token may be, and whether it counts. Pure. */
import { FOR_TOKENS, type Permission, permissionsOf, type Role } from '../../core/authz.js';
import { type Issue, ValidationError } from '../../errors.js';

export type TokenState = 'ACTIVE' | 'EXPIRED' | 'USED_UP' | 'REVOKED';

interface Life {
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** Of enrolment tokens. */
  readonly uses?: number;
  readonly maxUses?: number;
}

export function stateOf({ expiresAt, revokedAt, uses, maxUses }: Life, now: Date): TokenState {
  if (revokedAt !== null) return 'REVOKED';
  if (expiresAt !== null && expiresAt <= now) return 'EXPIRED';
  return uses !== undefined && maxUses !== undefined && uses >= maxUses ? 'USED_UP' : 'ACTIVE';
}

/** @param longestMs by configuration; also the life when none is asked for. Throws ValidationError. */
export function expiryOf(
  asked: Date | undefined,
  now: Date,
  longestMs: number,
  setting: string,
): Date {
  const latest = new Date(now.getTime() + longestMs);
  if (asked === undefined) return latest;
  if (asked <= now) throw ValidationError.of(['expiresAt'], 'is in the past');
  if (asked > latest)
    throw ValidationError.of(
      ['expiresAt'],
      `must not be later than ${latest.toISOString()}: the server's ${setting} is the longest life`,
    );
  return asked;
}

/** A token may do no more than its owner. What it may do is looked at again at each use. Throws ValidationError. */
export function checkPermissions(
  asked: readonly string[],
  role: Role,
): asserts asked is readonly Permission[] {
  const granted = permissionsOf(role);
  const issues = asked.flatMap((permission, i): Issue[] => {
    const message = faultOf(permission, role, granted);
    return message === null ? [] : [{ path: ['permissions', String(i)], message }];
  });
  if (issues.length > 0) throw new ValidationError(issues);
}

function faultOf(permission: string, role: Role, granted: readonly Permission[]): string | null {
  const name = JSON.stringify(permission.slice(0, 64));
  const isKnown = (list: readonly Permission[]): boolean => list.some((p) => p === permission);
  if (!isKnown(FOR_TOKENS))
    return isKnown(granted)
      ? `${name} is never given to a token`
      : `${name} is no permission that a token can have; docs/permissions.md lists them`;
  return isKnown(granted) ? null : `your role ${role} does not grant ${name}`;
}
