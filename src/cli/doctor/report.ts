/** The findings as people read them, and as programs do. */
import { VERSION } from '../../version.js';
import { type Finding, LEVELS, worst } from './finding.js';

const LEVEL_WIDTH = Math.max(...LEVELS.map((level) => level.length)) + 2;

/** One line a finding, its advice below it. */
export function printFindings(findings: readonly Finding[]): string {
  const checkWidth = Math.max(...findings.map(({ check }) => check.length)) + 2;
  const indent = ' '.repeat(LEVEL_WIDTH + checkWidth);
  const lines = findings.flatMap(({ check, level, seen, advice }) => [
    `${level.padEnd(LEVEL_WIDTH)}${check.padEnd(checkWidth)}${seen}`,
    ...(advice === null ? [] : [`${indent}-> ${advice}`]),
  ]);
  const counts = LEVELS.toReversed().map((level) => {
    const count = findings.filter((finding) => finding.level === level).length;
    return `${count} ${level}`;
  });
  return `${lines.join('\n')}\n\n${counts.join(', ')}\n`;
}

/** On one line. Fields are added to this form, never renamed or taken away. */
export function findingsAsJson(findings: readonly Finding[]): string {
  const report = { format: 1, program: VERSION, level: worst(findings), findings };
  return `${JSON.stringify(report)}\n`;
}
