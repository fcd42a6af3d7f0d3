// What an admin can do to a device.
import { Button, Modal, TagsInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Device, DeviceDetail, DevicePatch, RevealedPassword } from '../../api/types';
import { CopyButton, Note, ProblemNote } from '../../components/parts';
import { useMayChange } from '../../components/useMayChange';
import { visible } from '../../components/visible';
import { isOut } from '../../components/words';
import { PauseForm } from '../holds/PauseForm';
import { PlanOfProfile } from '../plan/PlanForm';
import { LostForm } from './LostForm';
import { ReenrollForm } from './ReenrollForm';
import { ResumeButton } from './ResumeButton';

type Dialog = 'edit' | 'lost' | 'pause' | 'plan' | 'reenroll' | 'reveal' | 'revoke';

export function Actions({ detail }: { detail: DeviceDetail }) {
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const { device, passwords } = detail;
  const close = () => setDialog(null);
  const isIn = device.state === 'enrolled' || device.state === 'ready';
  if (!useMayChange()) return null;
  return (
    <div className="actions">
      {passwords.length > 0 && (
        <Button variant="default" size="xs" onClick={() => setDialog('reveal')}>
          Reveal first-login password
        </Button>
      )}
      {isIn && (
        <>
          <Button variant="default" size="xs" onClick={() => setDialog('plan')}>
            Plan
          </Button>
          {detail.paused ? (
            <ResumeButton pause={detail.paused.pause} />
          ) : (
            <Button variant="default" size="xs" onClick={() => setDialog('pause')}>
              Pause
            </Button>
          )}
        </>
      )}
      <Button variant="default" size="xs" onClick={() => setDialog('edit')}>
        Edit
      </Button>
      {device.state !== 'registered' && device.state !== 'pending' && (
        <Button variant="default" size="xs" onClick={() => setDialog('reenroll')}>
          Allow re-enrollment
        </Button>
      )}
      {isIn && !detail.lost && (
        <Button variant="outline" color="red" size="xs" onClick={() => setDialog('lost')}>
          Report lost
        </Button>
      )}
      {!isOut(device) && device.state !== 'registered' && (
        <Button variant="outline" color="red" size="xs" onClick={() => setDialog('revoke')}>
          Revoke
        </Button>
      )}
      <Modal opened={dialog === 'edit'} onClose={close} title={`Edit ${visible(device.name)}`}>
        <EditForm device={device} onDone={close} />
      </Modal>
      <Modal opened={dialog === 'plan'} onClose={close} title={`Plan on ${visible(device.name)}`} size="xl">
        <PlanOfProfile device={device.name} />
      </Modal>
      <Modal opened={dialog === 'pause'} onClose={close} title={`Pause ${visible(device.name)}`} size="lg">
        <PauseForm target={`device:${device.name}`} onDone={close} />
      </Modal>
      <Modal
        opened={dialog === 'reenroll'}
        onClose={close}
        title={`Let ${visible(device.name)} enroll again`}
      >
        <ReenrollForm device={device} onDone={close} />
      </Modal>
      <Modal opened={dialog === 'lost'} onClose={close} title={`Report ${visible(device.name)} lost`} size="lg">
        <LostForm device={device} onDone={close} />
      </Modal>
      <Modal opened={dialog === 'reveal'} onClose={close} title="First-login password">
        <Reveal detail={detail} />
      </Modal>
      <Modal opened={dialog === 'revoke'} onClose={close} title={`Revoke ${visible(device.name)}`}>
        <RevokeForm device={device} onDone={close} />
      </Modal>
    </div>
  );
}

function pathOf(device: Device): string {
  return `/devices/${encodeURIComponent(device.id)}`;
}

function EditForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState(device.name);
  const [owner, setOwner] = useState(device.owner ?? '');
  const [labels, setLabels] = useState(device.labels);
  const save = useMutation({
    mutationFn: (patch: DevicePatch) => api.patch<DeviceDetail>(pathOf(device), patch),
    onSuccess: async (saved) => {
      await client.invalidateQueries();
      onDone();
      const id = saved.device.name || saved.device.id;
      await navigate({ to: '/devices/$id', params: { id }, search: true, replace: true });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate({ name, owner, labels });
  };
  return (
    <form className="form" onSubmit={submit}>
      <TextInput
        label="Name"
        required
        withAsterisk={false}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
      />
      <TextInput
        label="Owner"
        description="User name of the person it is assigned to; empty for none."
        value={owner}
        onChange={(e) => setOwner(e.currentTarget.value)}
      />
      <TagsInput
        label="Labels"
        description="Profiles reach devices by their labels: changing them changes what is assigned."
        value={labels}
        onChange={setLabels}
      />
      <ProblemNote error={save.error} />
      <div className="actions">
        <Button type="submit" loading={save.isPending}>
          Save
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function RevokeForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState('');
  const name = device.name || device.id;
  const revoke = useMutation({
    mutationFn: () => api.post<Device>(`${pathOf(device)}/revoke`),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed === name) revoke.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>
        1 device: <strong>{visible(name)}</strong>. Its link is cut at once and its certificates are no longer
        accepted. What was applied stays on it. To come back it has to enroll again.
      </p>
      <TextInput
        label={`Type ${visible(name)} to confirm`}
        autoComplete="off"
        value={typed}
        onChange={(e) => setTyped(e.currentTarget.value)}
      />
      <ProblemNote error={revoke.error} />
      <div className="actions">
        <Button type="submit" color="red" disabled={typed !== name} loading={revoke.isPending}>
          Revoke 1 device
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function Reveal({ detail }: { detail: DeviceDetail }) {
  const client = useQueryClient();
  const [revealed, setRevealed] = useState<RevealedPassword>();
  const reveal = useMutation({
    // The password is kept by this dialog alone: never in the cache of answers.
    mutationFn: (account: string) =>
      api.post<RevealedPassword>(
        `${pathOf(detail.device)}/first-login-passwords/${encodeURIComponent(account)}/reveal`,
      ),
    gcTime: 0,
    onSuccess: async (password) => {
      setRevealed(password);
      await client.invalidateQueries({ queryKey: ['device'] });
    },
  });
  if (revealed) {
    return (
      <div className="form">
        <p>
          For <strong>{visible(revealed.account)}</strong>. It has to be changed at the first login.
        </p>
        <p>
          <span className="secret">{revealed.password}</span>{' '}
          <CopyButton text={revealed.password} label="Copy the password" />
        </p>
        <Note tone="act">This is shown once. After closing, nobody can see it again.</Note>
      </div>
    );
  }
  return (
    <div className="form">
      <p>The password can be seen once, by one admin. That you looked is audited.</p>
      <ProblemNote error={reveal.error} />
      <div className="actions">
        {detail.passwords.map((account) => (
          <Button key={account} loading={reveal.isPending} onClick={() => reveal.mutate(account)}>
            Reveal for {visible(account)}
          </Button>
        ))}
      </div>
    </div>
  );
}
