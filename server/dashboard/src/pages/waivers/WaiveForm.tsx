// Accepting the failure of a check: for whom, why, by whom and until when.
import { NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, withQuery } from '../../api/client';
import { checkQuery } from '../../api/fleet';
import type { Device, NewWaiver, Page, Waiver } from '../../api/types';
import { useChange } from '../../api/useChange';
import { DialogButton } from '../../components/DialogButton';
import { FormEnd } from '../../components/FormEnd';
import { Command } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { days, endOf, waiverCommand } from './waive';

interface Props {
  check: string;
  /** What may be waived; asked for in words when absent. */
  targets?: string[];
}

/** The way to the form; auditors see none. */
export function WaiveButton({ check, targets }: Props) {
  return (
    <DialogButton label="Waive" title={`Waive ${visible(check)}`} look="other">
      {(close) => <WaiveForm check={check} targets={targets} onDone={close} />}
    </DialogButton>
  );
}

function WaiveForm({ check, targets, onDone }: Props & { onDone: () => void }) {
  const [{ first, last, usual }] = useState(() => days(Date.now()));
  const [target, setTarget] = useState(targets?.[0] ?? '');
  const [reason, setReason] = useState('');
  const [owner, setOwner] = useState('');
  const [day, setDay] = useState(usual);
  const waive = useChange((body: NewWaiver) => api.post<Waiver>('/waivers', body), onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    waive.mutate({ check, target, reason: reason.trim(), owner: owner.trim() || null, until: endOf(day) });
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>
        The failure is accepted for a time: it is counted and shown as waived, and no longer makes a device failing.
        When the time is over it does so again by itself.
      </p>
      {targets ? (
        <NativeSelect label="Where" data={targets} value={target} onChange={(e) => setTarget(e.currentTarget.value)} />
      ) : (
        <TextInput
          label="Where"
          description="device:lap-ada, label:laptop or everyone"
          required
          withAsterisk={false}
          value={target}
          onChange={(e) => setTarget(e.currentTarget.value.trim())}
        />
      )}
      <Reach check={check} target={target} />
      <TextInput
        label="Reason"
        description="For whoever reads the report."
        required
        withAsterisk={false}
        value={reason}
        onChange={(e) => setReason(e.currentTarget.value)}
      />
      <TextInput
        label="Accepted by"
        description="Who answers for it; you when empty."
        value={owner}
        onChange={(e) => setOwner(e.currentTarget.value)}
      />
      <TextInput
        label="Last day"
        description="A year from now at most."
        type="date"
        required
        withAsterisk={false}
        min={first}
        max={last}
        value={day}
        onChange={(e) => setDay(e.currentTarget.value)}
      />
      <Command line={waiverCommand({ check, target, reason, owner, day })} />
      <FormEnd verb="Waive" error={waive.error} isPending={waive.isPending} onCancel={onDone} />
    </form>
  );
}

/** How far it reaches, as far as that can be said before it is made. */
function Reach({ check, target }: { check: string; target: string }) {
  const label = /^label:(.+)$/.exec(target)?.[1];
  const { data: known } = useQuery({ ...checkQuery(check), enabled: target === 'everyone' });
  const { data: page } = useQuery({
    queryKey: ['devices', 'reach', target],
    queryFn: () => api.get<Page<Device>>(withQuery('/devices', { label, limit: 1 })),
    enabled: label !== undefined,
  });
  if (target === 'everyone' && known) {
    return <p>It fails on {counted(known.check.counts.fail, 'device')} now, and covers those that fail later too.</p>;
  }
  if (label && page) {
    return <p>{counted(page.total, 'device')} with this label; those that get it later are covered too.</p>;
  }
  return null;
}
