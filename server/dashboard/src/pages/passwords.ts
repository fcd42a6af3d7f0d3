// What a password has to be: long, and the same twice. No rules on its composition, after NIST SP 800-63B.

export const MIN_LENGTH = 12;

/** What is wrong with a chosen password, if anything. */
export function passwordProblem(name: string, password: string): string | undefined {
  const missing = MIN_LENGTH - [...password].length;
  if (missing > 0)
    return `${missing} more ${missing === 1 ? 'character' : 'characters'}: at least ${MIN_LENGTH}.`;
  if (name && password.toLowerCase() === name.toLowerCase()) return 'The name is not a password.';
  return undefined;
}
