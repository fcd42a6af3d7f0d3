// The words of the API with the tone and the drawing that each has on every page.
import type { Artifact, Compliance, DeviceState, OutcomeKind, RolloutStanding, RolloutState, Verdict } from '../api/types';
import type { IconName } from './Icon';

/** Green, red, amber, grey, hatched. */
export type Tone = 'good' | 'bad' | 'act' | 'none' | 'stale';

/** Every word that a badge can say. */
export type Word =
  | Compliance
  | DeviceState
  | OutcomeKind
  | Verdict
  | Artifact['state']
  | RolloutState
  | RolloutStanding
  | 'clock'
  | 'conflict'
  | 'late_return'
  | 'paused'
  | 'refused'
  | 'removal'
  | 'rollout'
  | 'unwaived'
  | 'waived';

/** How a word looks. */
export interface Look {
  label: string;
  tone: Tone;
  icon: IconName;
}

const LOOKS: Record<Word, Look> = {
  compliant: { label: 'Compliant', tone: 'good', icon: 'check' },
  failing: { label: 'Failing', tone: 'bad', icon: 'cross' },
  unknown: { label: 'Unknown', tone: 'none', icon: 'question' },
  stale: { label: 'Stale', tone: 'stale', icon: 'stale' },
  unmanaged: { label: 'Unmanaged', tone: 'none', icon: 'dotted' },
  registered: { label: 'Registered', tone: 'none', icon: 'ring' },
  pending: { label: 'Pending', tone: 'act', icon: 'hand' },
  enrolled: { label: 'Enrolled', tone: 'none', icon: 'half' },
  ready: { label: 'Ready', tone: 'good', icon: 'check' },
  held: { label: 'Held', tone: 'bad', icon: 'alert' },
  lost: { label: 'Lost', tone: 'bad', icon: 'ban' },
  revoked: { label: 'Revoked', tone: 'none', icon: 'ban' },
  kept: { label: 'Kept', tone: 'good', icon: 'check' },
  repaired: { label: 'Repaired', tone: 'good', icon: 'repaired' },
  drifted: { label: 'Drifted', tone: 'bad', icon: 'drifted' },
  failed: { label: 'Failed', tone: 'bad', icon: 'cross' },
  blocked: { label: 'Blocked', tone: 'act', icon: 'blocked' },
  not_applicable: { label: 'Not applicable', tone: 'none', icon: 'minus' },
  unsupported: { label: 'Unsupported', tone: 'none', icon: 'question' },
  pass: { label: 'Pass', tone: 'good', icon: 'check' },
  fail: { label: 'Fail', tone: 'bad', icon: 'cross' },
  clock: { label: 'Clock', tone: 'act', icon: 'hand' },
  conflict: { label: 'Conflict', tone: 'act', icon: 'alert' },
  late_return: { label: 'Late return', tone: 'act', icon: 'hand' },
  paused: { label: 'Paused', tone: 'act', icon: 'blocked' },
  refused: { label: 'Refused', tone: 'act', icon: 'ban' },
  removal: { label: 'Removal', tone: 'act', icon: 'hand' },
  rollout: { label: 'Rollout', tone: 'act', icon: 'alert' },
  running: { label: 'Running', tone: 'none', icon: 'half' },
  stopped: { label: 'Stopped', tone: 'act', icon: 'alert' },
  done: { label: 'Done', tone: 'good', icon: 'check' },
  cancelled: { label: 'Cancelled', tone: 'none', icon: 'ban' },
  stored: { label: 'Stored', tone: 'good', icon: 'check' },
  uploading: { label: 'Uploading', tone: 'none', icon: 'half' },
  missing: { label: 'Missing', tone: 'bad', icon: 'cross' },
  waiting: { label: 'Waiting', tone: 'none', icon: 'ring' },
  passed: { label: 'Passed', tone: 'good', icon: 'check' },
  working: { label: 'At work', tone: 'none', icon: 'half' },
  not_answered: { label: 'Not answered', tone: 'none', icon: 'question' },
  gone: { label: 'Gone', tone: 'none', icon: 'minus' },
  unwaived: { label: 'Fail, not waived', tone: 'bad', icon: 'cross' },
  waived: { label: 'Waived', tone: 'none', icon: 'flag' },
};

/** The look of a word; one that this page does not know yet is shown as it is, in grey. */
export function look(word: string): Look {
  return LOOKS[word as Word] ?? { label: word, tone: 'none', icon: 'question' };
}

/** Whether a device is nobody's to manage any more. */
export function isOut(device: { state: DeviceState }): boolean {
  return device.state === 'revoked' || device.state === 'lost';
}

/** The one word for where a device stands: its compliance once it is in, its state before that and after. */
export function standing(device: { state: DeviceState; compliance: Compliance }): Word {
  const isIn = device.state === 'enrolled' || device.state === 'ready';
  return isIn ? device.compliance : device.state;
}

const WEIGHT: Record<Tone, number> = { bad: 0, act: 1, stale: 2, none: 3, good: 4 };

/** Orders words by how much they need a reader: red, amber, hatched, grey, green. */
export function weight(word: string): number {
  return WEIGHT[look(word).tone];
}
