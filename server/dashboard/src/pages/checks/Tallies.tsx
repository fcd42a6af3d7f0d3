// Devices by what they find for a check; each number opens exactly those.
import { Link } from '@tanstack/react-router';
import { Fragment } from 'react';
import type { VerdictCounts } from '../../api/types';
import { Icon } from '../../components/Icon';
import { look } from '../../components/words';
import { totalOf, VERDICTS } from '../../components/days';

const WORST_FIRST = ['fail', 'unknown', 'pass', 'not_applicable'] as const;

interface Props {
  counts: VerdictCounts;
  check?: string;
  /** How many of the failures are waived. */
  waived?: number;
}

export function Tallies({ counts, check, waived = 0 }: Props) {
  if (totalOf(counts, VERDICTS) === 0) return <span className="dim">none has answered</span>;
  return (
    <span className="tallies">
      {WORST_FIRST.filter((verdict) => counts[verdict] > 0).map((verdict) => {
        const { label, tone, icon } = look(verdict);
        const inside = (
          <>
            <Icon name={icon} />
            {counts[verdict].toLocaleString('en')} {label.toLowerCase()}
          </>
        );
        return check !== undefined ? (
          <Fragment key={verdict}>
            <Link className="badge" data-tone={tone} to="/checks/$id" params={{ id: check }} search={{ verdict }}>
              {inside}
            </Link>
            {verdict === 'fail' && waived > 0 && <OfWhich check={check} waived={waived} />}
          </Fragment>
        ) : (
          <span key={verdict} className="badge" data-tone={tone}>
            {inside}
          </span>
        );
      })}
    </span>
  );
}

/** How many of the failures are waived; it opens exactly those. */
function OfWhich({ check, waived }: { check: string; waived: number }) {
  const { tone, icon } = look('waived');
  return (
    <Link className="badge" data-tone={tone} to="/checks/$id" params={{ id: check }} search={{ verdict: 'waived' }}>
      <Icon name={icon} />
      of which {waived.toLocaleString('en')} waived
    </Link>
  );
}
