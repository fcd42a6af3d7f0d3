import { expect, test } from 'vitest';
import { fieldWords, importWords, isEmpty, removalWords } from './importing';

test('an import is counted, with the people that it makes', () => {
  const counts = { new: 3, changed: 0, unchanged: 1, new_people: 1 };
  expect(importWords(counts)).toBe('3 devices new, 0 changed, 1 as the file says, 1 person made for owners.');
  expect(importWords({ ...counts, people: ['ada'] })).toMatch(/1 person made for owners \(ada\)\.$/);
  expect(isEmpty(counts)).toBe(false);
  expect(isEmpty({ ...counts, new: 0 })).toBe(true);
});

test('what waits is named with what brought it about', () => {
  const removal = { id: '', cause: '', by: '', at: '', profiles: ['base'], labels: ['laptop'], devices: 12, names: [] };
  expect(removalWords(removal)).toMatch(/^It would take base from 12 devices \(they lose laptop\)\. They keep/);
});

test('a name is not said twice', () => {
  expect(fieldWords({ name: 'lap-ada', fields: ['name: lap-ada', 'owner: ada'] })).toBe(': owner: ada');
  expect(fieldWords({ name: 'lap-ada', fields: ['name: lap-ada'] })).toBe('');
});
