// The devices of a rollout, narrowed by what the numbers of its steps open.
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import type { RolloutDetail, RolloutDevice } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Chip } from '../../components/Chip';
import { type Column, DataTable } from '../../components/DataTable';
import { Icon } from '../../components/Icon';
import { Time } from '../../components/Time';
import { counted, visible } from '../../components/visible';
import { look, weight } from '../../components/words';
import { laidDown, narrowed, standingWord, troubleWords } from './course';
import type { RolloutSearch } from './RolloutPage';

const route = getRouteApi('/shell/rollouts/$id');

const COLUMNS: Column<RolloutDevice>[] = [
  {
    id: 'device',
    header: 'Device',
    cell: (row) => (
      <Link className="name" to="/devices/$id" params={{ id: row.device }}>
        {visible(row.device)}
      </Link>
    ),
    sort: (row) => row.device,
  },
  { id: 'standing', header: 'Standing', cell: (row) => <Standing row={row} />, sort: byNeed, width: '140px' },
  {
    id: 'trouble',
    header: 'Trouble',
    cell: (row) => <Trouble text={visible(troubleWords(row) ?? '')} />,
    width: '36%',
    from: 'medium',
  },
  { id: 'step', header: 'Step', cell: (row) => row.step, sort: (row) => row.step, width: '70px', align: 'end' },
  {
    id: 'given',
    header: 'Given',
    cell: (row) => <Time at={row.given} none="not yet" />,
    width: '110px',
    align: 'end',
    from: 'wide',
  },
  {
    id: 'passed',
    header: 'Passed',
    cell: (row) => <Time at={row.passed} none="–" />,
    width: '110px',
    align: 'end',
    from: 'wide',
  },
];

function Trouble({ text }: { text: string }) {
  return <span title={text}>{text || '–'}</span>;
}

function byNeed(row: RolloutDevice): number {
  return weight(standingWord(row.standing));
}

/** What is not well leads to the device's own chain of causes. */
function Standing({ row }: { row: RolloutDevice }) {
  const word = standingWord(row.standing);
  const { label, tone, icon } = look(word);
  if (tone === 'good') return <Badge word={word} />;
  return (
    <Link className="badge" data-tone={tone} to="/devices/$id" params={{ id: row.device }} hash="why">
      <Icon name={icon} />
      {label}
      <span className="hidden-visually">: {row.device}</span>
    </Link>
  );
}

export function Members({ detail }: { detail: RolloutDetail }) {
  const { step, standing } = route.useSearch();
  const navigate = useNavigate();
  const { rollout, devices } = detail;
  const rows = narrowed(devices, step, standing);
  const laid = laidDown(rollout);
  const narrow = (search: RolloutSearch) =>
    navigate({ to: '/rollouts/$id', params: { id: rollout.id }, search, replace: true, resetScroll: false });
  return (
    <>
      <div className="bar">
        <Chip what="Step" name={step ? String(step) : undefined} onRemove={() => narrow({ standing })} />
        <Chip what="Standing" name={standing && look(standing).label} onRemove={() => narrow({ step })} />
        <span className="dim">
          {counted(rows.length, 'device')}
          {laid > devices.length && `; of ${laid} those of the newest steps are listed`}
        </span>
      </div>
      <DataTable
        label="Devices of the rollout"
        columns={COLUMNS}
        rows={rows}
        asked={`${step} ${standing}`}
        keyOf={(row) => row.device}
        empty={<p className="dim">{noneWords(devices.length)}</p>}
      />
    </>
  );
}

function noneWords(all: number): string {
  return all === 0
    ? 'None is chosen yet: a step lays down its devices when it is its turn.'
    : 'No device of this rollout stands so now.';
}
