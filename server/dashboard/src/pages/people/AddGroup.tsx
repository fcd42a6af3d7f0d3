// Making a group, with who is in it from the start.
import { Button, TagsInput, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import { peopleQuery } from '../../api/fleet';
import type { GroupChange, NewGroup } from '../../api/types';
import { ProblemNote } from '../../components/parts';
import { counted, visible } from '../../components/visible';

export function AddGroup({ onDone, onSaid }: { onDone: () => void; onSaid: (said: string) => void }) {
  const client = useQueryClient();
  const people = useQuery(peopleQuery).data ?? [];
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [members, setMembers] = useState<string[]>([]);
  const add = useMutation({
    mutationFn: (group: NewGroup) => api.post<GroupChange>('/groups', group),
    onSuccess: async ({ group }) => {
      onSaid(`${visible(group.name)} has ${counted(group.members.length, 'member')}.`);
      await client.invalidateQueries();
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate({ name, description: description.trim(), members });
  };
  return (
    <form className="form" onSubmit={submit}>
      <TextInput
        label="Name"
        description="What profiles call it; for good."
        required
        withAsterisk={false}
        autoCapitalize="none"
        autoComplete="off"
        value={name}
        onChange={(e) => setName(e.currentTarget.value.trim())}
      />
      <TextInput label="What it is" value={description} onChange={(e) => setDescription(e.currentTarget.value)} />
      <TagsInput
        label="Members"
        description="User names."
        data={people.filter((person) => person.active).map((person) => person.username)}
        value={members}
        onChange={setMembers}
      />
      <ProblemNote error={add.error} />
      <div className="actions">
        <Button type="submit" loading={add.isPending}>
          Add group
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
