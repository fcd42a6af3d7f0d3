import { expect, test } from 'vitest';
import { brought } from './followers';

test('a save is asked about by the devices of those that take it, and not of those that stay', () => {
  const followers = [
    { target: 'label:laptop', devices: 40 },
    { target: 'everyone', devices: 2, stays: 'it would be in conflict' },
    { target: 'device:srv-1', devices: 1 },
  ];
  const saved = { profile: 'base', number: 4, digest: '', new: true, warnings: [], followers };
  expect(brought(saved)).toEqual({
    revision: 'base@4',
    isNew: true,
    targets: [
      { target: 'label:laptop', devices: 40 },
      { target: 'device:srv-1', devices: 1 },
    ],
    devices: 41,
  });
  expect(brought({ ...saved, followers: [] }).targets).toEqual([]);
});
