// One action on many devices: a few at a time, with what became of each.
import type { Device } from '../../api/types';

/** Requests that run at the same time: the server answers quickly, and other admins want answers too. */
const AT_ONCE = 4;

/** A device for which it was refused. */
export interface Refused {
  device: Device;
  error: unknown;
}

/** Does it for each; says after each how many are done. Refusals stop nothing. */
export async function forEach(
  devices: Device[],
  act: (device: Device) => Promise<unknown>,
  onDone: (done: number) => void,
): Promise<Refused[]> {
  const refused: Refused[] = [];
  const waiting = devices.values();
  let done = 0;
  const work = async () => {
    for (const device of waiting) {
      try {
        await act(device);
      } catch (error) {
        refused.push({ device, error });
      }
      done += 1;
      onDone(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return refused;
}

/** The labels of a device after some are added and some are taken away; nothing when it has them so already. */
export function relabelled(labels: string[], add: string[], remove: string[]): string[] | undefined {
  const after = [...labels.filter((label) => !remove.includes(label)), ...add.filter((label) => !labels.includes(label))];
  const isSame = after.length === labels.length && after.every((label) => labels.includes(label));
  return isSame ? undefined : after;
}
