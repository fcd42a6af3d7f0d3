// Who is in a group, and what it comes to when somebody comes in, is taken out, or the group goes.
import { Button, Modal, Select } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import { peopleQuery } from '../../api/fleet';
import type { Group, GroupChange } from '../../api/types';
import { ByName } from '../../components/ByName';
import { Names } from '../../components/Names';
import { ProblemNote } from '../../components/parts';
import { useMayChange } from '../../components/useMayChange';
import { counted, visible } from '../../components/visible';
import { gotWords } from './said';

interface Props {
  group: Group;
  onSaid: (said: string) => void;
}

const pathOf = (group: Group) => `/groups/${encodeURIComponent(group.name)}`;
const memberOf = (group: Group, username: string) => `${pathOf(group)}/members/${encodeURIComponent(username)}`;

export function Members({ group, onSaid }: Props) {
  const mayChange = useMayChange();
  const [out, setOut] = useState<string>();
  const [isRemoving, setRemoving] = useState(false);
  const name = visible(group.name);
  return (
    <div className="opened">
      <p>
        {counted(group.members.length, 'member')}
        {group.devices > 0
          ? `, with accounts on ${counted(group.devices, 'device')}.`
          : '. No assigned profile gives accounts to them yet.'}
      </p>
      {group.members.length > 0 && (
        <ul className="members">
          {group.members.map((username) => (
            <li key={username}>
              {visible(username)}
              {mayChange && (
                <button
                  type="button"
                  className="iconbutton"
                  aria-label={`Take out ${visible(username)}, of ${name}`}
                  onClick={() => setOut(username)}
                >
                  Take out
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {mayChange && (
        <div className="bar">
          <ComeIn group={group} onSaid={onSaid} />
          <Button variant="outline" color="red" size="xs" onClick={() => setRemoving(true)}>
            Remove group
            <span className="hidden-visually"> {name}</span>
          </Button>
        </div>
      )}
      <Modal opened={out !== undefined} onClose={() => setOut(undefined)} title={`Take out of ${name}`}>
        {out !== undefined && (
          <TakeOut group={group} username={out} onDone={() => setOut(undefined)} onSaid={onSaid} />
        )}
      </Modal>
      <Modal opened={isRemoving} onClose={() => setRemoving(false)} title={`Remove ${name}`}>
        <Remove group={group} onDone={() => setRemoving(false)} onSaid={onSaid} />
      </Modal>
    </div>
  );
}

function ComeIn({ group, onSaid }: Props) {
  const client = useQueryClient();
  const people = useQuery(peopleQuery).data ?? [];
  const [username, setUsername] = useState<string | null>(null);
  const add = useMutation({
    mutationFn: (who: string) => api.put<GroupChange>(memberOf(group, who)),
    onSuccess: async ({ devices }, who) => {
      onSaid(`${visible(who)} is in ${visible(group.name)}. ${gotWords(devices)}`);
      setUsername(null);
      await client.invalidateQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (username) add.mutate(username);
  };
  const others = people.filter((person) => person.active && !group.members.includes(person.username));
  return (
    <form className="bar" onSubmit={submit}>
      <Select
        aria-label={`Who comes into ${visible(group.name)}`}
        placeholder="User name"
        size="xs"
        w={180}
        searchable
        nothingFoundMessage="Nobody else"
        data={others.map((person) => person.username)}
        value={username}
        onChange={setUsername}
      />
      <Button type="submit" variant="default" size="xs" disabled={!username} loading={add.isPending}>
        {username && group.devices > 0 ? `Put in: an account on ${counted(group.devices, 'device')}` : 'Put in'}
      </Button>
      <ProblemNote error={add.error} />
    </form>
  );
}

interface DoneProps extends Props {
  onDone: () => void;
}

function TakeOut({ group, username, onDone, onSaid }: DoneProps & { username: string }) {
  const client = useQueryClient();
  const who = visible(username);
  const remove = useMutation({
    mutationFn: () => api.delete<GroupChange>(memberOf(group, username)),
    onSuccess: async ({ devices }) => {
      onSaid(`${who} is no longer in ${visible(group.name)}. ${gotWords(devices)}`);
      await client.invalidateQueries();
      onDone();
    },
  });
  return (
    <ByName
      name={username}
      verb={`Take ${who} out`}
      error={remove.error}
      isPending={remove.isPending}
      onConfirm={() => remove.mutate()}
      onCancel={onDone}
    >
      <p>
        {group.devices > 0
          ? `The account that ${who} has by ${visible(group.name)} ends on up to ${counted(group.devices, 'device')}. It stays where ${who} has it by another group or as the owner.`
          : `No device gives ${who} an account by ${visible(group.name)}.`}
      </p>
    </ByName>
  );
}

function Remove({ group, onDone, onSaid }: DoneProps) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => api.delete(pathOf(group)),
    onSuccess: async () => {
      onSaid(`${visible(group.name)} is gone. Its members are still people here.`);
      await client.invalidateQueries();
      onDone();
    },
  });
  return (
    <ByName
      name={group.name}
      verb={`Remove ${visible(group.name)}`}
      error={remove.error}
      isPending={remove.isPending}
      onConfirm={() => remove.mutate()}
      onCancel={onDone}
    >
      <p>
        {counted(group.members.length, 'member')}
        {group.members.length > 0 && (
          <>
            : <Names names={group.members} />
          </>
        )}
        . They stay people here.{' '}
        {group.devices > 0 &&
          `An assigned profile gives accounts to them on ${counted(group.devices, 'device')}: end that first.`}
      </p>
    </ByName>
  );
}
