// A waiting machine: what it claims, and letting it in by the code on its console.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { ApproveRequest, Device, Pending } from '../../api/types';
import { Facts, ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { visible } from '../../components/visible';

export function Claims({ device, pending }: { device: Device; pending: Pending }) {
  const mayChange = useMayChange();
  return (
    <section className="claims" aria-labelledby="claims-title">
      <h2 id="claims-title">Waiting for approval</h2>
      <p className="dim">
        This is what the machine says of itself, and none of it is proven. Compare the code with the one on
        its console before you let it in.
      </p>
      <Facts
        rows={[
          [
            'Code',
            <span key="code" className="code">
              {visible(pending.code)}
            </span>,
          ],
          ['Claims serial', visible(pending.serial)],
          ['Claims host name', visible(pending.hostname)],
          ['Claims model', visible(pending.model)],
          ['Called from', visible(pending.address)],
          ['Waiting since', <Time key="since" at={pending.since} side="start" />],
        ]}
      />
      {mayChange && <ApproveForm device={device} />}
    </section>
  );
}

function ApproveForm({ device }: { device: Device }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [code, setCode] = useState('');
  const [name, setName] = useState(device.name);
  const approve = useMutation({
    mutationFn: (body: ApproveRequest) =>
      api.post<Device>(`/devices/${encodeURIComponent(device.id)}/approve`, body),
    onSuccess: async (approved) => {
      await client.invalidateQueries();
      await navigate({ to: '/devices/$id', params: { id: approved.name || approved.id }, replace: true });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    approve.mutate({ code, name: name && name !== device.name ? name : null });
  };
  return (
    <form className="form" onSubmit={submit} style={{ maxWidth: 420, marginTop: 14 }}>
      <TextInput
        label="Code on its console"
        placeholder="7KQ-M2D"
        autoComplete="off"
        required
        withAsterisk={false}
        value={code}
        onChange={(e) => setCode(e.currentTarget.value)}
      />
      <TextInput
        label="Name"
        autoComplete="off"
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
      />
      <ProblemNote error={approve.error} />
      <div className="actions">
        <Button type="submit" loading={approve.isPending}>
          Approve
        </Button>
      </div>
    </form>
  );
}
