// Lets a reinstalled device enroll again as itself.
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { api } from '../../api/client';
import type { AllowReenroll, Device } from '../../api/types';
import { Command, ProblemNote } from '../../components/parts';
import { visible } from '../../components/visible';

const DAY: AllowReenroll = { seconds: 86_400 };

export function ReenrollForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const client = useQueryClient();
  const allow = useMutation({
    mutationFn: () => api.post<Device>(`/devices/${encodeURIComponent(device.id)}/allow-reenroll`, DAY),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    allow.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>
        One new key may become <strong>{visible(device.name || device.id)}</strong> within 24 hours. Owner, labels,
        assignments and history stay; the certificates it has now are revoked when the new key is in.
      </p>
      {device.owner && (
        <>
          <p>It belongs to a person: it needs a token for its serial, or waits for your approval.</p>
          <Command line={`muster token create --serial ${visible(device.serial)}`} />
        </>
      )}
      <ProblemNote error={allow.error} />
      <div className="actions">
        <Button type="submit" loading={allow.isPending}>
          Allow re-enrollment
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
