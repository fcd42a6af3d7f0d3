// Letting several waiting devices in. Each needs the code on its own console: that comparison is what proves it.
import { Button, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Device } from '../../api/types';
import { counted, visible } from '../../components/visible';
import { useBulk } from './useBulk';

export function ApproveMany({ devices, onDone }: { devices: Device[]; onDone: () => void }) {
  const [codes, setCodes] = useState<Record<string, string>>({});
  const ready = devices.filter((device) => codes[device.id]?.trim());
  const bulk = useBulk(onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    bulk.run(ready, (device) =>
      api.post(`/devices/${encodeURIComponent(device.id)}/approve`, { code: codes[device.id] }),
    );
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>Type the code that each machine shows on its console. One without a code goes on waiting.</p>
      {devices.map((device) => (
        <TextInput
          key={device.id}
          label={visible(device.name || device.serial || device.id)}
          description={device.serial && `claims serial ${visible(device.serial)}`}
          placeholder="7KQ-M2D"
          autoComplete="off"
          value={codes[device.id] ?? ''}
          onChange={(e) => setCodes({ ...codes, [device.id]: e.currentTarget.value })}
        />
      ))}
      {bulk.said}
      <div className="actions">
        <Button type="submit" loading={bulk.isRunning} disabled={ready.length === 0}>
          Approve {counted(ready.length, 'device')}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
