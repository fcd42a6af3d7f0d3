import { expect, test } from 'vitest';
import { sentenceParts } from './sentence';

test('every number of the sentence leads to its rows', () => {
  expect(sentenceParts('41 of 48 compliant; 3 failing, 2 stale; 4 with nothing assigned')).toEqual([
    { text: '41', opens: { compliance: 'compliant' } },
    { text: ' of 48 compliant; ' },
    { text: '3', opens: { compliance: 'failing' } },
    { text: ' failing, ' },
    { text: '2', opens: { compliance: 'stale' } },
    { text: ' stale; ' },
    { text: '4', opens: { compliance: 'unmanaged' } },
    { text: ' with nothing assigned' },
  ]);
});

test('devices that are left out of the counts are led to by their state', () => {
  expect(sentenceParts('1 of 1 compliant; left out: 1 held, 2 revoked').slice(2)).toEqual([
    { text: '1', opens: { state: 'held' } },
    { text: ' held, ' },
    { text: '2', opens: { state: 'revoked' } },
    { text: ' revoked' },
  ]);
});

test('a sentence that is not known stays whole', () => {
  expect(sentenceParts('No devices yet')).toEqual([{ text: 'No devices yet' }]);
});
