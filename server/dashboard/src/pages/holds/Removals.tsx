// Removals that nobody asked for by name: what goes from how many devices, and the two ways out.
import { Button, Modal } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import { removalsQuery } from '../../api/fleet';
import type { Removal, Resumed } from '../../api/types';
import { Badge } from '../../components/Badge';
import { type Column, DataTable } from '../../components/DataTable';
import { Names } from '../../components/Names';
import { ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { useTyped } from '../../components/Typed';
import { useMayChange } from '../../components/useMayChange';
import { counted, visible, who } from '../../components/visible';
import { resumedWords } from './HoldsPage';

type Way = 'confirm' | 'drop';

export function Removals({ onSaid }: { onSaid: (said: string) => void }) {
  const { data, error } = useQuery(removalsQuery);
  const mayChange = useMayChange();
  const [asked, setAsked] = useState<{ removal: Removal; way: Way }>();
  const close = () => setAsked(undefined);
  if (error && !data) return <ProblemNote error={error} />;
  const columns = mayChange ? [...COLUMNS, actions((removal, way) => setAsked({ removal, way }))] : COLUMNS;
  return (
    <>
      <DataTable
        label="Removals that wait"
        columns={columns}
        rows={data}
        keyOf={(row) => row.id}
        detail={(row) => <Opened removal={row} />}
        empty={
          <p className="dim">
            None. One does when a file of devices takes a profile from more than 10 of them.
          </p>
        }
      />
      <Modal
        opened={asked !== undefined}
        onClose={close}
        title={asked?.way === 'drop' ? 'Drop this removal' : 'Confirm this removal'}
      >
        {asked && <Decide {...asked} onDone={close} onSaid={onSaid} />}
      </Modal>
    </>
  );
}

const COLUMNS: Column<Removal>[] = [
  { id: 'cause', header: 'What happened', cell: (row) => visible(row.cause) },
  {
    id: 'state',
    header: 'State',
    cell: (_, opening) => <Badge word="removal" opening={opening} />,
    width: '120px',
    from: 'medium',
  },
  {
    id: 'profiles',
    header: 'Would remove',
    cell: (row) => row.profiles.map(visible).join(', '),
    width: '20%',
    from: 'medium',
  },
  {
    id: 'devices',
    header: 'Devices',
    cell: (row, { toggle, isOpen }) => (
      <button
        type="button"
        className="linkbutton"
        aria-expanded={isOpen}
        aria-label={`${row.devices} devices: show their names`}
        onClick={toggle}
      >
        {row.devices}
      </button>
    ),
    width: '90px',
    align: 'end',
  },
  { id: 'by', header: 'By', cell: (row) => who(row.by), width: '14%', from: 'wide' },
  { id: 'at', header: 'Since', cell: (row) => <Time at={row.at} />, width: '110px', from: 'medium' },
];

function actions(onAsk: (removal: Removal, way: Way) => void): Column<Removal> {
  return {
    id: 'actions',
    header: 'Actions',
    isQuiet: true,
    cell: (row) => (
      <>
        <button
          type="button"
          className="iconbutton"
          aria-label={`Confirm ${row.id}`}
          onClick={() => onAsk(row, 'confirm')}
        >
          Confirm
        </button>
        <button
          type="button"
          className="iconbutton"
          aria-label={`Drop ${row.id}`}
          onClick={() => onAsk(row, 'drop')}
        >
          Drop
        </button>
      </>
    ),
    width: '140px',
    align: 'end',
  };
}

function Opened({ removal }: { removal: Removal }) {
  return (
    <div className="opened">
      <p>
        {visible(removal.cause)} ({who(removal.by)}, <Time at={removal.at} side="start" />). That would take{' '}
        {removal.profiles.map(visible).join(', ')} from {counted(removal.devices, 'device')}
        {removal.labels.length > 0 && `, which lost ${removal.labels.map(visible).join(', ')}`}. They keep what they
        have until it is decided.
      </p>
      <p>{removal.names.map(visible).join(', ')}</p>
    </div>
  );
}

interface DecideProps {
  removal: Removal;
  way: Way;
  onDone: () => void;
  onSaid: (said: string) => void;
}

function Decide({ removal, way, onDone, onSaid }: DecideProps) {
  const client = useQueryClient();
  const isConfirm = way === 'confirm';
  const typed = useTyped(isConfirm ? removal.devices : 0);
  const decide = useMutation({
    mutationFn: () => api.post<Resumed>(`/removals/${encodeURIComponent(removal.id)}/${way}`),
    onSuccess: async (resumed) => {
      onSaid(isConfirm ? `The removal is under way. ${resumedWords(resumed)}` : 'The removal is dropped.');
      await client.invalidateQueries();
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.isConfirmed) decide.mutate();
  };
  const profiles = removal.profiles.map(visible).join(', ');
  const devices = counted(removal.devices, 'device');
  return (
    <form className="form" onSubmit={submit}>
      <p>
        {isConfirm
          ? `${devices} reverse what ${profiles} brought: `
          : `${devices} keep ${profiles} and get the labels again that were taken from them: `}
        <Names names={removal.names} count={removal.devices} />.
      </p>
      {typed.field}
      <ProblemNote error={decide.error} />
      <div className="actions">
        <Button
          type="submit"
          color={isConfirm ? 'red' : undefined}
          disabled={!typed.isConfirmed}
          loading={decide.isPending}
        >
          {isConfirm ? `Remove ${profiles} from ${devices}` : `Keep ${profiles} on ${devices}`}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
