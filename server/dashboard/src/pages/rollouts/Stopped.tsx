// What stopped a rollout, from the device to who started it, and what to do.
import { Link } from '@tanstack/react-router';
import type { Rollout, RolloutCause } from '../../api/types';
import { Badge } from '../../components/Badge';
import { causeWords } from '../../components/cause';
import { Chain } from '../../components/Chain';
import { Command } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';
import { brings, isOpen } from './course';

interface Props {
  rollout: Rollout;
  cause: RolloutCause;
}

export function Stopped({ rollout, cause }: Props) {
  const subject = cause.kind === 'check' ? `check:${cause.subject}` : cause.subject;
  const { word, text } = causeWords({
    kind: cause.kind === 'check' ? 'check' : 'resource',
    problem: cause.error,
  });
  return (
    <section className="section" id="why" aria-labelledby="stopped">
      <h2 id="stopped">{isOpen(rollout) ? 'Why it stopped' : 'What had stopped it'}</h2>
      <div className="form opened">
        <p className="wrap">
          <Badge word={word} />{' '}
          <Link to="/devices/$id" params={{ id: cause.device }} hash="why">
            {visible(cause.device)}
          </Link>
          : {visible(text)} <span className="dim">since</span> <Time at={cause.since} side="start" />
        </p>
        <Chain
          subject={subject}
          profile={brings(rollout)}
          assignment={`to ${rollout.target}`}
          by={rollout.created_by}
          at={rollout.created}
        />
        {rollout.state === 'stopped' && (
          <>
            <p className="dim">
              No further device gets {brings(rollout)} until this is decided. Mend it and resume, or take the rollout
              back.
            </p>
            <Command line={`muster why ${quoted(visible(cause.device))}`} />
          </>
        )}
      </div>
    </section>
  );
}
