// Pausing: what, for how long and why; the count says how many devices it keeps as they are.
import { NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, withQuery } from '../../api/client';
import type { Device, NewPause, Page, Pause } from '../../api/types';
import { useChange } from '../../api/useChange';
import { FormEnd } from '../../components/FormEnd';
import { Command, ProblemNote } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { filterOf, pauseCommand } from './pause';

const HOUR = 3_600;
const SPANS = [
  { value: String(HOUR), label: '1 hour' },
  { value: String(4 * HOUR), label: '4 hours' },
  { value: String(24 * HOUR), label: '1 day' },
  { value: String(7 * 24 * HOUR), label: '7 days' },
  { value: '', label: 'until it is resumed' },
];

/** With `target` given, that is paused; otherwise it is asked for. */
export function PauseForm({ target: given, onDone }: { target?: string; onDone: () => void }) {
  const [target, setTarget] = useState(given ?? '');
  const [seconds, setSeconds] = useState(String(4 * HOUR));
  const [reason, setReason] = useState('');
  const body: NewPause = {
    target,
    seconds: seconds ? Number(seconds) : null,
    reason: reason.trim() || null,
  };
  const pause = useChange((sent: NewPause) => api.post<Pause>('/pauses', sent), onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    pause.mutate(body);
  };
  return (
    <form className="form" onSubmit={submit}>
      {given ? (
        <p>
          <strong>{visible(given)}</strong>: <Reach target={given} />
        </p>
      ) : (
        <TextInput
          label="What"
          description="label:laptop, device:lap-ada, profile:base or everyone"
          required
          withAsterisk={false}
          value={target}
          onChange={(e) => setTarget(e.currentTarget.value.trim())}
        />
      )}
      {!given && filterOf(target) && (
        <p>
          <Reach target={target} />
        </p>
      )}
      <NativeSelect
        label="Until"
        data={SPANS}
        value={seconds}
        onChange={(e) => setSeconds(e.currentTarget.value)}
      />
      <TextInput
        label="Reason"
        description="For whoever wonders why a change does not arrive."
        value={reason}
        onChange={(e) => setReason(e.currentTarget.value)}
      />
      <Command line={pauseCommand(body)} />
      <FormEnd verb="Pause" error={pause.error} isPending={pause.isPending} onCancel={onDone} />
    </form>
  );
}

/** How many devices a target means. */
function Reach({ target }: { target: string }) {
  const means = filterOf(target);
  const filter = means === 'device' ? undefined : means;
  const { data, error } = useQuery({
    queryKey: ['devices', 'reach', target],
    queryFn: () => api.get<Page<Device>>(withQuery('/devices', { ...filter, limit: 1 })),
    enabled: filter !== undefined,
  });
  const keeps = 'the state that it has. Leases still end, and revoking works.';
  if (means === 'device') return <>it keeps {keeps}</>;
  if (error) return <ProblemNote error={error} />;
  if (!data) return <span className="bone" />;
  return (
    <>
      {counted(data.total, 'device')} {data.total === 1 ? 'keeps' : 'keep'}{' '}
      {data.total === 1 ? keeps : keeps.replace('it has', 'they have')}
    </>
  );
}
