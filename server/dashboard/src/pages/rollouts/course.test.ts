import { expect, test } from 'vitest';
import type { Rollout, RolloutDevice, RolloutStep } from '../../api/types';
import { countedAs, narrowed, reached, standingWord } from './course';

const device = (name: string, step: number, standing: RolloutDevice['standing']): RolloutDevice => ({
  device: name,
  step,
  standing,
});

test('the devices that a number opens are those that it counts', () => {
  const step: RolloutStep = { number: 1, devices: 4, passed: 1, working: 1, failed: 0, not_answered: 2 };
  const devices = [
    device('a', 1, 'passed'),
    device('b', 1, 'working'),
    device('c', 1, 'held'),
    device('d', 1, 'gone'),
    device('e', 2, 'waiting'),
  ];
  expect(narrowed(devices, 1)).toHaveLength(step.devices);
  for (const word of ['passed', 'working', 'failed', 'not_answered'] as const) {
    expect(narrowed(devices, 1, word)).toHaveLength(step[word]);
  }
});

test('a device whose step has not begun is counted nowhere', () => {
  expect(countedAs('waiting')).toBeUndefined();
});

test('what a pause keeps is called paused, since held means two machines with one identity', () => {
  expect(standingWord('held')).toBe('paused');
  expect(standingWord('failed')).toBe('failed');
});

test('what goes back is on the devices that were given it and still hold it', () => {
  const steps = [
    { number: 1, devices: 3, passed: 1, working: 0, failed: 1, not_answered: 1, began: '2026-11-26T01:00:00Z' },
    { number: 2, devices: 9, passed: 0, working: 0, failed: 0, not_answered: 0 },
  ];
  const given = '2026-11-26T01:00:00Z';
  const devices = [
    { ...device('a', 1, 'passed'), given },
    { ...device('b', 1, 'failed'), given },
    { ...device('c', 1, 'gone'), given },
    device('d', 2, 'waiting'),
  ];
  const rollout = { steps } as unknown as Rollout;
  expect(reached({ rollout, devices })).toEqual({ count: 2, names: ['a', 'b'] });
});
