// People who own devices and accounts.
import { Button, Modal, NumberInput, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api } from '../api/client';
import { peopleQuery } from '../api/fleet';
import type { NewPerson, Person } from '../api/types';
import { type Column, DataTable } from '../components/DataTable';
import { Empty, ProblemNote } from '../components/parts';
import { useMayChange } from '../components/useMayChange';
import { counted, visible } from '../components/visible';

const COLUMNS: Column<Person>[] = [
  {
    id: 'username',
    header: 'User name',
    cell: (row) => <span className="name">{visible(row.username)}</span>,
    sort: (row) => row.username,
    width: '24%',
  },
  {
    id: 'full_name',
    header: 'Name',
    cell: (row) => visible(row.full_name ?? '–'),
    sort: (row) => row.full_name ?? '',
  },
  {
    id: 'uid',
    header: 'UID',
    cell: (row) => row.uid,
    sort: (row) => row.uid ?? 0,
    width: '90px',
    align: 'end',
    from: 'medium',
  },
  {
    id: 'keys',
    header: 'SSH keys',
    cell: (row) => (row.ssh_keys?.length ? counted(row.ssh_keys.length, 'key') : <span className="dim">none</span>),
    width: '110px',
    from: 'medium',
  },
  {
    id: 'devices',
    header: 'Devices',
    cell: (row) => (
      <Link to="/devices" search={{ q: row.username }}>
        devices
        <span className="hidden-visually"> of {row.username}</span>
      </Link>
    ),
    width: '90px',
    align: 'end',
  },
];

export function PeoplePage() {
  const { data, error } = useQuery(peopleQuery);
  const mayChange = useMayChange();
  const [isAdding, setAdding] = useState(false);
  return (
    <>
      <title>People · Muster</title>
      <div className="pagehead">
        <h1>People</h1>
        {data && <span className="dim">{data.length > 0 && data.length}</span>}
        {mayChange && (
          <div className="actions">
            <Button size="xs" onClick={() => setAdding(true)}>
              Add person
            </Button>
          </div>
        )}
      </div>
      {error && !data ? (
        <ProblemNote error={error} />
      ) : (
        <DataTable
          label="People"
          columns={COLUMNS}
          rows={data}
          keyOf={(row) => row.username}
          detail={(row) => <Opened person={row} />}
          empty={
            <Empty
              title="No people yet"
              why="A person owns devices, and gets the account that a profile gives to a device's owner. An import makes those that its owner column names."
              next="muster person add ada --name 'Ada Lovelace'"
            />
          }
        />
      )}
      <Modal opened={isAdding} onClose={() => setAdding(false)} title="Add person" size="lg">
        <AddForm onDone={() => setAdding(false)} />
      </Modal>
    </>
  );
}

function Opened({ person }: { person: Person }) {
  const keys = person.ssh_keys ?? [];
  return (
    <div className="opened">
      <p>
        {visible(person.full_name ?? person.username)}, uid {person.uid}: the number stays theirs and is never given
        again.
      </p>
      {keys.map((key) => (
        <code key={key} className="wrap">
          {visible(key)}
        </code>
      ))}
      {keys.length === 0 && <p className="dim">No SSH key logs in as them.</p>}
    </div>
  );
}

function AddForm({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const [username, setUsername] = useState('');
  const [name, setName] = useState('');
  const [uid, setUid] = useState<number | string>('');
  const [keys, setKeys] = useState('');
  const add = useMutation({
    mutationFn: (person: NewPerson) => api.post<Person>('/people', person),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: peopleQuery.queryKey });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const lines = keys.split('\n').map((line) => line.trim());
    add.mutate({
      username,
      full_name: name.trim() || null,
      uid: uid === '' ? null : Number(uid),
      ssh_keys: lines.filter((line) => line !== ''),
    });
  };
  return (
    <form className="form" onSubmit={submit}>
      <TextInput
        label="User name"
        required
        withAsterisk={false}
        autoCapitalize="none"
        autoComplete="off"
        value={username}
        onChange={(e) => setUsername(e.currentTarget.value.trim())}
      />
      <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} />
      <NumberInput
        label="UID"
        description="Empty for the next that nobody ever had."
        min={1000}
        max={60000}
        allowDecimal={false}
        value={uid}
        onChange={setUid}
      />
      <Textarea
        label="SSH keys"
        description="One a line, as in authorized_keys."
        autosize
        minRows={2}
        maxRows={8}
        spellCheck={false}
        value={keys}
        onChange={(e) => setKeys(e.currentTarget.value)}
      />
      <ProblemNote error={add.error} />
      <div className="actions">
        <Button type="submit" loading={add.isPending}>
          Add person
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
