// Assigning a revision: the server says first what would happen, and the same as a command is beside it.
import { Button, NativeSelect, NumberInput, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import { revisionQuery } from '../../api/queries';
import type { AssignmentResult, NewAssignment, ProfileDetail } from '../../api/types';
import { Command, Note, ProblemNote } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { commandOf, given, type Param, paramsOf, replacesWords } from './assign';

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
  const revision = useQuery(revisionQuery(name, asked.revision ?? newest));
  const params = paramsOf(revision.data?.document);
  const body = { ...asked, params: given(params, asked.params ?? {}) };
  const preview = useMutation({
    mutationFn: (sent: NewAssignment) => api.post<AssignmentResult>('/assignments?dry_run=true', sent),
  });
  const assign = useMutation({
    mutationFn: (sent: NewAssignment) => api.post<AssignmentResult>('/assignments', sent),
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
    if (preview.data) assign.mutate(body);
    else preview.mutate(body);
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
      <ParamFields
        params={params}
        values={asked.params ?? {}}
        onChange={(param, value) => change({ params: { ...asked.params, [param]: value } })}
      />
      <ProblemNote error={revision.error} />
      <Command line={commandOf(body)} />
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

interface FieldsProps {
  params: Param[];
  values: Record<string, string>;
  onChange: (param: string, value: string) => void;
}

/** A field a parameter. An empty one is not sent: the value of the assignment that is replaced is kept, or else the default holds. */
function ParamFields({ params, values, onChange }: FieldsProps) {
  return params.map((param) => (
    <TextInput
      key={param.name}
      label={`Parameter ${param.name}`}
      description={[
        param.type,
        param.default === undefined ? 'required, unless an assignment that this replaces gives it' : '',
        visible(param.description ?? ''),
      ]
        .filter(Boolean)
        .join('; ')}
      placeholder={param.default}
      withAsterisk={param.default === undefined}
      autoComplete="off"
      value={values[param.name] ?? ''}
      onChange={(e) => onChange(param.name, e.currentTarget.value)}
    />
  ));
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
      {counted(resources, 'resource')}, {counted(conflicts.length, 'conflict')}.
      {result.replaces && ` ${replacesWords(result.replaces)}`}
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
