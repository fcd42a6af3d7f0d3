// Changing a person, or bringing back who left; the user name and the number stay.
import { Button, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Person, PersonChange, PersonPatch } from '../../api/types';
import { ProblemNote } from '../../components/parts';
import { visible } from '../../components/visible';
import { gotWords, linesOf } from './said';

interface Props {
  person: Person;
  onDone: () => void;
  onSaid: (said: string) => void;
}

export function EditPerson({ person, onDone, onSaid }: Props) {
  const client = useQueryClient();
  const [name, setName] = useState(person.full_name ?? '');
  const [keys, setKeys] = useState(person.ssh_keys.join('\n'));
  const save = useMutation({
    mutationFn: (patch: PersonPatch) =>
      api.patch<PersonChange>(`/people/${encodeURIComponent(person.username)}`, patch),
    onSuccess: async ({ devices }) => {
      onSaid(`${visible(person.username)} is ${person.active ? 'changed' : 'back'}. ${gotWords(devices)}`);
      await client.invalidateQueries();
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate({ full_name: name.trim(), ssh_keys: linesOf(keys), active: person.active ? null : true });
  };
  return (
    <form className="form" onSubmit={submit}>
      {!person.active && (
        <p>
          {visible(person.username)} gets uid {person.uid} again, and the accounts of the devices they own. They are in
          no group until they are put into one.
        </p>
      )}
      <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} />
      <Textarea
        label="SSH keys"
        description="One a line, as in authorized_keys. One that is taken away no longer logs in."
        autosize
        minRows={2}
        maxRows={8}
        spellCheck={false}
        value={keys}
        onChange={(e) => setKeys(e.currentTarget.value)}
      />
      <ProblemNote error={save.error} />
      <div className="actions">
        <Button type="submit" loading={save.isPending}>
          {person.active ? 'Save' : 'Bring back'}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
