// Where the palette leads to, for what was typed.
import type { Device } from '../api/types';

/** Devices that are asked for at once. */
export const DEVICES = 8;
const PROFILES = 5;

/** One way. */
export interface Goal {
  kind: 'page' | 'device' | 'profile';
  name: string;
  href: string;
}

interface Known {
  pages: readonly { to: string; label: string }[];
  profiles: string[];
  devices: Pick<Device, 'id' | 'name'>[];
}

/** All that fit, names that begin with what was typed first within their kind. */
export function goals(text: string, { pages, profiles, devices }: Known): Goal[] {
  const typed = text.trim().toLowerCase();
  const fits = (name: string) => name.toLowerCase().includes(typed);
  const place = (name: string) => (name.toLowerCase().startsWith(typed) ? 0 : 1);
  const byPlace = (a: Goal, b: Goal) => place(a.name) - place(b.name);
  const ways = {
    page: pages.filter(({ label }) => fits(label)).map(({ to, label }) => goal('page', label, to)),
    device: devices.map(({ id, name }) => goal('device', name || id, `/devices/${encodeURIComponent(name || id)}`)),
    profile: typed
      ? profiles.filter(fits).map((name) => goal('profile', name, `/profiles/${encodeURIComponent(name)}`))
      : [],
  };
  return [...ways.page.sort(byPlace), ...ways.profile.sort(byPlace).slice(0, PROFILES), ...ways.device.sort(byPlace)];
}

function goal(kind: Goal['kind'], name: string, href: string): Goal {
  return { kind, name, href };
}
