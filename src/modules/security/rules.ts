/** What a security rule may say. Pure. */
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { description, idOf, optional } from '../../core/input.js';
import { type Issue, ValidationError } from '../../errors.js';

/** A group with more rules than this is not reviewed by anybody, and slow on every node. */
export const MAX_RULES = 200;

const port = z
  .number()
  .int()
  .min(1, 'must be from 1 to 65535')
  .max(65_535, 'must be from 1 to 65535');

export const ruleInput = z.object({
  direction: z.enum(['INGRESS', 'EGRESS']),
  protocol: z.enum(['TCP', 'UDP', 'ICMP', 'ANY']),
  portRangeMin: port.nullish(),
  portRangeMax: port.nullish(),
  remoteCidr: z
    .string()
    .refine((text) => ipaddr.isValidCIDR(text), 'must be a network as in 10.0.0.0/24')
    .nullish(),
  remoteGroupId: idOf('SecurityGroup').nullish(),
  action: optional(z.enum(['ALLOW', 'DENY'])),
  priority: optional(z.number().int().min(1).max(10_000)),
  description: optional(description),
});

export type RuleInput = z.output<typeof ruleInput>;

/** The columns of a rule; defaults are the table's: ALLOW, priority 100. */
export function ruleColumns(rule: RuleInput) {
  return {
    direction: rule.direction,
    protocol: rule.protocol,
    portRangeMin: rule.portRangeMin ?? null,
    portRangeMax: rule.portRangeMax ?? rule.portRangeMin ?? null,
    remoteCidr: rule.remoteCidr ?? null,
    remoteGroupId: rule.remoteGroupId ?? null,
    action: rule.action ?? ('ALLOW' as const),
    priority: rule.priority ?? 100,
    description: rule.description ?? '',
  };
}

/** Throws ValidationError with every fault of every rule. `path` leads to the list, or to the one rule. */
export function checkRules(
  rules: readonly RuleInput[],
  pathOf: (index: number) => readonly string[],
): void {
  const issues = rules.flatMap((rule, index) => ruleIssues(rule, pathOf(index)));
  if (issues.length > 0) throw new ValidationError(issues);
}

function ruleIssues(rule: RuleInput, path: readonly string[]): Issue[] {
  const { protocol, portRangeMin: min, portRangeMax: max, remoteCidr, remoteGroupId } = rule;
  const at = (field: string, message: string): Issue => ({ path: [...path, field], message });
  const issues: Issue[] = [];
  const hasPorts = min != null || max != null;
  if (hasPorts && protocol !== 'TCP' && protocol !== 'UDP')
    issues.push(at('portRangeMin', `${protocol} has no ports`));
  if (max != null && min == null) issues.push(at('portRangeMin', 'a range has both ends'));
  if (min != null && max != null && min > max)
    issues.push(at('portRangeMax', `must not be below ${min}`));
  if (remoteCidr != null && remoteGroupId != null)
    issues.push(at('remoteGroupId', 'give a remote cidr or a remote group, not both'));
  return issues;
}
