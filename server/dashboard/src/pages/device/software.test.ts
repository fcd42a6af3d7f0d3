import { expect, test } from 'vitest';
import { listed } from './software';

const table = (name: string, columns: string[], rows: unknown[][]) => ({ name, columns, rows, reported: null });
const deb = table('deb_packages', ['name', 'version'], [['curl', '8.1']]);
const rpm = table('rpm_packages', ['name', 'version'], [['curl', '8.1']]);
const unreadable = table('deb_packages', ['error'], [['there is no /var/lib/dpkg/status']]);
const none = (name: string) => table(name, [], []);
const tables = (...lists: Parameters<typeof listed>) => listed(...lists).map(({ table }) => table);

test('packages are those of the manager that has some', () => {
  expect(tables(deb, none('rpm_packages'))).toEqual(['deb_packages']);
  expect(tables(unreadable, rpm)).toEqual(['rpm_packages']);
  expect(tables(none('deb_packages'), rpm)).toEqual(['rpm_packages']);
});

test('a device with both has both, called by their own names', () => {
  expect(listed(deb, rpm).map(({ what }) => what)).toEqual(['rpm packages', 'deb packages']);
});

test('where neither is known it is said why', () => {
  expect(tables(unreadable, none('rpm_packages'))).toEqual(['deb_packages']);
  expect(tables(undefined, undefined)).toEqual(['deb_packages']);
});
