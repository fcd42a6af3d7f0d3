// All rows behind a list, page by page: for exports, and for actions on everything that a filter leaves.
import { api, withQuery } from '../../api/client';
import type { DeviceFilter } from '../../api/queries';
import type { Device, Page } from '../../api/types';

const MOST = 1000;

/** Every device that the filter leaves. */
export async function everyDevice(filter: DeviceFilter): Promise<Device[]> {
  const devices: Device[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<Device> = await api.get(withQuery('/devices', { ...filter, cursor, limit: MOST }));
    devices.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor);
  return devices;
}
