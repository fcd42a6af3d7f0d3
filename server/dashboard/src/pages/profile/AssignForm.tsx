// Assigning a revision: the devices say first what they would do, and the same as a command is beside it.
import { Button, NativeSelect, NumberInput, Switch, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import { revisionQuery } from '../../api/queries';
import type {
  AssignmentResult,
  FleetPlan,
  NewAssignment,
  NewRollout,
  ProfileDetail,
  Rollout,
} from '../../api/types';
import { Command, ProblemNote } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { FleetPlanView } from '../plan/FleetPlanView';
import { commandOf, given, type Param, paramsOf, replacesWords } from './assign';
import { StepByStep } from './StepByStep';
import { firstWords, sizeProblem, sizesOf, type Terms } from './terms';

export function AssignForm({ detail, onDone }: { detail: ProfileDetail; onDone: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { name, newest } = detail.profile;
  const [asked, setAsked] = useState<NewAssignment>({
    profile: name,
    revision: newest,
    target: '',
    precedence: 0,
    mode: 'enforce',
    params: {},
  });
  const [terms, setTerms] = useState<Terms>();
  const revision = useQuery(revisionQuery(name, asked.revision ?? newest));
  const params = paramsOf(revision.data?.document);
  const body = { ...asked, params: given(params, asked.params ?? {}) };
  const plan = useMutation({
    mutationFn: (sent: NewAssignment) => api.post<FleetPlan>('/assignments/plan', sent),
    gcTime: 0,
  });
  const assign = useMutation({
    mutationFn: (sent: NewAssignment) => api.post<AssignmentResult>('/assignments', sent),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  const start = useMutation({
    mutationFn: (sent: NewRollout) => api.post<Rollout>('/rollouts', sent),
    onSuccess: async ({ id }) => {
      await client.invalidateQueries();
      onDone();
      await navigate({ to: '/rollouts/$id', params: { id } });
    },
  });
  const change = (part: Partial<NewAssignment>) => {
    setAsked({ ...asked, ...part });
    plan.reset();
    assign.reset();
    start.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!plan.data) plan.mutate(body);
    else if (terms) start.mutate({ assignment: body, steps: sizesOf(terms), soak: terms.soak });
    else assign.mutate(body);
  };
  const isWrong = terms !== undefined && sizesOf(terms).some(sizeProblem);
  const isBlocked = isWrong || (plan.data?.conflicts.length ?? 0) > 0;
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
      {!asked.follow && <StepByStep terms={terms} onChange={setTerms} />}
      {!terms && (
        <Switch
          label="Follow the profile"
          description="Each revision that is saved later takes the place of this one by itself."
          checked={asked.follow ?? false}
          onChange={(e) => change({ follow: e.currentTarget.checked })}
        />
      )}
      <ProblemNote error={revision.error} />
      <Command line={commandOf(body, terms)} />
      {plan.isPending && (
        <p className="dim" role="status">
          Asking the devices what they would do, for at most ten seconds.
        </p>
      )}
      {plan.data && (
        <FleetPlanView plan={plan.data} replaces={plan.data.replaces ? replacesWords(plan.data.replaces) : undefined} />
      )}
      <ProblemNote error={plan.error ?? assign.error ?? start.error} />
      <div className="actions">
        <Button
          type="submit"
          loading={plan.isPending || assign.isPending || start.isPending}
          disabled={isBlocked}
        >
          {plan.data ? confirmWords(plan.data, terms) : 'Preview'}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** What the button does, counted. */
function confirmWords({ devices }: FleetPlan, terms: Terms | undefined): string {
  return terms ? `Begin with ${firstWords(terms, devices)}` : `Assign to ${counted(devices, 'device')}`;
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
