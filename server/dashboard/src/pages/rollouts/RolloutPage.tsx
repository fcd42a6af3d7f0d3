// One rollout: how far it has come, what stopped it, and how its devices stand.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ApiError } from '../../api/client';
import { rolloutQuery } from '../../api/fleet';
import type { Rollout, RolloutDetail } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Empty, ProblemNote, RevisionLink, TargetLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible, who } from '../../components/visible';
import { brings, COUNTED, type Counted, progress, soakWords } from './course';
import { Decide } from './Decide';
import { Members } from './Members';
import { Steps } from './Steps';
import { Stopped } from './Stopped';

/** Which devices are shown: those of a step, that are counted so. */
export interface RolloutSearch {
  step?: number;
  standing?: Counted;
}

/** Reads the address strictly: what is no step or no standing is left out. */
export function readRolloutSearch(search: Record<string, unknown>): RolloutSearch {
  const { step, standing } = search;
  return {
    step: Number.isInteger(step) && Number(step) > 0 ? Number(step) : undefined,
    standing: COUNTED.find((word) => word === standing),
  };
}

const route = getRouteApi('/shell/rollouts/$id');

export function RolloutPage() {
  const { id } = route.useParams();
  const { data, error } = useQuery(rolloutQuery(id));
  if (!data && error instanceof ApiError && error.status === 404) {
    return (
      <Empty
        isPage
        title={`There is no rollout ${visible(id)}`}
        why="Its id may be mistyped, or from another server."
        next="muster rollout list"
      >
        <Link to="/rollouts">All rollouts</Link>
      </Empty>
    );
  }
  if (!data && error) return <ProblemNote error={error} />;
  return (
    <>
      <title>{`${data ? brings(data.rollout) : id} · Muster`}</title>
      <div className="pagehead">
        <h1>{data ? `${brings(data.rollout)} to ${visible(data.rollout.target)}` : visible(id)}</h1>
        {data && <Badge word={data.rollout.state} />}
        {data && <Decide detail={data} />}
      </div>
      {data ? <Loaded detail={data} /> : <span className="bone" />}
    </>
  );
}

function Loaded({ detail }: { detail: RolloutDetail }) {
  const { rollout } = detail;
  return (
    <>
      <Strip rollout={rollout} />
      {rollout.cause && <Stopped rollout={rollout} cause={rollout.cause} />}
      <section className="section" aria-labelledby="steps">
        <h2 id="steps">Steps</h2>
        <Steps rollout={rollout} />
      </section>
      <section className="section" aria-labelledby="devices">
        <h2 id="devices">Devices</h2>
        <Members detail={detail} />
      </section>
    </>
  );
}

function Strip({ rollout }: { rollout: Rollout }) {
  const { passed, devices } = progress(rollout);
  const items: [string, ReactNode][] = [
    ['Brings', <RevisionLink key="brings" profile={brings(rollout)} />],
    [
      'Replaces',
      rollout.replaces ? (
        <RevisionLink key="replaces" profile={rollout.replaces} />
      ) : (
        <span className="dim">nothing of this profile</span>
      ),
    ],
    ['To', <TargetLink key="target" target={rollout.target} />],
    ['Mode', rollout.mode],
    ['Step', `${rollout.step} of ${rollout.steps.length}`],
    [
      'Passed',
      <Link
        key="passed"
        to="/rollouts/$id"
        params={{ id: rollout.id }}
        search={{ standing: 'passed' }}
        resetScroll={false}
      >
        {passed} of {devices}
      </Link>,
    ],
    ['Soak', soakWords(rollout.soak)],
    ...(rollout.next_at ? [next(rollout)] : []),
    [
      'Started',
      <span key="started">
        <Time at={rollout.created} side="start" /> <span className="dim">by {who(rollout.created_by)}</span>
      </span>,
    ],
    ...(rollout.ended ? [ended(rollout)] : []),
    ['Id', visible(rollout.id)],
  ];
  return (
    <dl className="strip">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function next({ next_at }: Rollout): [string, ReactNode] {
  return ['Next step', <Time key="next" at={next_at} side="start" />];
}

function ended({ state, ended: at, ended_by: by }: Rollout): [string, ReactNode] {
  return [
    state === 'cancelled' ? 'Cancelled' : 'Ended',
    <span key="ended">
      <Time at={at} side="start" /> {state === 'cancelled' && by && <span className="dim">by {who(by)}</span>}
    </span>,
  ];
}
