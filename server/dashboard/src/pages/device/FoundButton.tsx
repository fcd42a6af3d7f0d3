// Takes the report of a lost device back, as long as its receipt has not come.
import { Button, Modal } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Device, DeviceDetail } from '../../api/types';
import { Command, ProblemNote } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { visible } from '../../components/visible';

export function FoundButton({ device, wasGiven }: { device: Device; wasGiven: boolean }) {
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const name = device.name || device.id;
  const close = () => setAsking(false);
  const found = useMutation({
    mutationFn: () => api.delete<DeviceDetail>(`/devices/${encodeURIComponent(device.id)}/lost`),
    onSuccess: async () => {
      await client.invalidateQueries();
      close();
    },
  });
  return (
    <>
      <Button variant="default" size="xs" mt={8} onClick={() => setAsking(true)}>
        Found again
      </Button>
      <Modal opened={isAsking} onClose={close} title={`${visible(name)} is found again`}>
        <div className="form">
          <p>
            The report on <strong>{visible(name)}</strong> is taken back, and it goes on as before.{' '}
            {wasGiven &&
              'Its last order was given already: perhaps it has locked its accounts and is off, though no receipt has come.'}
          </p>
          <Command line={`muster device lost ${quoted(visible(name))} --cancel`} />
          <ProblemNote error={found.error} />
          <div className="actions">
            <Button loading={found.isPending} onClick={() => found.mutate()}>
              Take the report back
            </Button>
            <Button variant="default" onClick={close}>
              Leave it reported
            </Button>
          </div>
        </div>
      </Modal>
    </>
  );
}
