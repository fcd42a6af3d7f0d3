// What a profile begins with, and what it calls itself.

const USUAL = 'base';

/** The text that `muster profile init NAME` prints, with a name that none of those has. */
export function starter(taken: string[]): string {
  let name = USUAL;
  for (let i = 2; taken.includes(name); i += 1) name = `${USUAL}-${i}`;
  return named(name);
}

const named = (name: string) => `muster: 1
profile: ${name}
description: What every device has
resources:
  - packages: [curl, jq]
  - file: { path: /etc/motd, content: "Managed by Muster.\\n", mode: "0644" }
checks:
  - id: no-empty-passwords
    title: No account has an empty password
    violations: SELECT username FROM shadow WHERE password_status = 'empty'
    severity: high
    remediation: Lock the account or set a password.
`;

/** The name that a text gives to its profile; undefined while it gives none. */
export function nameIn(text: string): string | undefined {
  return /^profile:[ \t]*(["']?)([a-z0-9][a-z0-9.-]*)\1[ \t]*(#.*)?$/m.exec(text)?.[2];
}
