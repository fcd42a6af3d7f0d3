// Assigning a revision: the server says first what would happen, and the same as a command is beside it.
import { Button, NativeSelect, NumberInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { AssignmentResult, NewAssignment, ProfileDetail } from '../../api/types';
import { Command, Note, ProblemNote } from '../../components/parts';
import { visible } from '../../components/visible';

/** The same assignment as a command line. */
export function commandOf(asked: NewAssignment): string {
  const words = ['muster assign', `${asked.profile}@${asked.revision}`, '--to', asked.target || 'label:…'];
  if (asked.mode === 'audit') words.push('--mode audit');
  if (asked.precedence) words.push(`--precedence ${asked.precedence}`);
  for (const [name, value] of Object.entries(asked.params ?? {})) words.push(`--param ${name}=${value}`);
  return words.join(' ');
}

export function AssignForm({ detail, onDone }: { detail: ProfileDetail; onDone: () => void }) {
  const client = useQueryClient();
  const { name, newest } = detail.profile;
  const [asked, setAsked] = useState<NewAssignment>({
    profile: name,
    revision: newest,
    target: '',
    precedence: 0,
    mode: 'enforce',
    params: {},
  });
  const preview = useMutation({
    mutationFn: (body: NewAssignment) => api.post<AssignmentResult>('/assignments?dry_run=true', body),
  });
  const assign = useMutation({
    mutationFn: (body: NewAssignment) => api.post<AssignmentResult>('/assignments', body),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  const change = (part: Partial<NewAssignment>) => {
    setAsked({ ...asked, ...part });
    preview.reset();
    assign.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (preview.data) assign.mutate(asked);
    else preview.mutate(asked);
  };
  const isBlocked = (preview.data?.conflicts.length ?? 0) > 0;
  const count = preview.data?.devices.length ?? 0;
  return (
    <form className="form" onSubmit={submit}>
      <NativeSelect
        label="Revision"
        data={detail.revisions.map((each) => ({
          value: String(each.number),
          label: `${name}@${each.number}`,
        }))}
        value={String(asked.revision)}
        onChange={(e) => change({ revision: Number(e.currentTarget.value) })}
      />
      <TextInput
        label="To"
        description="label:laptop, device:lap-ada or everyone"
        required
        withAsterisk={false}
        value={asked.target}
        onChange={(e) => change({ target: e.currentTarget.value.trim() })}
      />
      <NativeSelect
        label="Mode"
        data={[
          { value: 'enforce', label: 'enforce: make it so' },
          { value: 'audit', label: 'audit: look and report, never write' },
        ]}
        value={asked.mode}
        onChange={(e) => change({ mode: e.currentTarget.value === 'audit' ? 'audit' : 'enforce' })}
      />
      <NumberInput
        label="Precedence"
        description="Higher wins the whole resource; equal with different content is a conflict."
        allowDecimal={false}
        value={asked.precedence}
        onChange={(value) => change({ precedence: Number(value) || 0 })}
      />
      <Command line={commandOf(asked)} />
      {preview.data && <Preview result={preview.data} />}
      <ProblemNote error={preview.error ?? assign.error} />
      <div className="actions">
        <Button type="submit" loading={preview.isPending || assign.isPending} disabled={isBlocked}>
          {preview.data ? `Assign to ${count === 1 ? '1 device' : `${count} devices`}` : 'Preview'}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

const NAMED = 8;

function Preview({ result }: { result: AssignmentResult }) {
  const { devices, conflicts, warnings, resources } = result;
  const named = devices.slice(0, NAMED).map(visible).join(', ');
  return (
    <Note tone={conflicts.length > 0 || warnings.length > 0 ? 'act' : 'good'}>
      {devices.length === 0
        ? 'It reaches no device now; it will when one fits.'
        : `It reaches ${devices.length}: ${named}${devices.length > NAMED ? ', …' : ''}.`}{' '}
      {resources} resources, {conflicts.length} conflicts.
      <ul>
        {conflicts.map((conflict) => (
          <li key={conflict.resource}>
            <code>{visible(conflict.resource)}</code>: {conflict.profiles.join(' and ')} want different things
            on {conflict.devices.map(visible).join(', ')}. Give one a higher precedence.
          </li>
        ))}
        {warnings.map((warning) => (
          <li key={warning}>{visible(warning)}</li>
        ))}
      </ul>
    </Note>
  );
}
