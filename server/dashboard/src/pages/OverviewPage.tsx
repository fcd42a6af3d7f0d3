// The first page: how the fleet stands, who waits, what fails and why.
import './OverviewPage.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { overviewQuery } from '../api/queries';
import type { CauseGroup, Day, DeviceState, Overview, Stage } from '../api/types';
import { DeviceBadge } from '../components/Badge';
import { type Column, DataTable } from '../components/DataTable';
import { FINDINGS, STACK } from '../components/days';
import { Icon } from '../components/Icon';
import { Empty, ProblemNote, RevisionLink } from '../components/parts';
import { StackedDays } from '../components/StackedDays';
import { sentenceParts } from '../components/sentence';
import { Time } from '../components/Time';
import { counted, visible } from '../components/visible';
import { look } from '../components/words';
import { FirstSteps } from './overview/FirstSteps';

export function OverviewPage() {
  const { data, error } = useQuery(overviewQuery);
  if (error && !data) return <ProblemNote error={error} />;
  const isNew =
    data && data.counts.total === 0 && !isAnyLeftOut(data) && data.funnel.every((stage) => stage.devices === 0);
  return (
    <>
      <title>Overview · Muster</title>
      <h1 className="sentence">{data ? <Opening overview={data} /> : <span className="bone" />}</h1>
      {data && data.counts.total > 0 && <Counted waived={data.counts.waived ?? 0} />}
      {data && <FirstSteps overview={data} otherwise={isNew && <Nobody />} />}
      {(!isNew || data.needs_you.length > 0) && <Standing overview={data} />}
    </>
  );
}

/** Which devices all numbers of this page are of, and which of the compliant are so by a waiver. */
function Counted({ waived }: { waived: number }) {
  return (
    <p className="dim running">
      Counted are devices that are enrolled.{' '}
      {waived > 0 && (
        <>
          Of the compliant, {counted(waived, 'device')} {waived === 1 ? 'is' : 'are'} so because a failure is{' '}
          <Link to="/waivers">waived</Link>.
        </>
      )}
    </p>
  );
}

function Nobody() {
  return (
    <Empty
      title="Register the first devices"
      why="Nothing is registered and nothing has enrolled. A list of serials, names and owners is enough to begin."
      next="muster device import devices.csv --dry-run"
    />
  );
}

function Opening({ overview }: { overview: Overview }) {
  if (overview.counts.total > 0 || isAnyLeftOut(overview)) return <Sentence overview={overview} />;
  const known = overview.funnel.some((stage) => stage.devices > 0);
  return known ? 'No device has enrolled yet' : 'No devices yet';
}

function isAnyLeftOut({ left_out: out }: Overview): boolean {
  return out !== undefined && out.held + out.lost + out.revoked > 0;
}

function Sentence({ overview }: { overview: Overview }) {
  return sentenceParts(overview.sentence).map((part, i) => {
    // The pieces of a sentence have no name but their place.
    if (!part.opens) return <span key={i}>{part.text}</span>;
    const word = 'state' in part.opens ? part.opens.state : part.opens.compliance;
    const tone = Number(part.text) > 0 ? look(word).tone : undefined;
    return (
      <Link key={i} to="/devices" search={part.opens} data-tone={tone}>
        {part.text}
      </Link>
    );
  });
}

function Standing({ overview }: { overview: Overview | undefined }) {
  return (
    <>
      <ol className="funnel" aria-label="Life of devices">
        {(overview?.funnel ?? []).map((stage) => (
          <FunnelStage key={stage.stage} stage={stage} />
        ))}
      </ol>
      <div className="overview">
        <div>
          <section className="section" aria-labelledby="needs">
            <h2 id="needs">Needs you</h2>
            <Needs needs={overview?.needs_you} />
          </section>
          <section className="section" aria-labelledby="causes">
            <h2 id="causes">Failures by cause</h2>
            <DataTable
              label="Failures by cause"
              columns={CAUSES}
              rows={overview?.causes}
              keyOf={(group) => `${group.subject} ${group.problem} ${group.profile ?? ''}`}
              empty={<p className="dim">Nothing fails.</p>}
            />
          </section>
        </div>
        <section className="section" aria-labelledby="days">
          <h2 id="days">Last 30 days</h2>
          {overview && <Days days={overview.days} />}
        </section>
      </div>
    </>
  );
}

function Days({ days }: { days: Day[] }) {
  if (days.every((day) => day.counts.total === 0)) {
    return <p className="dim">No day has data yet: the first is recorded once a device has enrolled.</p>;
  }
  return <StackedDays days={days} stack={STACK} caption="Devices by compliance" />;
}

const WAITS: Partial<Record<DeviceState, string>> = {
  registered: 'never seen',
  pending: 'waiting for approval',
  enrolled: 'not yet converged',
  ready: 'converged whole',
};

function FunnelStage({ stage }: { stage: Stage }) {
  return (
    <li>
      <Link className="number" to="/devices" search={{ state: stage.stage }}>
        {stage.devices}
      </Link>
      <span>
        {look(stage.stage).label} <span className="dim">{WAITS[stage.stage]}</span>
      </span>
      <span className="wait">
        {stage.longest ? (
          <>
            longest:{' '}
            <Link to="/devices/$id" params={{ id: stage.longest }}>
              {visible(stage.longest)}
            </Link>
            , <Time at={stage.since} side="start" lasting />
          </>
        ) : (
          'none'
        )}
      </span>
    </li>
  );
}

function Needs({ needs }: { needs: Overview['needs_you'] | undefined }) {
  if (!needs) return <span className="bone" />;
  if (needs.length === 0) return <p className="dim">Nothing waits for you.</p>;
  return (
    <ul className="needs">
      {needs.map((need) => (
        <li key={`${need.kind} ${need.device ?? ''} ${need.text}`}>
          <NeedBadge need={need} />
          {need.kind === 'removal' || need.kind === 'paused' ? (
            <Link to="/pauses">{visible(need.text)}</Link>
          ) : need.kind === 'rollout' ? (
            <RolloutNeed text={need.text} />
          ) : need.device ? (
            <Link to="/devices/$id" params={{ id: need.device }}>
              {visible(need.text)}
            </Link>
          ) : (
            visible(need.text)
          )}
        </li>
      ))}
    </ul>
  );
}

/** Leads to what has to be decided. */
function NeedBadge({ need }: { need: Overview['needs_you'][number] }) {
  if (need.device) return <DeviceBadge word={need.kind} device={need.device} />;
  const { label, tone, icon } = look(need.kind);
  const inside = (
    <>
      <Icon name={icon} />
      {label}
    </>
  );
  const { id } = rolloutOf(need.text);
  if (id) {
    return (
      <Link className="badge" data-tone={tone} to="/rollouts/$id" params={{ id }} hash="why">
        {inside}
      </Link>
    );
  }
  return (
    <Link className="badge" data-tone={tone} to="/pauses">
      {inside}
    </Link>
  );
}

/** The sentence ends with the command that shows the rollout; here the sentence itself does. */
function rolloutOf(text: string): { said: string; id?: string } {
  const [said = text, id] = text.split(': muster rollout show ');
  return { said, id };
}

function RolloutNeed({ text }: { text: string }) {
  const { said, id } = rolloutOf(text);
  if (!id) return <Link to="/rollouts">{visible(said)}</Link>;
  return (
    <Link to="/rollouts/$id" params={{ id }}>
      {visible(said)}
    </Link>
  );
}

const CAUSES: Column<CauseGroup>[] = [
  {
    id: 'subject',
    header: 'Resource or check',
    width: '27%',
    cell: (group) => (
      <span title={visible(group.subject)}>
        <code>{visible(group.subject)}</code>
        <span className="under">{visible(group.problem)}</span>
      </span>
    ),
    wraps: true,
  },
  {
    id: 'problem',
    header: 'Problem',
    cell: (group) => visible(group.problem),
    from: 'medium',
    wraps: true,
  },
  {
    id: 'profile',
    header: 'Profile',
    cell: (group) => (group.profile ? <RevisionLink profile={group.profile} /> : '–'),
    width: '17%',
    from: 'medium',
  },
  { id: 'devices', header: 'Devices', cell: (group) => <Examples group={group} />, width: '24%', wraps: true },
];

/** The number opens exactly the devices that have this trouble. */
function CauseCount({ group }: { group: CauseGroup }) {
  const count = group.devices.toLocaleString('en');
  if (group.kind === 'check') {
    // A failure that is accepted is no trouble, and is not counted here.
    const found = group.word === 'fail' ? 'unwaived' : group.word;
    const verdict = FINDINGS.find((word) => word === found);
    return (
      <Link to="/checks/$id" params={{ id: group.subject }} search={{ verdict, profile: group.profile ?? undefined }}>
        <strong>{count}</strong>
      </Link>
    );
  }
  return (
    <Link
      to="/outcomes"
      search={{ outcome: group.word ?? '', profile: group.profile ?? undefined, resource: group.subject }}
    >
      <strong>{count}</strong>
    </Link>
  );
}

function Examples({ group }: { group: CauseGroup }) {
  return (
    <>
      <CauseCount group={group} />
      {group.examples.map((name, i) => (
        <span key={name}>
          {i === 0 ? ': ' : ', '}
          <Link to="/devices/$id" params={{ id: name }}>
            {visible(name)}
          </Link>
        </span>
      ))}
      {group.devices > group.examples.length && ', …'}
    </>
  );
}
