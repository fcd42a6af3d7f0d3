// Lets a reinstalled device enroll again as itself.
import type { FormEvent } from 'react';
import { api } from '../../api/client';
import type { AllowReenroll, Device } from '../../api/types';
import { useChange } from '../../api/useChange';
import { FormEnd } from '../../components/FormEnd';
import { Command } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { visible } from '../../components/visible';

const DAY: AllowReenroll = { seconds: 86_400 };

export function ReenrollForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const allow = useChange(
    () => api.post<Device>(`/devices/${encodeURIComponent(device.id)}/allow-reenroll`, DAY),
    onDone,
  );
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
          <Command line={`muster token create --serial ${quoted(visible(device.serial))}`} />
        </>
      )}
      <FormEnd verb="Allow re-enrollment" error={allow.error} isPending={allow.isPending} onCancel={onDone} />
    </form>
  );
}
