// What a password has to be: long, and the same twice. No rules on its composition, after NIST SP 800-63B; whether it is one
// that is tried first is the server's to say.

/** Characters of a password that is all that a login needs. */
export const MIN_LENGTH = 15;

/** What is wrong with a chosen password, if anything. */
export function passwordProblem(name: string, password: string, least = MIN_LENGTH): string | undefined {
  const missing = least - [...password].length;
  if (missing > 0)
    return `${missing} more ${missing === 1 ? 'character' : 'characters'}: at least ${least}.`;
  if (name && password.toLowerCase() === name.toLowerCase()) return 'The name is not a password.';
  return undefined;
}
