import { expect, test } from 'vitest';
import type { CheckSummary } from '../../api/types';
import { byControl } from './controls';

const check = (id: string, fail: number, controls: string[]): CheckSummary => ({
  id,
  title: id,
  severity: 'high',
  controls,
  profiles: ['base@1'],
  counts: { pass: 1, fail, unknown: 0, not_applicable: 0 },
});

test('a control has every check that names it, and those with failures come first', () => {
  const controls = byControl([check('a', 0, ['CIS-1', 'CIS-2']), check('b', 3, ['CIS-2']), check('c', 0, [])]);
  expect(controls.map(({ id, failing, checks }) => [id, failing, checks.length])).toEqual([
    ['CIS-2', 1, 2],
    ['CIS-1', 0, 1],
  ]);
});
