// The secrets with which programs ask, and the command lines that are logged in.
import { Button, Modal, MultiSelect, NativeSelect, NumberInput, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import {
  type ApiToken,
  apiTokensQuery,
  type CreatedApiToken,
  type NewApiToken,
  type Role,
  type Scope,
} from '../../api/access';
import { api } from '../../api/client';
import { type Column, DataTable } from '../../components/DataTable';
import { Empty, ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { visible, who } from '../../components/visible';
import { Confirm, Once } from './parts';

const READ: Scope[] = [
  'devices:read',
  'enrollment:read',
  'people:read',
  'profiles:read',
  'artifacts:read',
  'assignments:read',
  'compliance:read',
  'audit:read',
  'access:read',
  'events:read',
  'metrics:read',
];
const WRITE: Scope[] = [
  'devices:write',
  'passwords:write',
  'enrollment:write',
  'people:write',
  'profiles:write',
  'artifacts:write',
  'assignments:write',
  'compliance:write',
];

export function ApiTokens() {
  const tokens = useQuery(apiTokensQuery);
  const mayChange = useMayChange();
  const [isCreating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiToken>();
  return (
    <section className="section" aria-labelledby="api-tokens">
      <div className="pagehead">
        <h2 id="api-tokens">API tokens</h2>
        {mayChange && (
          <div className="actions">
            <Button size="xs" onClick={() => setCreating(true)}>
              Create API token
            </Button>
          </div>
        )}
      </div>
      {tokens.error && !tokens.data ? (
        <ProblemNote error={tokens.error} />
      ) : (
        <DataTable
          label="API tokens"
          columns={columns(mayChange, setRevoking)}
          rows={tokens.data}
          keyOf={(row) => row.id}
          empty={
            <Empty
              title="No API tokens"
              why="A program needs one to ask this server, and a command line keeps one while it is logged in."
              next="muster api-token create grafana --role auditor --scope metrics:read"
            />
          }
        />
      )}
      <Modal opened={isCreating} onClose={() => setCreating(false)} title="Create API token" size="lg">
        <CreateForm onDone={() => setCreating(false)} />
      </Modal>
      <Modal opened={revoking !== undefined} onClose={() => setRevoking(undefined)} title="Revoke API token">
        {revoking && <RevokeForm token={revoking} onDone={() => setRevoking(undefined)} />}
      </Modal>
    </section>
  );
}

function columns(mayChange: boolean, onRevoke: (token: ApiToken) => void): Column<ApiToken>[] {
  return [
    {
      id: 'name',
      header: 'Name',
      cell: (row) => (
        <>
          {visible(row.name)}
          <span className="under">{visible(reachOf(row))}</span>
        </>
      ),
      sort: (row) => row.name,
      wraps: true,
    },
    {
      id: 'reach',
      header: 'Reaches',
      cell: (row) => <span title={reachOf(row)}>{reachOf(row)}</span>,
      width: '26%',
      from: 'medium',
    },
    { id: 'by', header: 'By', cell: (row) => who(row.created_by), width: '12%', from: 'wide' },
    {
      id: 'used',
      header: 'Last used',
      cell: (row) => (row.last_used ? <Time at={row.last_used} /> : <span className="dim">never</span>),
      width: '112px',
      align: 'end',
      from: 'medium',
    },
    {
      id: 'ends',
      header: 'Ends',
      cell: (row) => <Time at={row.expires} />,
      sort: (row) => Date.parse(row.expires),
      width: '112px',
      align: 'end',
    },
    {
      id: 'revoke',
      header: 'Actions',
      isQuiet: true,
      cell: (row) =>
        mayChange ? (
          <button
            type="button"
            className="iconbutton"
            aria-label={`Revoke ${visible(row.name)}, ${row.id}`}
            onClick={() => onRevoke(row)}
          >
            Revoke
          </button>
        ) : null,
      width: '82px',
      align: 'end',
    },
  ];
}

function reachOf(token: ApiToken): string {
  if (token.login) return `a login of ${token.login}`;
  if (token.scopes.length > 0) return token.scopes.join(', ');
  return token.role === 'admin' ? 'everything' : 'reads everything';
}

function RevokeForm({ token, onDone }: { token: ApiToken; onDone: () => void }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => api.delete(`/api-tokens/${encodeURIComponent(token.id)}`),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: apiTokensQuery.queryKey });
      onDone();
    },
  });
  return (
    <Confirm
      verb="Revoke 1 API token"
      error={revoke.error}
      isPending={revoke.isPending}
      onConfirm={() => revoke.mutate()}
      onCancel={onDone}
    >
      <p>
        1 API token: {visible(token.name)}, <code>{token.id}</code>. Whatever uses it is refused from then on.
      </p>
    </Confirm>
  );
}

function CreateForm({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const [asked, setAsked] = useState<NewApiToken>({ name: '', role: 'auditor', days: 90, scopes: [] });
  const create = useMutation({
    mutationFn: (body: NewApiToken) => api.post<CreatedApiToken>('/api-tokens', body),
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: apiTokensQuery.queryKey }),
  });
  const change = (part: Partial<NewApiToken>) => setAsked({ ...asked, ...part });
  if (create.data) {
    return (
      <Once text={create.data.secret} label="Copy the secret" onDone={onDone}>
        <p>
          Sent as <code>Authorization: Bearer</code>.
        </p>
      </Once>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(asked);
  };
  const changeRole = (role: Role) =>
    change({ role, scopes: asked.scopes?.filter((scope) => role === 'admin' || READ.includes(scope)) });
  return (
    <form className="form" onSubmit={submit}>
      <TextInput
        label="Name"
        description="What it is for."
        required
        withAsterisk={false}
        value={asked.name}
        onChange={(e) => change({ name: e.currentTarget.value })}
        data-autofocus
      />
      <NativeSelect
        label="Role"
        data={[
          { value: 'auditor', label: 'Auditor: reads' },
          { value: 'admin', label: 'Admin: reads and changes' },
        ]}
        value={asked.role}
        onChange={(e) => changeRole(e.currentTarget.value === 'admin' ? 'admin' : 'auditor')}
      />
      <MultiSelect
        label="Scopes"
        description="None for everything that the role allows. Write includes read."
        data={asked.role === 'admin' ? [...READ, ...WRITE] : READ}
        value={asked.scopes ?? []}
        onChange={(scopes) => change({ scopes: scopes as Scope[] })}
      />
      <NumberInput
        label="Ends after (days)"
        min={1}
        max={366}
        allowDecimal={false}
        value={asked.days ?? 90}
        onChange={(value) => change({ days: Number(value) || 90 })}
      />
      <ProblemNote error={create.error} />
      <div className="actions">
        <Button type="submit" loading={create.isPending}>
          Create API token
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
