// Rolling a profile back: what goes back for how many devices, before it does.
import { Button, NativeSelect } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { ProfileDetail, Rollback, RollbackResult } from '../../api/types';
import { Names } from '../../components/Names';
import { Command, Note, ProblemNote } from '../../components/parts';
import { useTyped } from '../../components/Typed';
import { counted, visible } from '../../components/visible';

export function RollbackForm({ detail, onDone }: { detail: ProfileDetail; onDone: () => void }) {
  const { name } = detail.profile;
  const client = useQueryClient();
  const [to, setTo] = useState<number | null>(null);
  const path = `/profiles/${encodeURIComponent(name)}/rollback`;
  const rollBack = useMutation({
    mutationFn: (plan: string) =>
      api.post<RollbackResult>(`${path}?dry_run=false`, { to, plan } satisfies Rollback),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  const preview = useQuery({
    queryKey: ['rollback', name, to],
    queryFn: () => api.post<RollbackResult>(`${path}?dry_run=true`, { to } satisfies Rollback),
    // Once it is being done there is nothing left to ask about: it would be refused, as nothing older may be pinned.
    enabled: rollBack.isIdle || rollBack.isError,
    // What it would do may have changed since it was last asked.
    gcTime: 0,
  });
  const devices = preview.data?.moves.reduce((sum, move) => sum + move.devices, 0) ?? 0;
  const typed = useTyped(devices);
  const isBlocked = (preview.data?.conflicts.length ?? 0) > 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (preview.data && typed.isConfirmed && !isBlocked) rollBack.mutate(preview.data.plan);
  };
  return (
    <form className="form" onSubmit={submit}>
      <NativeSelect
        label="Back to"
        description="Precedence, mode and parameters go back with the revision."
        data={[
          { value: '', label: 'what each assignment pinned before' },
          ...detail.revisions.map(({ number }) => ({ value: String(number), label: `${name}@${number}` })),
        ]}
        value={to === null ? '' : String(to)}
        onChange={(e) => setTo(e.currentTarget.value ? Number(e.currentTarget.value) : null)}
      />
      <Command line={`muster rollback ${name}${to === null ? '' : ` --to ${to}`}`} />
      {preview.isPending && <span className="bone" />}
      {preview.data && <Preview result={preview.data} />}
      {typed.field}
      <ProblemNote error={preview.error ?? rollBack.error} />
      <div className="actions">
        <Button
          type="submit"
          color="red"
          loading={rollBack.isPending}
          disabled={!preview.data || isBlocked || !typed.isConfirmed}
        >
          {preview.data ? `Roll back on ${counted(devices, 'device')}` : 'Roll back'}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function Preview({ result }: { result: RollbackResult }) {
  const { profile, assignments, moves, conflicts, warnings } = result;
  return (
    <Note tone={conflicts.length > 0 || warnings.length > 0 ? 'act' : 'good'}>
      {assignments.length === 0 && 'No assignment of it changes.'}
      <ul>
        {assignments.map((each) => (
          <li key={each.target}>
            {profile}@{each.from} to {visible(each.target)} is {profile}@{each.to} again
            {each.follows && ', and takes each revision that is saved, as before: the next one at once'}
          </li>
        ))}
        {moves.map((move) => (
          <li key={`${move.from} ${move.to}`}>
            {counted(move.devices, 'device')} {move.devices === 1 ? 'goes' : 'go'} from {move.from} to {move.to}:{' '}
            <Names names={move.names} count={move.devices} />
          </li>
        ))}
        {conflicts.map((conflict) => (
          <li key={conflict.resource}>
            <code>{visible(conflict.resource)}</code>: {conflict.profiles.join(' and ')} would want different things
            on {conflict.devices.map(visible).join(', ')}.
          </li>
        ))}
        {warnings.map((warning) => (
          <li key={warning}>{visible(warning)}</li>
        ))}
      </ul>
    </Note>
  );
}
