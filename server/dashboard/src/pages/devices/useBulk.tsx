// Runs an action over many devices and shows how far it is and what was refused.
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { Device } from '../../api/types';
import { Note } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { forEach, type Refused } from './bulk';

/** Refusals that are named; the rest is counted. */
const NAMED = 10;

/** What runs it, whether it runs, and what there is to say about it. */
export interface Bulk {
  run: (devices: Device[], act: (device: Device) => Promise<unknown>) => Promise<void>;
  isRunning: boolean;
  said: ReactNode;
}

/** `onDone` is called when nothing was refused. */
export function useBulk(onDone: () => void): Bulk {
  const client = useQueryClient();
  const [progress, setProgress] = useState<{ done: number; of: number }>();
  const [refused, setRefused] = useState<Refused[]>([]);
  const run: Bulk['run'] = async (devices, act) => {
    setRefused([]);
    setProgress({ done: 0, of: devices.length });
    const left = await forEach(devices, act, (done) => setProgress({ done, of: devices.length }));
    setProgress(undefined);
    setRefused(left);
    await client.invalidateQueries();
    if (left.length === 0) onDone();
  };
  return {
    run,
    isRunning: progress !== undefined,
    said: (
      <>
        {progress && (
          <p role="status">
            {progress.done} of {progress.of} done
          </p>
        )}
        {refused.length > 0 && <Refusals refused={refused} />}
      </>
    ),
  };
}

function Refusals({ refused }: { refused: Refused[] }) {
  return (
    <Note tone="act">
      Refused for {counted(refused.length, 'device')}; the others are done.
      <ul>
        {refused.slice(0, NAMED).map(({ device, error }) => (
          <li key={device.id}>
            {visible(device.name || device.id)}: {visible(error instanceof Error ? error.message : String(error))}
          </li>
        ))}
        {refused.length > NAMED && <li>and {refused.length - NAMED} more</li>}
      </ul>
    </Note>
  );
}
