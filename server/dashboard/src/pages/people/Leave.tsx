// Somebody leaves: what ends, and where.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { personQuery } from '../../api/fleet';
import type { Person, PersonChange } from '../../api/types';
import { ByName } from '../../components/ByName';
import { Names } from '../../components/Names';
import { ProblemNote } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { gotWords } from './said';

interface Props {
  person: Person;
  onDone: () => void;
  onSaid: (said: string) => void;
}

export function Leave({ person, onDone, onSaid }: Props) {
  const client = useQueryClient();
  const name = visible(person.username);
  const { data, error } = useQuery(personQuery(person.username));
  const leave = useMutation({
    mutationFn: () => api.delete<PersonChange>(`/people/${encodeURIComponent(person.username)}`),
    onSuccess: async ({ devices, owns }) => {
      const without = owns.length > 0 ? ` Give ${owns.map(visible).join(', ')} another owner.` : '';
      onSaid(`${name} has left. ${gotWords(devices)}${without}`);
      await client.invalidateQueries();
      onDone();
    },
  });
  if (error && !data) return <ProblemNote error={error} />;
  // Before it is known where accounts end, nothing may be ended.
  if (!data) return <span className="bone" />;
  const known = [...new Set([...data.owns, ...data.through_groups])];
  return (
    <ByName
      name={person.username}
      verb={`End the accounts of ${name}`}
      error={leave.error}
      isPending={leave.isPending}
      onConfirm={() => leave.mutate()}
      onCancel={onDone}
    >
      <p>
        {known.length === 0 ? (
          'No device knows them. '
        ) : (
          <>
            Their accounts end, with their sessions, on {counted(known.length, 'device')}: <Names names={known} />.{' '}
          </>
        )}
        {person.groups.length > 0 && `They leave ${person.groups.map(visible).join(', ')}. `}
        Their record, user name and uid {person.uid} stay, and are never another's.
      </p>
      {data.owns.length > 0 && (
        <p>
          {counted(data.owns.length, 'device')} that they own {data.owns.length === 1 ? 'needs' : 'need'} another owner:{' '}
          <Names names={data.owns} />.
        </p>
      )}
    </ByName>
  );
}
