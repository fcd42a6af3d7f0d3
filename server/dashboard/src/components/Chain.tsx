// From a failure to who asked for it: resource, profile and revision, assignment, person.
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
  if (subject) links.push(['subject', <code key="s">{visible(subject)}</code>]);
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

/** The assignment without the profile that the chain has just named: `base@3 to label:laptop` is `to label:laptop`. */
export function assignmentWords(assignment: string | null | undefined): string | undefined {
  return assignment?.replace(/^\S+@\d+ /, '');
}
