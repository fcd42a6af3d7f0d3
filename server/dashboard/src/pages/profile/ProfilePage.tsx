// One profile: its source with notes, what changed between revisions, where each is pinned, and what became of it.
import './profile.css';
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { ApiError } from '../../api/client';
import { rolloutsQuery } from '../../api/fleet';
import { profileQuery } from '../../api/queries';
import type { ProfileDetail } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Empty, ProblemNote } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { Time } from '../../components/Time';
import { visible, who } from '../../components/visible';
import { weight } from '../../components/words';
import { brings, isOpen } from '../rollouts/course';
import { StateBadge } from '../rollouts/StateBadge';
import { AssignedTab } from './AssignedTab';
import { ProfileActions } from './ProfileActions';
import { RevisionsTab } from './RevisionsTab';
import { SourceTab } from './SourceTab';

const TABS = ['source', 'revisions', 'assigned'] as const;

/** What of a profile is shown. */
export interface ProfileSearch {
  tab?: (typeof TABS)[number];
  /** The revision whose source is shown; the newest when left out. */
  revision?: number;
  /** The older of two revisions that are compared. */
  from?: number;
  /** The newer. */
  to?: number;
}

/** Reads the address strictly: what is not a revision's number is left out. */
export function readProfileSearch(search: Record<string, unknown>): ProfileSearch {
  const number = (value: unknown) =>
    Number.isInteger(value) && Number(value) > 0 ? Number(value) : undefined;
  return {
    tab: TABS.find((tab) => tab === search.tab),
    revision: number(search.revision),
    from: number(search.from),
    to: number(search.to),
  };
}

const route = getRouteApi('/shell/profiles/$name');

export function ProfilePage() {
  const { name } = route.useParams();
  const { data, error } = useQuery(profileQuery(name));
  if (!data && error instanceof ApiError && error.status === 404) {
    return (
      <Empty
        isPage
        title={`There is no profile ${visible(name)}`}
        why="A profile exists from its first saved revision on."
        next={`muster profile apply ${quoted(visible(`${name}.yaml`))}`}
      >
        <Link to="/profiles">All profiles</Link>
      </Empty>
    );
  }
  if (!data && error) return <ProblemNote error={error} />;
  return (
    <>
      <title>{`${name} · Muster`}</title>
      <div className="pagehead">
        <h1>{visible(name)}</h1>
        {data && <span className="dim">{visible(data.profile.description)}</span>}
        {data && <ProfileActions detail={data} />}
      </div>
      {data ? <Loaded detail={data} name={name} /> : <span className="bone" />}
    </>
  );
}

function Loaded({ detail, name }: { detail: ProfileDetail; name: string }) {
  const { tab = 'source' } = route.useSearch();
  const navigate = useNavigate();
  const change = (next: string | null) =>
    navigate({
      to: '/profiles/$name',
      params: { name },
      search: (before) => readProfileSearch({ ...before, tab: next }),
      replace: true,
    });
  const { profile } = detail;
  return (
    <>
      <dl className="strip">
        <div>
          <dt>Newest revision</dt>
          <dd>
            {name}@{profile.newest}
          </dd>
        </div>
        <div>
          <dt>Saved</dt>
          <dd>
            <Time at={profile.saved} side="start" /> <span className="dim">by {who(profile.saved_by)}</span>
          </dd>
        </div>
        <div>
          <dt>Compliant devices</dt>
          <dd>
            {profile.devices === 0 ? (
              <span className="dim">not assigned</span>
            ) : (
              <>
                <Link to="/devices" search={{ profile: name, compliance: 'compliant' }}>
                  {profile.compliant}
                </Link>{' '}
                of{' '}
                <Link to="/devices" search={{ profile: name }}>
                  {profile.devices}
                </Link>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>Outcomes of its resources</dt>
          <dd>
            <Outcomes outcomes={detail.outcomes} profile={name} />
          </dd>
        </div>
        <OpenRollouts profile={name} />
      </dl>
      <Tabs className="tabs" value={tab} onChange={change} keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="source">Source</Tabs.Tab>
          <Tabs.Tab value="revisions">
            Revisions<span className="tabcount">{detail.revisions.length}</span>
          </Tabs.Tab>
          <Tabs.Tab value="assigned">
            Assigned<span className="tabcount">{detail.assignments.length}</span>
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="source">
          <SourceTab detail={detail} />
        </Tabs.Panel>
        <Tabs.Panel value="revisions">
          <RevisionsTab detail={detail} />
        </Tabs.Panel>
        <Tabs.Panel value="assigned">
          <AssignedTab detail={detail} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

/** The rollouts of this profile that are under way or stopped: until they end, its assignments tell half. */
function OpenRollouts({ profile }: { profile: string }) {
  const { data = [] } = useQuery(rolloutsQuery);
  const open = data.filter((rollout) => rollout.profile === profile && isOpen(rollout));
  if (open.length === 0) return null;
  return (
    <div>
      <dt>Rolled out now</dt>
      {open.map((rollout) => (
        <dd key={rollout.id}>
          <Link to="/rollouts/$id" params={{ id: rollout.id }}>
            {brings(rollout)} to {visible(rollout.target)}
          </Link>{' '}
          <StateBadge rollout={rollout} />
        </dd>
      ))}
    </div>
  );
}

function Outcomes({ outcomes, profile }: { outcomes: Record<string, number>; profile: string }) {
  const known = Object.entries(outcomes)
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => weight(a) - weight(b));
  if (known.length === 0) return <span className="dim">none reported</span>;
  return (
    <ul className="outcomes">
      {known.map(([word, count]) => (
        <li key={word}>
          <Link to="/outcomes" search={{ outcome: word, profile }}>
            {count.toLocaleString('en')}
            <Badge word={word} />
          </Link>
        </li>
      ))}
    </ul>
  );
}
