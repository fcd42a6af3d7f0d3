import { expect, test } from 'vitest';
import { passwordProblem } from './passwords';

test('length is all that is asked for', () => {
  expect(passwordProblem('kim', 'short')).toContain('10 more characters');
  expect(passwordProblem('kim', 'just words here')).toBeUndefined();
});

test('characters are counted as a reader counts them', () => {
  expect(passwordProblem('kim', '😀'.repeat(14))).toContain('1 more character:');
  expect(passwordProblem('kim', '😀'.repeat(15))).toBeUndefined();
});

test('a password beside a code may be shorter', () => {
  expect(passwordProblem('kim', 'walnut lamp', 8)).toBeUndefined();
});

test('the name itself is refused', () => {
  expect(passwordProblem('the-administrator', 'The-Administrator')).toBeDefined();
});
