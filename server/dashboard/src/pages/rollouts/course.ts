// What a rollout is made of, as its pages say it.
import type { Rollout, RolloutDetail, RolloutDevice, RolloutStanding, RolloutStep } from '../../api/types';
import { span } from '../../components/time';

/** What a step counts its devices as. */
export const COUNTED = ['passed', 'working', 'failed', 'not_answered'] as const;
export type Counted = (typeof COUNTED)[number];

/** As what a step counts a device that stands so: whoever does not hold the step has not answered it. */
export function countedAs(standing: RolloutStanding): Counted | undefined {
  if (standing === 'waiting') return undefined;
  return COUNTED.find((word) => word === standing) ?? 'not_answered';
}

/** The word of a device's badge: what keeps it is a pause or a removal, and not that two machines use its identity. */
export function standingWord(standing: RolloutStanding): RolloutStanding | 'paused' {
  return standing === 'held' ? 'paused' : standing;
}

/** What is to be said of a device beside its standing: what is wrong with it, or why it does not hold its step. */
export function troubleWords({ standing, trouble }: RolloutDevice): string | undefined {
  if (trouble) return trouble;
  if (standing === 'held') return 'a pause or a removal that waits keeps it as it is';
  if (standing === 'gone') return 'not in the target any more, or a narrower assignment takes its place';
  return undefined;
}

/** What it brings, as `base@4`. */
export function brings({ profile, revision }: Rollout): string {
  return `${profile}@${revision}`;
}

/** Devices that passed, of all. */
export function progress({ steps }: Rollout): { passed: number; devices: number } {
  return {
    passed: steps.reduce((sum, step) => sum + step.passed, 0),
    devices: steps.reduce((sum, step) => sum + step.devices, 0),
  };
}

/** Whether it can still be resumed or taken back. */
export function isOpen({ state }: Rollout): boolean {
  return state === 'running' || state === 'stopped';
}

/** The devices that have what it brings, and how many these are; not all of them need be named. */
export function reached({ rollout, devices }: RolloutDetail): { count: number; names: string[] } {
  const begun = rollout.steps.filter((step) => step.began);
  const given = devices.filter((device) => device.given);
  const having = given.filter((device) => device.standing !== 'gone');
  return {
    count: begun.reduce((sum, step) => sum + step.devices, 0) - (given.length - having.length),
    names: having.map((device) => device.device),
  };
}

/** Whether it is settled which devices a step has: as to the last, that is so when it begins. */
export function isLaidDown(step: RolloutStep, { steps }: Rollout): boolean {
  return Boolean(step.began) || step.number < steps.length;
}

/** Devices of all steps whose devices are settled. The server names at most a thousand of them, those of the newest steps. */
export function laidDown(rollout: Rollout): number {
  return rollout.steps.filter((step) => isLaidDown(step, rollout)).reduce((sum, step) => sum + step.devices, 0);
}

/** How long all has to be well between steps. */
export function soakWords(seconds: number): string {
  return seconds === 0 ? 'none' : span(seconds);
}

/** The devices of a step that are counted so; all when neither is given. */
export function narrowed(devices: RolloutDevice[], step?: number, as?: Counted): RolloutDevice[] {
  return devices.filter(
    (device) => (!step || device.step === step) && (!as || countedAs(device.standing) === as),
  );
}
