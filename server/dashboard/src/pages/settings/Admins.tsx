// The list of admins.
import './settings.css';
import { Button, Modal, NativeSelect, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import {
  type Admin,
  type AdminLink,
  accountQuery,
  adminsQuery,
  apiTokensQuery,
  type NewAdmin,
  type Role,
} from '../../api/access';
import { api } from '../../api/client';
import { type Column, DataTable } from '../../components/DataTable';
import { ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { Confirm, Once } from './parts';

/** What is being done, and to whom. */
interface Doing {
  verb: 'role' | 'reset' | 'logout' | 'remove';
  admin: Admin;
}

const path = (admin: Admin) => `/admins/${encodeURIComponent(admin.name)}`;

export function Admins() {
  const admins = useQuery(adminsQuery);
  const mayChange = useMayChange();
  const [isAdding, setAdding] = useState(false);
  const [doing, setDoing] = useState<Doing>();
  return (
    <section className="section" aria-labelledby="admins">
      <div className="pagehead">
        <h2 id="admins">Admins</h2>
        {mayChange && (
          <div className="actions">
            <Button size="xs" onClick={() => setAdding(true)}>
              Add admin
            </Button>
          </div>
        )}
      </div>
      {admins.error && !admins.data ? (
        <ProblemNote error={admins.error} />
      ) : (
        <DataTable
          label="Admins"
          columns={columns(mayChange, setDoing)}
          rows={admins.data}
          keyOf={(row) => row.name}
        />
      )}
      <Modal opened={isAdding} onClose={() => setAdding(false)} title="Add admin" size="lg">
        <AddForm onDone={() => setAdding(false)} />
      </Modal>
      <Modal opened={doing !== undefined} onClose={() => setDoing(undefined)} title={doing?.admin.name} size="lg">
        {doing && <DoForm doing={doing} onDone={() => setDoing(undefined)} />}
      </Modal>
    </section>
  );
}

function columns(mayChange: boolean, onDo: (doing: Doing) => void): Column<Admin>[] {
  return [
    { id: 'name', header: 'Name', cell: (row) => row.name, sort: (row) => row.name },
    { id: 'role', header: 'Role', cell: (row) => roleWord(row.role), width: '90px' },
    {
      id: 'state',
      header: 'Logs in by',
      cell: (row) => <span className={row.active ? '' : 'dim'}>{waysOf(row)}</span>,
      width: '20%',
      from: 'medium',
    },
    { id: 'logins', header: 'Logins', cell: (row) => row.logins, width: '80px', align: 'end', from: 'medium' },
    { id: 'tokens', header: 'API tokens', cell: (row) => row.api_tokens, width: '100px', align: 'end', from: 'wide' },
    {
      id: 'last',
      header: 'Last login',
      cell: (row) => (row.last_login ? <Time at={row.last_login} /> : <span className="dim">never</span>),
      width: '112px',
      align: 'end',
      from: 'medium',
    },
    {
      id: 'do',
      header: 'Actions',
      isQuiet: true,
      cell: (row) =>
        mayChange ? (
          <NativeSelect
            size="xs"
            className="change"
            aria-label={`Change ${row.name}`}
            value=""
            data={[
              { value: '', label: 'Change …' },
              { value: 'role', label: row.role === 'admin' ? 'Make auditor' : 'Make admin' },
              { value: 'reset', label: 'Reset' },
              { value: 'logout', label: 'Log out' },
              { value: 'remove', label: 'Remove' },
            ]}
            onChange={(e) => {
              const verb = e.currentTarget.value;
              if (verb) onDo({ verb: verb as Doing['verb'], admin: row });
            }}
          />
        ) : null,
      width: '120px',
      align: 'end',
    },
  ];
}

function roleWord(role: Role): string {
  return role === 'admin' ? 'Admin' : 'Auditor';
}

function waysOf(admin: Admin): string {
  if (!admin.active) return 'nothing yet: a link waits';
  return admin.totp ? 'password and code' : 'password';
}

function AddForm({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const [asked, setAsked] = useState<NewAdmin>({ name: '', role: 'auditor' });
  const add = useMutation({
    mutationFn: (body: NewAdmin) => api.post<AdminLink>('/admins', body),
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: adminsQuery.queryKey }),
  });
  if (add.data) return <Link link={add.data} onDone={onDone} />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate(asked);
  };
  return (
    <form className="form" onSubmit={submit}>
      <TextInput
        label="Name"
        autoCapitalize="none"
        required
        withAsterisk={false}
        value={asked.name}
        onChange={(e) => setAsked({ ...asked, name: e.currentTarget.value })}
        data-autofocus
      />
      <NativeSelect
        label="Role"
        data={[
          { value: 'auditor', label: 'Auditor: reads everything, changes nothing' },
          { value: 'admin', label: 'Admin: everything' },
        ]}
        value={asked.role}
        onChange={(e) => setAsked({ ...asked, role: e.currentTarget.value === 'admin' ? 'admin' : 'auditor' })}
      />
      <ProblemNote error={add.error} />
      <div className="actions">
        <Button type="submit" loading={add.isPending}>
          Add admin
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function Link({ link, onDone }: { link: AdminLink; onDone: () => void }) {
  return (
    <Once text={link.link} label="Copy the link" onDone={onDone}>
      <p>
        {link.name} chooses a password by opening this link, once, within an hour. Give it to nobody else: whoever
        opens it first is {link.name}.
      </p>
    </Once>
  );
}

function DoForm({ doing: { verb, admin }, onDone }: { doing: Doing; onDone: () => void }) {
  const client = useQueryClient();
  const role: Role = admin.role === 'admin' ? 'auditor' : 'admin';
  const act = useMutation({
    mutationFn: () => {
      if (verb === 'role') return api.patch<Admin>(path(admin), { role });
      if (verb === 'remove') return api.delete(path(admin));
      return api.post<AdminLink>(`${path(admin)}/${verb}`);
    },
    gcTime: 0,
    onSuccess: async () => {
      for (const { queryKey } of [adminsQuery, apiTokensQuery, accountQuery]) {
        await client.invalidateQueries({ queryKey });
      }
      if (verb !== 'reset') onDone();
    },
  });
  if (verb === 'reset' && act.data) return <Link link={act.data as AdminLink} onDone={onDone} />;
  const words = {
    role: `Make ${admin.name} ${role}`,
    reset: `Reset ${admin.name}`,
    logout: `Log ${admin.name} out`,
    remove: `Remove ${admin.name}`,
  };
  return (
    <Confirm
      verb={words[verb]}
      error={act.error}
      isPending={act.isPending}
      onConfirm={() => act.mutate()}
      onCancel={onDone}
    >
      <p>{whatEnds(verb, admin, role)}</p>
    </Confirm>
  );
}

function whatEnds(verb: Doing['verb'], admin: Admin, role: Role): string {
  const logins = `${admin.logins} ${admin.logins === 1 ? 'login' : 'logins'}`;
  const tokens = `${admin.api_tokens} API ${admin.api_tokens === 1 ? 'token' : 'tokens'}`;
  switch (verb) {
    case 'role':
      return role === 'auditor'
        ? `${admin.name} reads everything and changes nothing from here on. API tokens of the role admin that they made end.`
        : `${admin.name} may change everything from here on.`;
    case 'reset':
      return `${logins} end, password and codes go, and a one-time link is made by which ${admin.name} chooses anew. ${tokens} that they made go on.`;
    case 'logout':
      return `${logins} of ${admin.name} end.`;
    case 'remove':
      return `${logins} and ${tokens} of ${admin.name} end.`;
  }
}
