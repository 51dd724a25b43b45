import { expect, test } from 'vitest';
import { AlertSourceType } from '../../src/gen/client/enums.js';
import { apiTypeOf, sourceOf } from '../../src/modules/alert/source.js';

test('every source of alerts that is about an object leads to its type and back', () => {
  const sources = Object.values(AlertSourceType).filter((source) => source !== 'SYSTEM');
  for (const source of sources) expect(sourceOf(apiTypeOf(source) ?? '')).toBe(source);
  expect(new Set(sources.map(apiTypeOf)).size).toBe(sources.length);
});

test('the control plane itself is no object', () => {
  expect(apiTypeOf('SYSTEM')).toBeNull();
});

test('types that alerts are never about have no source', () => {
  for (const type of ['Image', 'User', 'SYSTEM', '']) expect(sourceOf(type)).toBeUndefined();
});
