// What an admin can do to a device.
import { Button, TagsInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Device, DeviceDetail, DevicePatch, RevealedPassword } from '../../api/types';
import { useChange } from '../../api/useChange';
import { ByName } from '../../components/ByName';
import { DialogButton } from '../../components/DialogButton';
import { FormEnd } from '../../components/FormEnd';
import { CopyButton, Note, ProblemNote } from '../../components/parts';
import { useMayChange } from '../../components/useMayChange';
import { visible } from '../../components/visible';
import { isOut } from '../../components/words';
import { PauseForm } from '../holds/PauseForm';
import { PlanOfProfile } from '../plan/PlanForm';
import { DeleteForm } from './DeleteForm';
import { LostForm } from './LostForm';
import { ReenrollForm } from './ReenrollForm';
import { ResumeButton } from './ResumeButton';

export function Actions({ detail }: { detail: DeviceDetail }) {
  const { device, passwords } = detail;
  const name = visible(device.name || device.id);
  const isIn = device.state === 'enrolled' || device.state === 'ready';
  if (!useMayChange()) return null;
  return (
    <div className="actions">
      {passwords.length > 0 && (
        <DialogButton label="Reveal first-login password" title="First-login password" size="md" look="other">
          {() => <Reveal detail={detail} />}
        </DialogButton>
      )}
      {isIn && (
        <>
          <DialogButton label="Plan" title={`Plan on ${name}`} size="xl" look="other">
            {() => <PlanOfProfile device={device.name} />}
          </DialogButton>
          {device.connected && <ApplyNow device={device} />}
          {detail.paused ? (
            <ResumeButton pause={detail.paused.pause} />
          ) : (
            <DialogButton label="Pause" title={`Pause ${name}`} look="other">
              {(close) => <PauseForm target={`device:${device.name}`} onDone={close} />}
            </DialogButton>
          )}
        </>
      )}
      <DialogButton label="Edit" title={`Edit ${name}`} size="md" look="other">
        {(close) => <EditForm device={device} onDone={close} />}
      </DialogButton>
      {device.state !== 'registered' && device.state !== 'pending' && (
        <DialogButton label="Allow re-enrollment" title={`Let ${name} enroll again`} size="md" look="other">
          {(close) => <ReenrollForm device={device} onDone={close} />}
        </DialogButton>
      )}
      {isIn && !detail.lost && (
        <DialogButton label="Report lost" title={`Report ${name} lost`} look="danger">
          {(close) => <LostForm device={device} onDone={close} />}
        </DialogButton>
      )}
      {!isOut(device) && device.state !== 'registered' && (
        <DialogButton label="Revoke" title={`Revoke ${name}`} size="md" look="danger">
          {(close) => <RevokeForm device={device} onDone={close} />}
        </DialogButton>
      )}
      {(isOut(device) || device.state === 'registered') && (
        <DialogButton label="Delete" title={`Delete ${name}`} size="md" look="danger">
          {(close) => <DeleteForm device={device} onDone={close} />}
        </DialogButton>
      )}
    </div>
  );
}

function pathOf(device: Device): string {
  return `/devices/${encodeURIComponent(device.id)}`;
}

/** Has a connected device converge without waiting for its next turn; what comes of it is told by the page as it reports. */
function ApplyNow({ device }: { device: Device }) {
  const apply = useChange(() => api.post<Device>(`${pathOf(device)}/apply-now`));
  return (
    <>
      <Button variant="default" size="xs" loading={apply.isPending} onClick={() => apply.mutate()}>
        {apply.isSuccess ? 'Told' : 'Apply now'}
      </Button>
      <ProblemNote error={apply.error} />
    </>
  );
}

function EditForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const navigate = useNavigate();
  const [name, setName] = useState(device.name);
  const [owner, setOwner] = useState(device.owner ?? '');
  const [labels, setLabels] = useState(device.labels);
  const save = useChange(
    (patch: DevicePatch) => api.patch<DeviceDetail>(pathOf(device), patch),
    async (saved) => {
      onDone();
      const id = saved.device.name || saved.device.id;
      await navigate({ to: '/devices/$id', params: { id }, search: true, replace: true });
    },
  );
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
      <FormEnd verb="Save" error={save.error} isPending={save.isPending} onCancel={onDone} />
    </form>
  );
}

function RevokeForm({ device, onDone }: { device: Device; onDone: () => void }) {
  const name = device.name || device.id;
  const revoke = useChange(() => api.post<Device>(`${pathOf(device)}/revoke`), onDone);
  return (
    <ByName
      name={name}
      verb="Revoke 1 device"
      error={revoke.error}
      isPending={revoke.isPending}
      onConfirm={() => revoke.mutate()}
      onCancel={onDone}
    >
      <p>
        1 device: <strong>{visible(name)}</strong>. Its link is cut at once and its certificates are no longer
        accepted. What was applied stays on it. To come back it has to enroll again.
      </p>
    </ByName>
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
