// Who gets a revision by nothing more than its save.
import type { SavedRevision } from '../../api/types';

/** What a save would give, and to whom. */
export interface Brought {
  /** Such as `base@4`. */
  revision: string;
  /** False when nothing differs from the newest revision, which only goes to those that could not take it before. */
  isNew: boolean;
  /** The assignments that take it. */
  targets: { target: string; devices: number }[];
  /** Devices of all of them together. */
  devices: number;
}

/** Reads it from what the server says a save would do, as the command line does. */
export function brought({ profile, number, new: isNew, followers = [] }: SavedRevision): Brought {
  const targets = followers
    .filter((follower) => !follower.stays)
    .map(({ target, devices }) => ({ target, devices }));
  const devices = targets.reduce((sum, follower) => sum + follower.devices, 0);
  return { revision: `${profile}@${number}`, isNew, targets, devices };
}
