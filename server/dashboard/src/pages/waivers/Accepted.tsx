// Who accepts a failure, until when and why.
import { Link } from '@tanstack/react-router';
import type { Waiver } from '../../api/types';
import { TargetLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible, who } from '../../components/visible';

export function Accepted({ waiver }: { waiver: Waiver }) {
  return (
    <span className="running">
      Accepted by {who(waiver.owner)} for <TargetLink target={waiver.target} />, ends{' '}
      <Time at={waiver.until} side="start" />: “{visible(waiver.reason)}”{' '}
      <Link to="/waivers" search={{ check: waiver.check }}>
        Waivers
        <span className="hidden-visually"> of {visible(waiver.check)}</span>
      </Link>
    </span>
  );
}
