// Differences: of two texts, and of a resource's attributes.
import { Fragment } from 'react';
import './parts.css';
import type { Difference } from '../api/types';
import { parseUnified } from './unified';
import { shown, visible } from './visible';

export function UnifiedDiff({ unified }: { unified: string }) {
  const rows = parseUnified(unified);
  if (rows.length === 0) return <p className="dim">The two revisions say the same.</p>;
  return (
    <div className="diff">
      <table>
        <tbody>
          {rows.map((row, i) => (
            // The rows of a diff have no name but their place.
            <tr key={i} data-kind={row.kind}>
              <td className="no">{row.from}</td>
              <td className="no">{row.to}</td>
              <td>
                {row.kind === 'add' ? '+ ' : row.kind === 'cut' ? '- ' : row.kind === 'same' ? '  ' : ''}
                {visible(row.text)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What an attribute is or was, and what it should be or became. */
export function Differences({ rows, repaired }: { rows: Difference[]; repaired?: boolean }) {
  if (rows.length === 0) return null;
  return (
    <table className="pairs">
      <thead>
        <tr>
          <th scope="col">Attribute</th>
          <th scope="col">{repaired ? 'Was' : 'Is'}</th>
          <th scope="col">{repaired ? 'Became' : 'Should be'}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Fragment key={row.attribute}>
            <tr>
              <th scope="row">{row.attribute}</th>
              <td className="mono">
                <del>{shortened(row.from)}</del>
              </td>
              <td className="mono">
                <ins>{shortened(row.to)}</ins>
              </td>
            </tr>
            {row.diff && (
              <tr>
                <td colSpan={3}>
                  <UnifiedDiff unified={row.diff} />
                </td>
              </tr>
            )}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}

/** Digests are told apart by their first characters. */
function shortened(value: unknown): string {
  const text = shown(value);
  const digest = /^(sha256:)?([0-9a-f]{64})$/.exec(text);
  return digest ? `sha256:${digest[2]?.slice(0, 12)}…` : text;
}
