// What keeps devices as they are: pauses, and removals that wait for an admin's word.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api/client';
import { pausesQuery } from '../../api/fleet';
import type { Pause, Resumed } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { DialogButton } from '../../components/DialogButton';
import { Empty, Note, ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { counted, visible, who } from '../../components/visible';
import { PauseForm } from './PauseForm';
import { filterOf } from './pause';
import { Removals } from './Removals';

export function HoldsPage() {
  const [said, setSaid] = useState<string>();
  return (
    <>
      <title>Pauses · Muster</title>
      <div className="pagehead">
        <h1>Pauses and removals</h1>
        <div className="actions">
          <DialogButton label="Pause" title="Pause">
            {(close) => <PauseForm onDone={close} />}
          </DialogButton>
        </div>
      </div>
      {said && <Note tone="good">{said}</Note>}
      <section className="section" aria-labelledby="removals">
        <h2 id="removals">Removals that wait</h2>
        <Removals onSaid={setSaid} />
      </section>
      <section className="section" aria-labelledby="pauses">
        <h2 id="pauses">Paused</h2>
        <Pauses onSaid={setSaid} />
      </section>
    </>
  );
}

/** What became of what waited, as a sentence. */
export function resumedWords({ devices, still_held }: Resumed): string {
  const got = `${counted(devices, 'device')} got a newer state`;
  return still_held === 0
    ? `${got}.`
    : `${got}; ${still_held} still ${still_held === 1 ? 'waits' : 'wait'} for something else.`;
}

const COLUMNS: Column<Pause>[] = [
  { id: 'target', header: 'What', cell: (row) => <span className="name">{visible(row.target)}</span> },
  {
    id: 'reason',
    header: 'Why',
    cell: (row) => <span title={visible(row.reason ?? '')}>{visible(row.reason ?? '–')}</span>,
    width: '30%',
    from: 'medium',
  },
  { id: 'devices', header: 'Devices', cell: (row) => <Devices row={row} />, width: '90px', align: 'end' },
  { id: 'by', header: 'By', cell: (row) => who(row.by), width: '14%', from: 'medium' },
  { id: 'since', header: 'Since', cell: (row) => <Time at={row.since} />, width: '110px', from: 'medium' },
  {
    id: 'until',
    header: 'Until',
    cell: (row) => <Time at={row.until} none="resumed" />,
    width: '110px',
    align: 'end',
    from: 'medium',
  },
];

function Devices({ row }: { row: Pause }) {
  const filter = filterOf(row.target);
  if (filter === 'device' || !filter) {
    const name = row.target.replace(/^device:/, '');
    return (
      <Link to="/devices/$id" params={{ id: name }}>
        {row.devices}
      </Link>
    );
  }
  return (
    <Link to="/devices" search={filter}>
      {row.devices.toLocaleString('en')}
    </Link>
  );
}

function Pauses({ onSaid }: { onSaid: (said: string) => void }) {
  const { data, error } = useQuery(pausesQuery);
  const mayChange = useMayChange();
  const client = useQueryClient();
  const resume = useMutation({
    mutationFn: (row: Pause) => api.delete<Resumed>(`/pauses/${encodeURIComponent(row.target)}`),
    onSuccess: async (resumed, row) => {
      onSaid(`${visible(row.target)} is resumed. ${resumedWords(resumed)}`);
      await client.invalidateQueries();
    },
  });
  const columns: Column<Pause>[] = mayChange
    ? [
        ...COLUMNS,
        {
          id: 'resume',
          header: 'Actions',
          isQuiet: true,
          cell: (row) => (
            <button
              type="button"
              className="iconbutton"
              aria-label={`Resume ${row.target}`}
              disabled={resume.isPending}
              onClick={() => resume.mutate(row)}
            >
              Resume
            </button>
          ),
          width: '84px',
          align: 'end',
        },
      ]
    : COLUMNS;
  if (error && !data) return <ProblemNote error={error} />;
  return (
    <>
      <ProblemNote error={resume.error} />
      <DataTable
        label="Pauses"
        columns={columns}
        rows={data}
        keyOf={(row) => row.target}
        empty={
          <Empty
            title="Nothing is paused"
            why="A pause keeps devices as they are, whatever is assigned meanwhile. Leases still end on them."
            next="muster pause label:laptop --for 2h --reason 'quarter end'"
          />
        }
      />
    </>
  );
}
