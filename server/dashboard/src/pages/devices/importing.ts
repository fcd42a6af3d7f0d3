// What an import does, as sentences.
import type { Import, ImportChange, Removal } from '../../api/types';
import { counted, visible } from '../../components/visible';

type Counts = Pick<Import, 'new' | 'changed' | 'unchanged' | 'new_people' | 'people'>;

/** People that a sentence names. */
const NAMED = 20;

/** The counts in the words of the command line. */
export function importWords({ new: added, changed, unchanged, new_people: people, people: who = [] }: Counts): string {
  const parts = [`${counted(added, 'device')} new`, `${changed} changed`, `${unchanged} as the file says`];
  if (people > 0) {
    const names = who.slice(0, NAMED).map(visible).join(', ');
    const more = people > NAMED ? ', …' : '';
    parts.push(`${people} ${people === 1 ? 'person' : 'people'} made for owners${names && ` (${names}${more})`}`);
  }
  return `${parts.join(', ')}.`;
}

/** Whether it would change nothing. */
export function isEmpty({ new: added, changed }: Counts): boolean {
  return added + changed === 0;
}

/** What waits for a confirmation because a file would take it from many devices. */
export function removalWords({ devices, profiles, labels }: Removal): string {
  const lost = labels.length > 0 ? ` (they lose ${labels.join(', ')})` : '';
  return `It would take ${profiles.join(', ')} from ${counted(devices, 'device')}${lost}. They keep what they have until that is confirmed or dropped under Pauses.`;
}

/** What a device gets, beside its name, which stands before. */
export function fieldWords({ fields, name }: Pick<ImportChange, 'fields' | 'name'>): string {
  const others = fields.filter((field) => field !== `name: ${name}`);
  return others.length > 0 ? `: ${others.map(visible).join(', ')}` : '';
}
