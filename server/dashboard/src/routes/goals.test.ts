import { expect, test } from 'vitest';
import { goals } from './goals';

const known = {
  pages: [
    { to: '/', label: 'Overview' },
    { to: '/devices', label: 'Devices' },
    { to: '/audit', label: 'Audit' },
  ],
  profiles: ['base', 'database'],
  devices: [{ id: '1', name: 'lap-base' }],
};

test('without a word every page is offered and nothing else', () => {
  expect(goals(' ', { ...known, devices: [] }).map((goal) => goal.href)).toEqual(['/', '/devices', '/audit']);
});

test('what begins with the word comes before what has it somewhere', () => {
  expect(goals('base', known).map((goal) => goal.href)).toEqual([
    '/profiles/base',
    '/profiles/database',
    '/devices/lap-base',
  ]);
});
