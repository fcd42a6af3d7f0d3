// The list as a file: everything that the filters leave, not only what is loaded. Times are ISO and UTC.
import { useMutation } from '@tanstack/react-query';
import type { DeviceFilter } from '../../api/queries';
import type { Device } from '../../api/types';
import { csv, save } from '../../components/csv';
import { ProblemNote } from '../../components/parts';
import { everyDevice } from './everyPage';

const HEADER = [
  'name',
  'serial',
  'owner',
  'labels',
  'state',
  'compliance',
  'failing',
  'os',
  'generation_wanted',
  'generation_applied',
  'last_seen',
  'registered',
  'enrolled',
  'ready',
];

function cells(device: Device): string[] {
  return [
    device.name,
    device.serial,
    device.owner ?? '',
    device.labels.join(';'),
    device.state,
    device.compliance,
    String(device.failing),
    device.os,
    String(device.generation_wanted),
    String(device.generation_applied),
    device.last_seen ?? '',
    device.registered,
    device.enrolled ?? '',
    device.ready ?? '',
  ];
}

export function Export({ filter }: { filter: DeviceFilter }) {
  const run = useMutation({
    mutationFn: async (kind: 'csv' | 'json') => {
      const devices = await everyDevice(filter);
      const name = `devices-${new Date().toISOString().slice(0, 10)}.${kind}`;
      if (kind === 'csv') save(name, 'text/csv;charset=utf-8', csv(HEADER, devices.map(cells)));
      else save(name, 'application/json', `${JSON.stringify(devices, null, 2)}\n`);
    },
  });
  return (
    <>
      <button
        type="button"
        className="iconbutton"
        disabled={run.isPending}
        aria-label="Export as CSV"
        onClick={() => run.mutate('csv')}
      >
        CSV
      </button>
      <button
        type="button"
        className="iconbutton"
        disabled={run.isPending}
        aria-label="Export as JSON"
        onClick={() => run.mutate('json')}
      >
        JSON
      </button>
      <ProblemNote error={run.error} />
    </>
  );
}
