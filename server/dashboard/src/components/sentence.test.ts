import { expect, test } from 'vitest';
import { sentenceParts } from './sentence';

test('every number of the sentence leads to its rows', () => {
  expect(sentenceParts('41 of 48 compliant; 3 failing, 2 stale')).toEqual([
    { text: '41', opens: 'compliant' },
    { text: ' of ' },
    { text: '48', opens: 'all' },
    { text: ' compliant; ' },
    { text: '3', opens: 'failing' },
    { text: ' failing, ' },
    { text: '2', opens: 'stale' },
    { text: ' stale' },
  ]);
});

test('a sentence that is not known stays whole', () => {
  expect(sentenceParts('No devices yet')).toEqual([{ text: 'No devices yet' }]);
});
