import { expect, test } from 'vitest';
import { parseUnified } from './unified';

test('lines are numbered on the side that they stand on', () => {
  const rows = parseUnified('--- base@2\n+++ base@3\n@@ -4,3 +4,3 @@\n a\n-b\n+c\n d\n');
  expect(rows).toEqual([
    { kind: 'hunk', text: '@@ -4,3 +4,3 @@' },
    { kind: 'same', text: 'a', from: 4, to: 4 },
    { kind: 'cut', text: 'b', from: 5 },
    { kind: 'add', text: 'c', to: 5 },
    { kind: 'same', text: 'd', from: 6, to: 6 },
  ]);
});

test('a line that begins like a header is a change within a hunk', () => {
  expect(parseUnified('@@ -1 +1 @@\n--- old\n+++ new')).toEqual([
    { kind: 'hunk', text: '@@ -1 +1 @@' },
    { kind: 'cut', text: '-- old', from: 1 },
    { kind: 'add', text: '++ new', to: 1 },
  ]);
});

test('the note on a missing last newline is no line', () => {
  expect(parseUnified('@@ -1 +1 @@\n a\n\\ No newline at end of file').length).toBe(2);
});
