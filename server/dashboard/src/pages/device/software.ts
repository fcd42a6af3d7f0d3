// Which lists of packages a device is shown with.
import type { Table } from '../../api/types';

interface List {
  table: 'deb_packages' | 'rpm_packages';
  what: string;
}

/** Those lists that say of a package, each by its own name where there are two; dpkg's where none does, since it says why. */
export function listed(deb: Table | undefined, rpm: Table | undefined): List[] {
  const hasDebs = hasPackages(deb);
  if (!hasPackages(rpm)) return [{ table: 'deb_packages', what: 'packages' }];
  if (!hasDebs) return [{ table: 'rpm_packages', what: 'packages' }];
  return [
    { table: 'rpm_packages', what: 'rpm packages' },
    { table: 'deb_packages', what: 'deb packages' },
  ];
}

/** Whether its rows are packages: a table that could not be read has one that says why. */
function hasPackages(table: Table | undefined): boolean {
  return !!table && table.columns.includes('name') && table.rows.length > 0;
}
