// From a failure to who asked for it: resource, profile and revision, assignment, person.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { RevisionLink } from './parts';
import { Time } from './Time';
import { visible, who } from './visible';

interface Props {
  subject?: string;
  profile?: string | null;
  assignment?: string | null;
  by?: string | null;
  at?: string | null;
}

export function Chain({ subject, profile, assignment, by, at }: Props) {
  const links: [string, ReactNode][] = [];
  if (subject) links.push(['subject', <Subject key="s" subject={subject} />]);
  if (profile) links.push(['profile', <RevisionLink key="p" profile={profile} />]);
  if (assignment) links.push(['assignment', <span key="a">assigned {visible(assignment)}</span>]);
  if (by) {
    links.push([
      'by',
      <span key="b">
        by {who(by)}
        {at && (
          <>
            {' '}
            <Time at={at} side="start" />
          </>
        )}
      </span>,
    ]);
  }
  return (
    <ol className="chain" aria-label="Chain of causes">
      {links.map(([kind, link]) => (
        <li key={kind} data-link={kind}>
          {link}
        </li>
      ))}
    </ol>
  );
}

/** A check leads to its own page, where all devices are that are asked it. */
function Subject({ subject }: { subject: string }) {
  const [kind, id] = subject.split(/:(.*)/s);
  const check = kind === 'check' ? id : undefined;
  if (!check) return <code>{visible(subject)}</code>;
  return (
    <Link to="/checks/$id" params={{ id: check }}>
      <code>{visible(check)}</code>
    </Link>
  );
}

/** The assignment without the profile that the chain has just named: `base@3 to label:laptop` is `to label:laptop`. */
export function assignmentWords(assignment: string | null | undefined): string | undefined {
  return assignment?.replace(/^\S+@\d+ /, '');
}
