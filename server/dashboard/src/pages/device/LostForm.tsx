// Reports a device lost: what its last order does is said before, and its name is typed.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Device, DeviceDetail, ReportLost } from '../../api/types';
import { Command, ProblemNote } from '../../components/parts';
import { visible } from '../../components/visible';
import { lostCommand } from './lost';

export function LostForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const name = device.name || device.id;
  const report = useMutation({
    mutationFn: (body: ReportLost) =>
      api.post<DeviceDetail>(`/devices/${encodeURIComponent(device.id)}/lost`, body),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed === name) report.mutate({ reason: reason.trim() || null });
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>
        1 device: <strong>{visible(name)}</strong>{' '}
        {device.connected ? 'is connected: it gets its last order at once' : 'gets its last order at its next contact'}.
        It locks the accounts that Muster manages, ends their sessions and powers off; nothing on it is erased. On its
        receipt its certificates are revoked.
      </p>
      <p>Until that receipt has come, the report can be taken back. What the device held is kept on its page.</p>
      <TextInput
        label="Reason"
        description="For whoever reads it later."
        autoComplete="off"
        maxLength={500}
        value={reason}
        onChange={(e) => setReason(e.currentTarget.value)}
      />
      <TextInput
        label={`Type ${visible(name)} to confirm`}
        autoComplete="off"
        value={typed}
        onChange={(e) => setTyped(e.currentTarget.value)}
      />
      <Command line={lostCommand(name, reason)} />
      <ProblemNote error={report.error} />
      <div className="actions">
        <Button type="submit" color="red" disabled={typed !== name} loading={report.isPending}>
          Report 1 device lost
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
