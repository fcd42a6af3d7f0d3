import { expect, test } from 'vitest';
import { sentenceParts } from './sentence';

test('every number of the sentence leads to its rows', () => {
  expect(sentenceParts('41 of 48 compliant; 3 failing, 2 stale; 4 with nothing assigned')).toEqual([
    { text: '41', opens: 'compliant' },
    { text: ' of 48 compliant; ' },
    { text: '3', opens: 'failing' },
    { text: ' failing, ' },
    { text: '2', opens: 'stale' },
    { text: ' stale; ' },
    { text: '4', opens: 'unmanaged' },
    { text: ' with nothing assigned' },
  ]);
});

test('a sentence that is not known stays whole', () => {
  expect(sentenceParts('No devices yet')).toEqual([{ text: 'No devices yet' }]);
});
