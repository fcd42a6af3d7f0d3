// The packages of a device, by whichever package managers it has.
import { useQuery } from '@tanstack/react-query';
import { tableQuery } from '../../api/queries';
import { listed } from './software';
import { TableTab } from './TableTab';

const FIRST = ['name', 'version'];

export function SoftwareTab({ id }: { id: string }) {
  const deb = useQuery(tableQuery(id, 'deb_packages'));
  const rpm = useQuery(tableQuery(id, 'rpm_packages'));
  if (deb.isPending || rpm.isPending) return null;
  return listed(deb.data, rpm.data).map(({ table, what }) => (
    <TableTab key={table} id={id} table={table} what={what} first={FIRST} />
  ));
}
