// Labels, a pause and revocation for many devices at once.
import { Button, NativeSelect, TagsInput, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Device, NewPause } from '../../api/types';
import { Names } from '../../components/Names';
import { useTyped } from '../../components/Typed';
import { counted } from '../../components/visible';
import { relabelled } from './bulk';
import { useBulk } from './useBulk';

interface Props {
  devices: Device[];
  onDone: () => void;
}

function pathOf(device: Device): string {
  return `/devices/${encodeURIComponent(device.id)}`;
}

function Those({ devices }: { devices: Device[] }) {
  return (
    <p>
      {counted(devices.length, 'device')}: <Names names={devices.map((device) => device.name || device.id)} />.
    </p>
  );
}

export function LabelMany({ devices, onDone }: Props) {
  const [add, setAdd] = useState<string[]>([]);
  const [remove, setRemove] = useState<string[]>([]);
  const touched = devices.filter((device) => relabelled(device.labels, add, remove));
  const typed = useTyped(remove.length > 0 ? touched.length : 0);
  const bulk = useBulk(onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!typed.isConfirmed) return;
    bulk.run(touched, (device) =>
      api.patch(pathOf(device), { labels: relabelled(device.labels, add, remove) ?? device.labels }),
    );
  };
  const present = [...new Set(devices.flatMap((device) => device.labels))].toSorted();
  return (
    <form className="form" onSubmit={submit}>
      <Those devices={devices} />
      <p className="dim">Profiles reach devices by their labels: changing them changes what is assigned.</p>
      <TagsInput label="Add" value={add} onChange={setAdd} />
      <TagsInput label="Take away" data={present} value={remove} onChange={setRemove} />
      {typed.field}
      {bulk.said}
      <div className="actions">
        <Button
          type="submit"
          color={remove.length > 0 ? 'red' : undefined}
          loading={bulk.isRunning}
          disabled={touched.length === 0 || !typed.isConfirmed}
        >
          Change {counted(touched.length, 'device')}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

const HOUR = 3_600;
const SPANS = [
  { value: String(HOUR), label: '1 hour' },
  { value: String(4 * HOUR), label: '4 hours' },
  { value: String(24 * HOUR), label: '1 day' },
  { value: '', label: 'until each is resumed' },
];

export function PauseMany({ devices, onDone }: Props) {
  const [seconds, setSeconds] = useState(String(4 * HOUR));
  const [reason, setReason] = useState('');
  const typed = useTyped(devices.length);
  const bulk = useBulk(onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!typed.isConfirmed) return;
    bulk.run(devices, (device) =>
      api.post('/pauses', {
        target: `device:${device.name}`,
        seconds: seconds ? Number(seconds) : null,
        reason: reason.trim() || null,
      } satisfies NewPause),
    );
  };
  return (
    <form className="form" onSubmit={submit}>
      <Those devices={devices} />
      <p className="dim">Each keeps the state that it has. A pause of their label keeps those that join it, too.</p>
      <NativeSelect
        label="Until"
        data={SPANS}
        value={seconds}
        onChange={(e) => setSeconds(e.currentTarget.value)}
      />
      <TextInput label="Reason" value={reason} onChange={(e) => setReason(e.currentTarget.value)} />
      {typed.field}
      {bulk.said}
      <div className="actions">
        <Button type="submit" loading={bulk.isRunning} disabled={!typed.isConfirmed}>
          Pause {counted(devices.length, 'device')}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

export function RevokeMany({ devices, onDone }: Props) {
  const typed = useTyped(devices.length);
  const bulk = useBulk(onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.isConfirmed) bulk.run(devices, (device) => api.post(`${pathOf(device)}/revoke`));
  };
  return (
    <form className="form" onSubmit={submit}>
      <Those devices={devices} />
      <p>
        Their links are cut at once and their certificates are no longer accepted. What was applied stays on them. To
        come back they have to enroll again.
      </p>
      {typed.field}
      {bulk.said}
      <div className="actions">
        <Button type="submit" color="red" loading={bulk.isRunning} disabled={!typed.isConfirmed}>
          Revoke {counted(devices.length, 'device')}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
