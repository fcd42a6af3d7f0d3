// Small parts that several pages share.
import './parts.css';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { ApiError } from '../api/client';
import { Icon } from './Icon';
import { visible } from './visible';

interface CopyProps {
  text: string;
  label: string;
  /** True to show the label beside the drawing. */
  isLong?: boolean;
}

export function CopyButton({ text, label, isLong }: CopyProps) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button type="button" className="iconbutton" onClick={copy} aria-label={label} title={isLong ? undefined : label}>
      <Icon name={copied ? 'check' : 'copy'} />
      {isLong && <span>{label}</span>}
      <span className="hidden-visually" role="status">
        {copied ? 'Copied' : ''}
      </span>
    </button>
  );
}

/** A command line to copy. */
export function Command({ line }: { line: string }) {
  return (
    <div className="command">
      <code>{line}</code>
      <CopyButton text={line} label={`Copy ${line}`} />
    </div>
  );
}

/** Why there is nothing here, and the one next command. */
interface EmptyProps {
  title: string;
  why: ReactNode;
  next?: string;
  /** True when nothing else is on the page. */
  isPage?: boolean;
  children?: ReactNode;
}

export function Empty(props: EmptyProps) {
  return (
    <div className="empty">
      {props.isPage ? <h1>{props.title}</h1> : <h2>{props.title}</h2>}
      <p>{props.why}</p>
      {props.next && <Command line={props.next} />}
      {props.children}
    </div>
  );
}

/** What the server said was wrong. */
export function ProblemNote({ error }: { error: unknown }) {
  if (!error) return null;
  const places = error instanceof ApiError ? (error.problem.errors ?? []) : [];
  return (
    <div className="note" role="alert">
      <Icon name="alert" />
      <div>
        {error instanceof Error ? error.message : String(error)}
        {places.length > 0 && (
          <ul>
            {places.map((place) => (
              <li key={`${place.line}:${place.column}:${place.message}`}>
                {place.line > 0 && (
                  <code>
                    {place.line}:{place.column}
                  </code>
                )}{' '}
                {place.message}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

export function Note({ tone, children }: { tone: 'act' | 'good'; children: ReactNode }) {
  return (
    <div className="note" data-tone={tone} role="status">
      <Icon name={tone === 'good' ? 'check' : 'alert'} />
      <div>{children}</div>
    </div>
  );
}

export function Labels({ labels }: { labels: string[] }) {
  if (labels.length === 0) return <span className="dim">–</span>;
  return (
    <span className="labels">
      {labels.map((label) => (
        <Link key={label} className="label" to="/devices" search={{ label }}>
          {visible(label)}
        </Link>
      ))}
    </span>
  );
}

/** `base@3` as a way to that revision. */
export function RevisionLink({ profile }: { profile: string }) {
  const [name = profile, revision] = profile.split('@');
  return (
    <Link to="/profiles/$name" params={{ name }} search={revision ? { revision: Number(revision) } : {}}>
      {profile}
    </Link>
  );
}

/** `label:laptop` as a way to the devices it means. */
export function TargetLink({ target }: { target: string }) {
  const [kind, name = ''] = target.split(/:(.*)/s);
  if (kind === 'label') {
    return (
      <Link to="/devices" search={{ label: name }}>
        {target}
      </Link>
    );
  }
  if (kind === 'device') {
    return (
      <Link to="/devices/$id" params={{ id: name }}>
        {target}
      </Link>
    );
  }
  return <Link to="/devices">{target}</Link>;
}

export function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <FactRow key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

function FactRow({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
