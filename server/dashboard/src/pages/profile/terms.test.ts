import { expect, test } from 'vitest';
import { commandOf } from './assign';
import { firstWords, sizeProblem, sizesOf, termWords, USUAL } from './terms';

test('the usual terms are those of the command line', () => {
  expect(sizesOf(USUAL)).toEqual(['1', '10%']);
  expect(termWords(USUAL)).toBe('--rollout --canary 1 --then 10% --soak 10m');
});

test('further sizes are taken with commas and spaces', () => {
  const terms = { canary: '5%', further: '20, 50%  80%', soak: 7_200 };
  expect(sizesOf(terms)).toEqual(['5%', '20', '50%', '80%']);
  expect(termWords(terms)).toBe('--rollout --canary 5% --then 20 --then 50% --then 80% --soak 2h');
  expect(termWords({ ...terms, soak: 0 })).toMatch(/--soak 0s$/);
});

test('a size is a number of devices or a share of them', () => {
  expect(['1', '40', '5%', '100%'].map(sizeProblem)).toEqual([undefined, undefined, undefined, undefined]);
  for (const wrong of ['0', '0%', 'ten', '-1', '1.5', '101%']) expect(sizeProblem(wrong)).toBeTypeOf('string');
});

test('who comes first is counted as the server does', () => {
  expect(firstWords(USUAL, 48)).toBe('the first of 48 devices');
  expect(firstWords({ ...USUAL, canary: '5%' }, 48)).toBe('the first 3 of 48 devices');
  expect(firstWords({ ...USUAL, canary: '5' }, 3)).toBe('3 devices');
});

test('a rollout is the assignment with its terms', () => {
  const asked = { profile: 'base', revision: 4, target: 'label:laptop', precedence: 0, params: {} };
  expect(commandOf(asked, USUAL)).toBe(
    'muster assign base@4 --to label:laptop --rollout --canary 1 --then 10% --soak 10m',
  );
});
