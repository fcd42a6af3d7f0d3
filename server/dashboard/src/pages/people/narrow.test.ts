import { expect, test } from 'vitest';
import { holds } from './narrow';

test('every word that was typed has to stand somewhere, in any case', () => {
  const ada = ['ada', 'Ada Lovelace', undefined, 'engineers'];
  expect(holds(ada, '')).toBe(true);
  expect(holds(ada, 'LOVE eng')).toBe(true);
  expect(holds(ada, 'ada sales')).toBe(false);
});
