// The steps of a rollout with their devices by how these stand; every number opens its devices.
import { Link } from '@tanstack/react-router';
import type { Rollout, RolloutStep } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { Time } from '../../components/Time';
import { type Counted, isLaidDown, isOpen } from './course';

export function Steps({ rollout }: { rollout: Rollout }) {
  const number = (id: Counted, header: string, width: string, from?: 'medium'): Column<RolloutStep> => ({
    id,
    header,
    cell: (row) => <Count rollout={rollout} step={row} as={id} />,
    width,
    align: 'end',
    from,
  });
  const columns: Column<RolloutStep>[] = [
    { id: 'step', header: 'Step', cell: (row) => <Name rollout={rollout} step={row} /> },
    {
      id: 'devices',
      header: 'Devices',
      cell: (row) =>
        isLaidDown(row, rollout) ? (
          <Link to="/rollouts/$id" params={{ id: rollout.id }} search={{ step: row.number }} resetScroll={false}>
            {row.devices}
          </Link>
        ) : (
          row.devices
        ),
      width: '90px',
      align: 'end',
    },
    number('passed', 'Passed', '80px'),
    number('working', 'At work', '90px', 'medium'),
    number('failed', 'Failed', '80px'),
    number('not_answered', 'Not answered', '130px', 'medium'),
    {
      id: 'began',
      header: 'Began',
      cell: (row) => <Time at={row.began} none={isOpen(rollout) ? 'not yet' : 'never'} />,
      width: '110px',
      align: 'end',
      from: 'medium',
    },
  ];
  return <DataTable label="Steps" columns={columns} rows={rollout.steps} keyOf={(row) => String(row.number)} />;
}

function Name({ rollout, step }: { rollout: Rollout; step: RolloutStep }) {
  return (
    <>
      {step.number} <span className="dim">{roleOf(step, rollout)}</span>
    </>
  );
}

/** The last step has all that are left; where it is the only one, that is all. */
function roleOf({ number }: RolloutStep, { steps }: Rollout): string {
  if (number === steps.length) return number === 1 ? 'all' : 'all others';
  return number === 1 ? 'canary' : '';
}

function Count({ rollout, step, as }: { rollout: Rollout; step: RolloutStep; as: Counted }) {
  if (!step.began) return <span className="dim">–</span>;
  if (step[as] === 0) return <>0</>;
  return (
    <Link
      to="/rollouts/$id"
      params={{ id: rollout.id }}
      search={{ step: step.number, standing: as }}
      resetScroll={false}
    >
      {step[as]}
    </Link>
  );
}
