// What devices send is shown, never obeyed: characters that steer a reader's eye are written out.

// Control characters are what is looked for.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The text with control, direction and invisible characters as `⟨U+202E⟩`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

/** An actor as people name them: an admin by the name alone, `token:ci` and devices as they are. */
export function who(actor: string): string {
  return visible(actor.replace(/^admin:/, ''));
}

/** Any JSON value as one text. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  return visible(typeof value === 'string' ? value : JSON.stringify(value));
}

/** A number of things: `1 check`, `2 checks`. */
export function counted(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}
