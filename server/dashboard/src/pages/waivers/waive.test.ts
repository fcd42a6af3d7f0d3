import { expect, test } from 'vitest';
import { days, endOf, resultWord, waiverCommand } from './waive';

const YEAR_MS = 365 * 86_400_000;

test('the last day that is offered ends within a year', () => {
  const now = new Date(2026, 10, 26, 0, 0, 1).getTime();
  const { first, last, usual } = days(now);
  expect([first, usual]).toEqual(['2026-11-26', '2026-12-26']);
  expect(Date.parse(endOf(last)) - now).toBeLessThanOrEqual(YEAR_MS);
  expect(Date.parse(endOf(first))).toBeGreaterThan(now);
});

test('the command names the device without its kind and quotes what a shell would split', () => {
  const asked = { check: 'disk', target: 'device:lap-ada', reason: "Ada's new disk", owner: '', day: '2026-12-01' };
  expect(waiverCommand(asked)).toBe(
    "muster waiver add disk --to lap-ada --reason 'Ada'\\''s new disk' --until 2026-12-01",
  );
  expect(waiverCommand({ ...asked, target: 'everyone', owner: 'ciso' })).toContain('--to everyone');
  expect(waiverCommand({ ...asked, owner: 'ciso' })).toContain('--owner ciso');
});

test('only a failure is waived', () => {
  expect(resultWord({ verdict: 'fail', waiver: {} })).toBe('waived');
  expect(resultWord({ verdict: 'fail', waiver: null })).toBe('fail');
  expect(resultWord({ verdict: 'fail', waived: {} })).toBe('waived');
  expect(resultWord({ verdict: 'fail' })).toBe('fail');
  expect(resultWord({ verdict: 'pass', waiver: {} })).toBe('pass');
});
