// A device that was reported lost: how far its last order has come, and what it held then.
import type { LostView } from '../../api/types';
import { Note } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';

export function Lost({ lost }: { lost: LostView }) {
  return (
    <Note tone="act">
      Reported lost <Time at={lost.since} /> by {visible(lost.by)}
      {lost.reason && <>: “{visible(lost.reason)}”</>}. <Order lost={lost} />
      <ul>
        {heldLines(lost).map((line) => (
          <li key={line}>{visible(line)}</li>
        ))}
      </ul>
    </Note>
  );
}

function Order({ lost }: { lost: LostView }) {
  if (lost.received) {
    return (
      <>
        It carried its last order out, receipt of <Time at={lost.received} />.
      </>
    );
  }
  if (lost.given) {
    return (
      <>
        Its last order was given <Time at={lost.given} />, and no receipt has come.
      </>
    );
  }
  return <>Its last order waits for its next contact.</>;
}

/** What it held, what it did, and how its disk was, a line each. */
export function heldLines({ held, receipt }: Pick<LostView, 'held' | 'receipt'>): string[] {
  const lines: string[] = [];
  if (receipt) lines.push(`Accounts it locked: ${receipt.locked.join(', ') || 'none'}`);
  for (const fault of receipt?.faults ?? []) lines.push(`Not done: ${fault}`);
  if (held.profiles.length > 0) lines.push(`Profiles it held: ${held.profiles.join(', ')}`);
  if (held.accounts.length > 0) lines.push(`Accounts it held: ${held.accounts.join(', ')}`);
  for (const key of held.ssh_keys) lines.push(`SSH key it let in: ${key}`);
  for (const { account, revealed_to } of held.passwords) {
    lines.push(`First-login password of ${account}: revealed to ${revealed_to ?? 'nobody'}`);
  }
  lines.push(diskLine(held.disk));
  return lines;
}

function diskLine(disk: LostView['held']['disk']): string {
  if (!disk.reported) return 'Disk encryption at last contact: unknown, it never said';
  if (disk.encrypted.length === 0) return 'Disk encryption at last contact: none';
  return `Disk encryption at last contact: ${disk.encrypted.join(', ')}`;
}
