// The tokens there are, and ending one.
import { Modal } from '@mantine/core';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Token } from '../../api/types';
import { useChange } from '../../api/useChange';
import { type Column, DataTable } from '../../components/DataTable';
import { FormEnd } from '../../components/FormEnd';
import { Empty, Labels } from '../../components/parts';
import { Time, useNow } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { visible, who } from '../../components/visible';

export function Tokens({ rows }: { rows: Token[] | undefined }) {
  const mayChange = useMayChange();
  const now = useNow();
  const [revoking, setRevoking] = useState<Token>();
  const isUsable = (row: Token) => !row.revoked && row.uses_left > 0 && Date.parse(row.expires) > now;
  const columns: Column<Token>[] = [
    {
      id: 'id',
      header: 'Token',
      cell: (row) => (
        <>
          <code className={isUsable(row) ? '' : 'dim'}>{row.id}</code>
          <span className="under">{usesOf(row)} left</span>
        </>
      ),
      width: '22%',
      wraps: true,
    },
    { id: 'labels', header: 'Labels given', cell: (row) => <Labels labels={row.labels} />, from: 'medium' },
    {
      id: 'uses',
      header: 'Uses left',
      cell: usesOf,
      sort: (row) => row.uses_left,
      width: '100px',
      from: 'medium',
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

function usesOf(row: Token): string {
  return `${row.uses_left} of ${row.uses}`;
}

function RevokeForm({ token, onDone }: { token: Token; onDone: () => void }) {
  const revoke = useChange(() => api.delete(`/tokens/${encodeURIComponent(token.id)}`), onDone);
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        revoke.mutate();
      }}
    >
      <p>
        1 token: <code>{token.id}</code>, {usesOf(token)} uses left. Devices that have
        enrolled with it stay enrolled.
      </p>
      <FormEnd verb="Revoke 1 token" error={revoke.error} isPending={revoke.isPending} isDanger onCancel={onDone} />
    </form>
  );
}
