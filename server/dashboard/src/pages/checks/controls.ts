// Controls, put together from the checks that name them.
import type { CheckSummary } from '../../api/types';

export const SEVERITIES = ['low', 'medium', 'high', 'critical'];

/** A control with its checks. */
export interface Control {
  id: string;
  checks: CheckSummary[];
  /** How many of them fail on any device. */
  failing: number;
}

/** All controls that checks name: those with failures first, then by name. */
export function byControl(checks: CheckSummary[]): Control[] {
  const known = new Map<string, CheckSummary[]>();
  for (const check of checks) {
    for (const id of check.controls) known.set(id, [...(known.get(id) ?? []), check]);
  }
  const controls = [...known].map(([id, of]) => ({
    id,
    checks: of,
    failing: of.filter((check) => check.counts.fail > 0).length,
  }));
  return controls.sort((a, b) => b.failing - a.failing || a.id.localeCompare(b.id));
}
