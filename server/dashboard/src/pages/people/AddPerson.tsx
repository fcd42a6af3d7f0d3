// Adding a person: their user name and number are theirs for good.
import { Button, NumberInput, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import { peopleQuery } from '../../api/fleet';
import type { NewPerson, Person } from '../../api/types';
import { ProblemNote } from '../../components/parts';
import { linesOf } from './said';

export function AddPerson({ onDone }: { onDone: () => void }) {
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
    add.mutate({
      username,
      full_name: name.trim() || null,
      uid: uid === '' ? null : Number(uid),
      ssh_keys: linesOf(keys),
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
