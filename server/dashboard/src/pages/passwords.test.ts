import { expect, test } from 'vitest';
import { passwordProblem } from './passwords';

test('length is all that is asked for', () => {
  expect(passwordProblem('kim', 'short')).toContain('7 more characters');
  expect(passwordProblem('kim', 'just words here')).toBeUndefined();
});

test('characters are counted as a reader counts them', () => {
  expect(passwordProblem('kim', '😀'.repeat(11))).toContain('1 more character:');
  expect(passwordProblem('kim', '😀'.repeat(12))).toBeUndefined();
});

test('the name itself is refused', () => {
  expect(passwordProblem('administrator', 'Administrator')).toBeDefined();
});
