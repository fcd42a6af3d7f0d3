// Why a device is not compliant: for each cause the chain to who asked for it, and what to do.
import { Link } from '@tanstack/react-router';
import type { Cause, DeviceDetail, WaivedCheck } from '../../api/types';
import { Badge } from '../../components/Badge';
import { assignmentWords, Chain } from '../../components/Chain';
import { causeWords, rowWords } from '../../components/cause';
import { Icon } from '../../components/Icon';
import { Command } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';
import { standing } from '../../components/words';
import { Accepted } from '../waivers/Accepted';

export function Why({ detail }: { detail: DeviceDetail }) {
  const { device, causes, waived = [] } = detail;
  // A clock that is wrong keeps no device from being compliant, and has to be set all the same.
  const isCompliant = standing(device) === 'compliant';
  if (isCompliant && causes.length === 0 && waived.length === 0) return null;
  // That it was never seen is said with what to do, below.
  const told = causes.filter((cause) => cause.kind !== 'registered');
  return (
    <section className="why" id="why" aria-labelledby="why-title">
      <h2 id="why-title">{isCompliant ? compliantWith(causes) : 'Why not compliant'}</h2>
      {told.length > 0 || waived.length > 0 ? (
        <ul className="causes">
          {told.map((cause) => (
            <CauseRow key={`${cause.kind} ${cause.subject} ${cause.profile ?? ''}`} cause={cause} />
          ))}
          {waived.map((each) => (
            <WaivedRow key={`waived ${each.check}`} waived={each} />
          ))}
        </ul>
      ) : (
        <NoCause detail={detail} />
      )}
    </section>
  );
}

function compliantWith(causes: Cause[]): string {
  return causes.length > 0 ? 'Compliant, with something to put right' : 'Compliant, with failures that are waived';
}

function CauseRow({ cause }: { cause: Cause }) {
  const { word, text } = causeWords(cause);
  return (
    <li>
      <span>
        <Badge word={word} />
      </span>
      <span className="what">
        {cause.title && (
          <>
            <strong>{visible(cause.title)}</strong> <code>{visible(cause.subject)}</code>
            {cause.severity && ` (severity ${cause.severity})`}:{' '}
          </>
        )}
        {visible(text)}
      </span>
      <Time at={cause.since} none="" />
      <div className="rest">
        <Chain
          subject={cause.kind === 'check' ? `check:${cause.subject}` : cause.subject}
          profile={cause.profile}
          assignment={assignmentWords(cause.assignment)}
          by={cause.assigned_by}
          at={cause.assigned_at}
        />
      </div>
      <Rows cause={cause} />
      {cause.remedy && <div className="rest">{visible(cause.remedy)}</div>}
      <WayBack steps={cause.steps ?? []} />
    </li>
  );
}

/** What is to be done in order; what is done is ticked, and what is not has its command to copy. */
function WayBack({ steps }: { steps: NonNullable<Cause['steps']> }) {
  if (steps.length === 0) return null;
  return (
    <ol className="rest way">
      {steps.map((step) => (
        <li key={step.command} data-done={step.done}>
          <Icon name={step.done ? 'check' : 'ring'} />
          <div>
            {visible(step.text)}
            {step.done ? <span className="dim"> (done)</span> : <Command line={visible(step.command)} />}
          </div>
        </li>
      ))}
    </ol>
  );
}

/** A failure that is accepted for now is no cause, and is not hidden either. */
function WaivedRow({ waived }: { waived: WaivedCheck }) {
  return (
    <li>
      <span>
        <Badge word="waived" />
      </span>
      <span className="what">
        <Link to="/checks/$id" params={{ id: waived.check }}>
          <code>{visible(waived.check)}</code>
        </Link>{' '}
        fails
      </span>
      <Time at={waived.since} none="" />
      <div className="rest">
        <Accepted waiver={waived.waiver} />
      </div>
    </li>
  );
}

/** The first rows that show it; the Checks tab has all that were reported. */
function Rows({ cause }: { cause: Cause }) {
  const rows = cause.evidence ?? [];
  if (rows.length === 0) return null;
  const more = (cause.rows ?? 0) - rows.length;
  return (
    <ul className="rest mono">
      {rows.map((row) => (
        <li key={JSON.stringify(row)}>{rowWords(row)}</li>
      ))}
      {more > 0 && <li className="dim">and {more} more</li>}
    </ul>
  );
}

function NoCause({ detail }: { detail: DeviceDetail }) {
  const { device } = detail;
  const name = device.name || device.id;
  if (device.state === 'registered') {
    return (
      <>
        <p className="dim">It is registered and has never been seen. Put a join file on it and enroll it:</p>
        <Command line="sudo muster-agent enroll --join-file /etc/muster/join.toml" />
      </>
    );
  }
  if (device.state === 'revoked') return <p className="dim">Its certificates are no longer accepted.</p>;
  if (device.compliance === 'unmanaged') {
    return (
      <>
        <p className="dim">Nothing is assigned to it, so nothing can be said. Assign a profile:</p>
        <Command line={`muster assign base --to ${quoted(visible(`device:${name}`))}`} />
      </>
    );
  }
  return <p className="dim">It has not reported everything yet.</p>;
}
