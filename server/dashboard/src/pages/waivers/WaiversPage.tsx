// Failures of checks that are accepted for a time: by whom, why and until when.
import { Checkbox, Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { waiversQuery } from '../../api/fleet';
import type { Waiver } from '../../api/types';
import { Chip } from '../../components/Chip';
import { type Column, DataTable } from '../../components/DataTable';
import { Empty, Note, ProblemNote, TargetLink } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { counted, visible, who } from '../../components/visible';
import { EndForm } from './EndForm';

/** Which waivers are shown. */
export interface WaiverSearch {
  check?: string;
  /** True for those too that have ended. */
  ended?: true;
}

/** Reads the address. */
export function readWaiverSearch(search: Record<string, unknown>): WaiverSearch {
  return {
    check: typeof search.check === 'string' && search.check ? search.check : undefined,
    ended: search.ended === true ? true : undefined,
  };
}

const route = getRouteApi('/shell/waivers');

const COLUMNS: Column<Waiver>[] = [
  {
    id: 'check',
    header: 'Check',
    cell: (row) => <span className="name">{visible(row.check)}</span>,
    sort: (row) => row.check,
  },
  {
    id: 'target',
    header: 'Where',
    cell: (row) => <TargetLink target={visible(row.target)} />,
    sort: (row) => row.target,
  },
  {
    id: 'owner',
    header: 'Accepted by',
    cell: (row) => who(row.owner),
    sort: (row) => row.owner,
    width: '14%',
    from: 'medium',
  },
  {
    id: 'reason',
    header: 'Reason',
    cell: (row) => <span title={visible(row.reason)}>{visible(row.reason)}</span>,
    width: '24%',
    from: 'medium',
  },
  {
    id: 'devices',
    header: 'Covers',
    cell: (row, { toggle, isOpen }) => (
      <button type="button" className="linkbutton" aria-expanded={isOpen} onClick={toggle}>
        {row.devices.toLocaleString('en')}
        <span className="hidden-visually"> failures of {visible(row.check)}: show more of this waiver</span>
      </button>
    ),
    sort: (row) => -row.devices,
    width: '94px',
    align: 'end',
    from: 'medium',
  },
  {
    id: 'until',
    header: 'Until',
    cell: (row) => (row.ended ? <span className="dim">ended</span> : <Time at={row.until} />),
    sort: (row) => Date.parse(row.until),
    width: '110px',
    align: 'end',
    from: 'medium',
  },
];

export function WaiversPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const { data, error } = useQuery(waiversQuery(search.ended));
  const [ending, setEnding] = useState<Waiver>();
  const [said, setSaid] = useState<string>();
  const rows = useMemo(() => data?.filter((row) => !search.check || row.check === search.check), [data, search.check]);
  const change = (next: WaiverSearch) => navigate({ to: '/waivers', search: next, replace: true });
  const close = () => setEnding(undefined);
  return (
    <>
      <title>Waivers · Muster</title>
      <div className="pagehead">
        <h1>Waivers</h1>
      </div>
      {said && <Note tone="good">{said}</Note>}
      <search className="bar">
        <Checkbox
          size="xs"
          label="Those that ended too"
          checked={search.ended ?? false}
          onChange={(e) => change({ ...search, ended: e.currentTarget.checked || undefined })}
        />
        <Chip what="of" name={search.check} onRemove={() => change({ ...search, check: undefined })} />
        <span className="count" role="status">
          {rows && counted(rows.length, 'waiver')}
        </span>
      </search>
      {error && !data ? (
        <ProblemNote error={error} />
      ) : (
        <DataTable
          label="Waivers"
          columns={mayChange ? [...COLUMNS, endColumn(setEnding)] : COLUMNS}
          rows={rows}
          keyOf={(row) => row.id}
          asked={JSON.stringify(search)}
          detail={(row) => <Opened waiver={row} />}
          empty={<None check={search.check} />}
        />
      )}
      <Modal opened={ending !== undefined} onClose={close} title="End this waiver">
        {ending && <EndForm waiver={ending} onDone={close} onSaid={setSaid} />}
      </Modal>
    </>
  );
}

function endColumn(onEnd: (waiver: Waiver) => void): Column<Waiver> {
  return {
    id: 'end',
    header: 'Actions',
    isQuiet: true,
    cell: (row) =>
      row.ended ? null : (
        <button
          type="button"
          className="iconbutton"
          aria-label={`End the waiver of ${visible(row.check)} for ${visible(row.target)}`}
          onClick={() => onEnd(row)}
        >
          End
        </button>
      ),
    width: '60px',
    align: 'end',
  };
}

function Opened({ waiver }: { waiver: Waiver }) {
  return (
    <div className="opened">
      <p>
        {waiver.ended ? 'It covered' : `It covers ${counted(waiver.devices, 'failure')} now of`}{' '}
        <Link to="/checks/$id" params={{ id: waiver.check }} search={{ verdict: 'fail' }}>
          {visible(waiver.check)}
        </Link>{' '}
        for <TargetLink target={visible(waiver.target)} />. Accepted by {who(waiver.owner)}: “{visible(waiver.reason)}”
      </p>
      <p className="dim">
        <code>{visible(waiver.id)}</code>, made by {who(waiver.created_by)} <Time at={waiver.created} side="start" />
        {waiver.ended ? (
          <>
            , ended <Time at={waiver.ended} side="start" /> {endWords(waiver)}
          </>
        ) : (
          <>
            , ends <Time at={waiver.until} side="start" />
          </>
        )}
        .
      </p>
    </div>
  );
}

/** By whom a waiver ended. */
function endWords({ ended_by: by }: Waiver): string {
  return by && by !== 'server' ? `by ${who(by)}` : 'when its time was over';
}

function None({ check }: { check?: string }) {
  return (
    <Empty
      title={check ? `No waiver of ${visible(check)}` : 'Nothing is waived'}
      why="A waiver accepts the failure of a check for a time, with a reason and somebody who answers for it. It is made on the page of the check, or on a device's Checks tab."
      next={`muster waiver add ${check ? quoted(visible(check)) : 'disk-encrypted'} --to label:kiosk --reason 'no data on them' --until 90d`}
    />
  );
}
