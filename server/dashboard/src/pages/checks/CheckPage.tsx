// One check: what it asks, how it stood over thirty days, and what each device finds.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { ApiError } from '../../api/client';
import { checkQuery, type ResultFilter, waiversQuery } from '../../api/fleet';
import type { CheckDetail, Waiver } from '../../api/types';
import { Badge } from '../../components/Badge';
import { FINDINGS, VERDICTS } from '../../components/days';
import { Empty, ProblemNote, RevisionLink } from '../../components/parts';
import { StackedDays } from '../../components/StackedDays';
import { counted, visible } from '../../components/visible';
import { Accepted } from '../waivers/Accepted';
import { WaiveButton } from '../waivers/WaiveForm';
import { Controls } from './ChecksPage';
import { Results } from './Results';
import { Tallies } from './Tallies';

/** Which results are shown, read from the address; words that the server would refuse are left out. */
export function readResultSearch(search: Record<string, unknown>): ResultFilter {
  const isRevision = /^[^@]+@\d+$/.test(String(search.profile));
  return {
    verdict: FINDINGS.find((finding) => finding === search.verdict),
    profile: isRevision ? String(search.profile) : undefined,
  };
}

const route = getRouteApi('/shell/checks/$id');

export function CheckPage() {
  const { id } = route.useParams();
  const filter = route.useSearch();
  const navigate = useNavigate();
  const { data, error } = useQuery(checkQuery(id));
  const inForce = useQuery(waiversQuery()).data;
  const waivers = useMemo(() => (inForce ?? []).filter((waiver) => waiver.check === id), [inForce, id]);
  if (!data && error instanceof ApiError && error.status === 404) {
    return (
      <Empty
        isPage
        title={`No check ${visible(id)} is asked`}
        why="A check is known while a revision that has it is assigned, or while results of it are kept."
        next="muster check list"
      >
        <Link to="/checks">All checks</Link>
      </Empty>
    );
  }
  if (!data && error) return <ProblemNote error={error} />;
  const change = (next: ResultFilter) =>
    navigate({ to: '/checks/$id', params: { id }, search: next, replace: true });
  return (
    <>
      <title>{`${id} · Muster`}</title>
      <div className="pagehead">
        <h1>{data ? visible(data.check.title) : visible(id)}</h1>
        {data && <Tallies counts={data.check.counts} check={id} waived={data.check.waived} />}
        {data && data.check.counts.fail > 0 && (
          <div className="actions">
            <WaiveButton check={id} />
          </div>
        )}
      </div>
      {data ? <About detail={data} /> : <span className="bone" />}
      {waivers.length > 0 && <Waived waivers={waivers} />}
      <section className="section" aria-labelledby="results">
        <h2 id="results">Devices</h2>
        <Results subject={{ kind: 'check', id }} filter={filter} onChange={change} />
      </section>
    </>
  );
}

/** The waivers in force of this check. */
function Waived({ waivers }: { waivers: Waiver[] }) {
  return (
    <section className="section" aria-labelledby="waived">
      <h2 id="waived">Waived</h2>
      <ul className="causes">
        {waivers.map((waiver) => (
          <li key={waiver.id}>
            <span>
              <Badge word="waived" />
            </span>
            <span className="what">
              <Accepted waiver={waiver} />
            </span>
            <span>{counted(waiver.devices, 'failure')}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function About({ detail }: { detail: CheckDetail }) {
  const { check, sql, remediation, days } = detail;
  return (
    <div className="overview">
      <dl className="about">
        <dt>Check</dt>
        <dd>
          <code>{visible(check.id)}</code>
        </dd>
        <dt>Severity</dt>
        <dd>{check.severity}</dd>
        <dt>Controls</dt>
        <dd>
          <Controls controls={check.controls} />
        </dd>
        <dt>Asked by</dt>
        <dd>
          {check.profiles.map((profile, i) => (
            <span key={profile}>
              {i > 0 && ', '}
              <RevisionLink profile={profile} />
            </span>
          ))}
        </dd>
        {sql && (
          <>
            <dt>Question</dt>
            <dd>
              <code className="sql">{visible(sql)}</code>
            </dd>
          </>
        )}
        {remediation && (
          <>
            <dt>What to do</dt>
            <dd>{visible(remediation)}</dd>
          </>
        )}
      </dl>
      <section aria-labelledby="days">
        <h2 id="days">Last 30 days</h2>
        {days.length === 0 ? (
          <p className="dim">No day has data yet: a day is recorded once a device has answered.</p>
        ) : (
          <StackedDays days={days} stack={VERDICTS} caption="Devices by result" />
        )}
      </section>
    </div>
  );
}
