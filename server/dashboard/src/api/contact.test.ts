import { expect, test } from 'vitest';
import { aheadOf } from './contact';

const NOW = Date.parse('2026-11-26T08:00:00Z');

test('a server whose clock is a day off is so many seconds ahead or behind', () => {
  expect(aheadOf('Fri, 27 Nov 2026 08:00:00 GMT', NOW)).toBe(86_400);
  expect(aheadOf('Wed, 25 Nov 2026 08:00:00 GMT', NOW)).toBe(-86_400);
});

test('what an answer takes to arrive is no difference, and neither is an answer without a time', () => {
  expect(aheadOf('Thu, 26 Nov 2026 07:55:01 GMT', NOW)).toBe(0);
  expect(aheadOf('Thu, 26 Nov 2026 08:05:00 GMT', NOW)).toBe(300);
  for (const dated of [null, '', 'yesterday']) expect(aheadOf(dated, NOW)).toBe(0);
});
