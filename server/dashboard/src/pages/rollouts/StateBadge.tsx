// The state of a rollout; all but a finished one leads to why it is so.
import { Link } from '@tanstack/react-router';
import type { Rollout } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Icon } from '../../components/Icon';
import { look } from '../../components/words';

export function StateBadge({ rollout }: { rollout: Rollout }) {
  const { label, tone, icon } = look(rollout.state);
  if (tone === 'good') return <Badge word={rollout.state} />;
  return (
    <Link className="badge" data-tone={tone} to="/rollouts/$id" params={{ id: rollout.id }} hash="why">
      <Icon name={icon} />
      {label}
      <span className="hidden-visually">: {rollout.id}</span>
    </Link>
  );
}
