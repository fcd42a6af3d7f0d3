import { expect, test } from 'vitest';
import type { Device } from '../../api/types';
import { forEach, relabelled } from './bulk';

const device = (name: string) => ({ id: name, name }) as Device;

test('a refusal is kept with its device and stops nothing', async () => {
  const done: string[] = [];
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const refused = await forEach(
    names.map(device),
    async ({ name }) => {
      if (name === 'c') throw new Error('no');
      done.push(name);
    },
    () => {},
  );
  expect(done.toSorted()).toEqual(['a', 'b', 'd', 'e', 'f', 'g']);
  expect(refused.map((each) => each.device.name)).toEqual(['c']);
});

test('labels are added and taken away, and a device that has them so is not touched', () => {
  expect(relabelled(['laptop', 'old'], ['berlin'], ['old'])).toEqual(['laptop', 'berlin']);
  expect(relabelled(['laptop'], ['laptop'], ['old'])).toBeUndefined();
});
