// Deletes a device that is not in: what goes with it is said before, and its name is typed.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { api } from '../../api/client';
import type { Device } from '../../api/types';
import { ByName } from '../../components/ByName';
import { Command } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { visible } from '../../components/visible';

export function DeleteForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const name = device.name || device.id;
  const remove = useMutation({
    mutationFn: () => api.delete<null>(`/devices/${encodeURIComponent(device.id)}`),
    onSuccess: async () => {
      // Away first: this page would ask for a device that is gone.
      await navigate({ to: '/devices' });
      await client.invalidateQueries();
    },
  });
  return (
    <ByName
      name={name}
      verb="Delete 1 device"
      error={remove.error}
      isPending={remove.isPending}
      onConfirm={() => remove.mutate()}
      onCancel={onDone}
    >
      <p>
        1 device: <strong>{visible(name)}</strong>, serial {visible(device.serial)}. Its record and all that it reported
        are gone for good; what was assigned to it alone ends. Its name and serial can be registered again. The audit
        keeps what was done with it.
      </p>
      <Command line={`muster device delete ${quoted(name)}`} />
    </ByName>
  );
}
