// The first steps, and which of them are done, from what the pages know anyway.
import type { ComplianceCounts, Profile, Token } from '../../api/types';

/** One step, with the one next command. */
export interface Step {
  id: 'setup' | 'profile' | 'token' | 'enroll' | 'assign' | 'comply';
  title: string;
  command: string;
  isDone: boolean;
}

/** What is known of the server. */
export interface Known {
  counts: ComplianceCounts;
  profiles: Profile[];
  tokens: Token[];
}

/** The steps in their order. A device that has enrolled needed a token, though that may be gone by now. */
export function firstSteps({ counts, profiles, tokens }: Known): Step[] {
  const name = profiles[0]?.name ?? 'base';
  const isEnrolled = counts.total > 0;
  const step = (id: Step['id'], title: string, command: string, isDone: boolean) => ({
    id,
    title,
    command,
    isDone,
  });
  return [
    step('setup', 'The server is set up', 'muster-server doctor', true),
    step('profile', 'Save a profile', 'muster profile init base > base.yaml && muster profile apply base.yaml', profiles.length > 0),
    step('token', 'Make a token', 'muster token create --label laptop --print toml', tokens.length > 0 || isEnrolled),
    step('enroll', 'Enroll the first device', 'sudo muster-agent enroll --join-file /etc/muster/join.toml', isEnrolled),
    step('assign', 'Assign the profile', `muster assign ${name} --to label:laptop`, profiles.some((profile) => profile.devices > 0)),
    step('comply', 'See the first device comply', 'muster compliance', counts.compliant > 0),
  ];
}
