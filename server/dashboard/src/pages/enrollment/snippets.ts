// The ways of giving a machine a token, and the same token as a command line.
import type { CreatedToken, NewToken } from '../../api/types';
import { quoted } from '../../components/quoted';

/** One way: for which machines, what is done with the text, and the text with the secret in it. */
export interface Way {
  id: string;
  label: string;
  /** What the text is called where it is copied. */
  name: string;
  what: string;
  text: string;
}

/** Every way, the one for a machine that runs already first. */
export function snippets({ join_file, snippets: by }: Pick<CreatedToken, 'join_file' | 'snippets'>): [Way, ...Way[]] {
  return [
    {
      id: 'shell',
      label: 'a machine that runs',
      name: 'the script',
      what: 'Paste it into a shell of the machine. It brings this server’s package repository, the agent and the join file; the machine enrolls at once.',
      text: by.shell,
    },
    {
      id: 'cloud-init',
      label: 'cloud-init',
      name: 'the user data',
      what: 'Give it to your cloud or hypervisor as user data: the machine enrolls in its first boot.',
      text: by.cloud_init,
    },
    {
      id: 'preseed',
      label: 'Debian’s installer',
      name: 'the preseed lines',
      what: 'Add these lines to the preseed file: the machine enrolls in its first boot.',
      text: by.preseed,
    },
    {
      id: 'autoinstall',
      label: 'Ubuntu’s installer',
      name: 'the autoinstall file',
      what: 'Give it to the installer, or add its part to yours: the machine enrolls in its first boot.',
      text: by.autoinstall,
    },
    {
      id: 'join-file',
      label: 'a machine that has the agent',
      name: 'the join file',
      what: 'Put it on the machine as /etc/muster/join.toml, readable by root only: it enrolls by itself.',
      text: join_file,
    },
  ];
}

/** The same token as a command line. */
export function tokenCommand({ labels, uses, hours, serial, unknown }: NewToken): string {
  const words = ['muster token create'];
  for (const label of labels ?? []) words.push(`--label ${quoted(label)}`);
  if (serial) words.push(`--serial ${quoted(serial)}`);
  if (uses && uses !== 1) words.push(`--uses ${uses}`);
  if (hours && hours !== 24) words.push(`--expires ${hours}h`);
  if (unknown === 'refuse') words.push('--unknown refuse');
  return [...words, '--print shell'].join(' ');
}
