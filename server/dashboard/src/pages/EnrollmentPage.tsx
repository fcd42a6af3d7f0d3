// Who waits to be let in, and the tokens by which devices enroll.
import { Button, Modal, NativeSelect, NumberInput, TagsInput, TextInput } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api } from '../api/client';
import { devicesQuery, tokensQuery } from '../api/queries';
import type { CreatedToken, Device, NewToken, Token } from '../api/types';
import { DeviceBadge } from '../components/Badge';
import { type Column, DataTable } from '../components/DataTable';
import { CopyButton, Empty, Labels, Note, ProblemNote } from '../components/parts';
import { Time, useNow } from '../components/Time';
import { useMayChange } from '../components/useMayChange';
import { visible, who } from '../components/visible';

const PENDING: Column<Device>[] = [
  { id: 'state', header: 'State', cell: (row) => <DeviceBadge word={row.state} device={row.id} />, width: '112px' },
  {
    id: 'name',
    header: 'Device',
    cell: (row) => (
      <Link className="name" to="/devices/$id" params={{ id: row.id }}>
        {visible(row.name || row.serial || row.id)}
      </Link>
    ),
  },
  { id: 'serial', header: 'Claims serial', cell: (row) => visible(row.serial) || '–', from: 'medium' },
  {
    id: 'since',
    header: 'Since',
    cell: (row) => <Time at={row.waiting_since ?? row.registered} />,
    width: '112px',
    align: 'end',
  },
];

export function EnrollmentPage() {
  const pending = useInfiniteQuery(devicesQuery({ state: 'pending' }));
  const tokens = useQuery(tokensQuery);
  const mayChange = useMayChange();
  const [isCreating, setCreating] = useState(false);
  return (
    <>
      <title>Enrollment · Muster</title>
      <div className="pagehead">
        <h1>Enrollment</h1>
        {mayChange && (
          <div className="actions">
            <Button size="xs" onClick={() => setCreating(true)}>
              Create token
            </Button>
          </div>
        )}
      </div>
      <section aria-labelledby="pending">
        <h2 id="pending">Waiting for approval</h2>
        {pending.error && !pending.data ? (
          <ProblemNote error={pending.error} />
        ) : (
          <DataTable
            label="Waiting for approval"
            columns={PENDING}
            rows={pending.data?.pages.flatMap((page) => page.items)}
            keyOf={(row) => row.id}
            empty={
              <p className="dim">
                No device waits. One does when its serial is not registered and its token lets it ask, or when the
                device has an owner and its token is not bound to its serial.
              </p>
            }
          />
        )}
      </section>
      <section className="section" aria-labelledby="tokens">
        <h2 id="tokens">Tokens</h2>
        {tokens.error && !tokens.data ? <ProblemNote error={tokens.error} /> : <Tokens rows={tokens.data} />}
      </section>
      <Modal opened={isCreating} onClose={() => setCreating(false)} title="Create token" size="lg">
        <CreateForm onDone={() => setCreating(false)} />
      </Modal>
    </>
  );
}

function Tokens({ rows }: { rows: Token[] | undefined }) {
  const mayChange = useMayChange();
  const now = useNow();
  const [revoking, setRevoking] = useState<Token>();
  const isUsable = (row: Token) => !row.revoked && row.uses_left > 0 && Date.parse(row.expires) > now;
  const columns: Column<Token>[] = [
    {
      id: 'id',
      header: 'Token',
      cell: (row) => <code className={isUsable(row) ? '' : 'dim'}>{row.id}</code>,
      width: '22%',
    },
    { id: 'labels', header: 'Labels given', cell: (row) => <Labels labels={row.labels} />, from: 'medium' },
    {
      id: 'uses',
      header: 'Uses left',
      cell: (row) => `${row.uses_left} of ${row.uses}`,
      sort: (row) => row.uses_left,
      width: '100px',
    },
    {
      id: 'unknown',
      header: 'Unknown serials',
      cell: (row) =>
        row.serial ? `only ${visible(row.serial)}` : row.unknown === 'pending' ? 'wait' : 'refused',
      width: '16%',
      from: 'medium',
    },
    { id: 'by', header: 'By', cell: (row) => who(row.created_by), width: '12%', from: 'wide' },
    {
      id: 'expires',
      header: 'Ends',
      cell: (row) => (row.revoked ? <span className="dim">revoked</span> : <Time at={row.expires} />),
      sort: (row) => Date.parse(row.expires),
      width: '112px',
      align: 'end',
    },
    {
      id: 'revoke',
      header: 'Actions',
      isQuiet: true,
      cell: (row) =>
        mayChange && isUsable(row) ? (
          <button
            type="button"
            className="iconbutton"
            aria-label={`Revoke ${row.id}`}
            onClick={() => setRevoking(row)}
          >
            Revoke
          </button>
        ) : null,
      width: '82px',
      align: 'end',
    },
  ];
  return (
    <>
      <DataTable
        label="Tokens"
        columns={columns}
        rows={rows}
        keyOf={(row) => row.id}
        empty={
          <Empty
            title="No tokens"
            why="A device needs one to enroll: it travels in a join file, and is erased once it is used."
            next="muster token create --label laptop --uses 10 --expires 7d --print toml"
          />
        }
      />
      <Modal opened={revoking !== undefined} onClose={() => setRevoking(undefined)} title="Revoke token">
        {revoking && <RevokeForm token={revoking} onDone={() => setRevoking(undefined)} />}
      </Modal>
    </>
  );
}

function RevokeForm({ token, onDone }: { token: Token; onDone: () => void }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => api.delete(`/tokens/${encodeURIComponent(token.id)}`),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: tokensQuery.queryKey });
      onDone();
    },
  });
  return (
    <div className="form">
      <p>
        1 token: <code>{token.id}</code>, {token.uses_left} of {token.uses} uses left. Devices that have
        enrolled with it stay enrolled.
      </p>
      <ProblemNote error={revoke.error} />
      <div className="actions">
        <Button color="red" loading={revoke.isPending} onClick={() => revoke.mutate()}>
          Revoke 1 token
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </div>
  );
}

function CreateForm({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const [asked, setAsked] = useState<NewToken>({
    labels: [],
    uses: 1,
    hours: 24,
    serial: null,
    unknown: 'pending',
  });
  const create = useMutation({
    mutationFn: (body: NewToken) => api.post<CreatedToken>('/tokens', body),
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: tokensQuery.queryKey }),
  });
  const change = (part: Partial<NewToken>) => setAsked({ ...asked, ...part });
  if (create.data) return <Created created={create.data} onDone={onDone} />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(asked);
  };
  return (
    <form className="form" onSubmit={submit}>
      <TagsInput
        label="Labels"
        description="Devices that enroll with it get these."
        value={asked.labels ?? []}
        onChange={(labels) => change({ labels })}
      />
      <NumberInput
        label="Uses"
        min={1}
        allowDecimal={false}
        value={asked.uses ?? 1}
        onChange={(value) => change({ uses: Number(value) || 1 })}
      />
      <NumberInput
        label="Ends after (hours)"
        min={1}
        allowDecimal={false}
        value={asked.hours ?? 24}
        onChange={(value) => change({ hours: Number(value) || 24 })}
      />
      <TextInput
        label="Only for serial"
        description="Empty for any. A device that stands for a person needs this, or an approval."
        value={asked.serial ?? ''}
        onChange={(e) => change({ serial: e.currentTarget.value || null })}
      />
      <NativeSelect
        label="Serials that are not registered"
        data={[
          { value: 'pending', label: 'wait for approval' },
          { value: 'refuse', label: 'are refused' },
        ]}
        value={asked.unknown}
        onChange={(e) => change({ unknown: e.currentTarget.value === 'refuse' ? 'refuse' : 'pending' })}
      />
      <ProblemNote error={create.error} />
      <div className="actions">
        <Button type="submit" loading={create.isPending}>
          Create token
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function Created({ created, onDone }: { created: CreatedToken; onDone: () => void }) {
  return (
    <div className="form">
      <p>
        Put this on the device as <code>/etc/muster/join.toml</code>, readable by root only, then run{' '}
        <code>sudo muster-agent enroll --join-file /etc/muster/join.toml</code>.
      </p>
      <div className="diff">
        <pre style={{ margin: 0, padding: 12, overflowX: 'auto' }}>{created.join_file}</pre>
      </div>
      <Note tone="act">The secret in it is shown once.</Note>
      <div className="actions">
        <CopyButton text={created.join_file} label="Copy the join file" />
        <Button onClick={onDone}>Done</Button>
      </div>
    </div>
  );
}
