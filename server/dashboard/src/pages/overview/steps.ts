// The first steps, and which of them are done, from what the pages know anyway.
import type { Overview, Profile, Token } from '../../api/types';

/** One step, with the one next command. */
export interface Step {
  id: 'setup' | 'register' | 'profile' | 'token' | 'enroll' | 'assign' | 'comply';
  title: string;
  command: string;
  isDone: boolean;
}

/** What is known of the server. */
export interface Known {
  overview: Pick<Overview, 'counts' | 'funnel'>;
  profiles: Profile[];
  tokens: Token[];
}

/** The steps in their order. A device that has enrolled needed a token, though that may be gone by now. */
export function firstSteps({ overview, profiles, tokens }: Known): Step[] {
  const { counts, funnel } = overview;
  const name = profiles[0]?.name ?? 'base';
  const isEnrolled = counts.total > 0;
  const isKnown = isEnrolled || funnel.some((stage) => stage.devices > 0);
  const step = (id: Step['id'], title: string, command: string, isDone: boolean) => ({
    id,
    title,
    command,
    isDone,
  });
  return [
    step('setup', 'The server is set up', 'muster-server doctor', true),
    step('register', 'Register your devices', 'muster device import devices.csv', isKnown),
    step('profile', 'Save a profile', 'muster profile init base > base.yaml && muster profile apply base.yaml', profiles.length > 0),
    step('token', 'Make a token', 'muster token create --label laptop --print shell', tokens.length > 0 || isEnrolled),
    step('enroll', 'Enroll the first device: run the token’s script on it', 'sudo muster-agent enroll --join-file /etc/muster/join.toml', isEnrolled),
    step('assign', 'Assign the profile', `muster assign ${name} --to everyone`, profiles.some((profile) => profile.devices > 0)),
    step('comply', 'See the first device comply', 'muster compliance', counts.compliant > 0),
  ];
}
