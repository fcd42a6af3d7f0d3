// Who accepts a failure, until when and why.
import { Link } from '@tanstack/react-router';
import type { Waiver } from '../../api/types';
import { TargetLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible, who } from '../../components/visible';

/** A waiver as far as it is known where it is shown: at a device's result not for whom else it holds. */
type Known = Pick<Waiver, 'check' | 'owner' | 'reason' | 'until'> & { target?: string };

export function Accepted({ waiver }: { waiver: Known }) {
  return (
    <span className="running">
      Accepted by {who(waiver.owner)}
      {waiver.target !== undefined && (
        <>
          {' '}
          for <TargetLink target={waiver.target} />
        </>
      )}
      , ends{' '}
      <Time at={waiver.until} side="start" />: “{visible(waiver.reason)}”{' '}
      <Link to="/waivers" search={{ check: waiver.check }}>
        Waivers
        <span className="hidden-visually"> of {visible(waiver.check)}</span>
      </Link>
    </span>
  );
}
