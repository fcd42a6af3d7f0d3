// Which devices are chosen, as a column of boxes; all that the filters leave can be chosen at once.
import { useMemo, useState } from 'react';
import type { Device } from '../../api/types';
import type { Column } from '../../components/DataTable';
import { visible } from '../../components/visible';

/** What is chosen. */
export interface Selection {
  column: Column<Device>;
  chosen: Device[];
  choose: (devices: Device[]) => void;
  clear: () => void;
}

/** `rows` are those that are loaded; what is chosen stays so when others come. */
export function useSelection(rows: Device[] | undefined): Selection {
  const [known, setKnown] = useState<ReadonlyMap<string, Device>>(new Map());
  return useMemo(() => {
    const choose = (devices: Device[]) => setKnown(new Map(devices.map((device) => [device.id, device])));
    const toggle = (device: Device) => {
      const after = new Map(known);
      if (!after.delete(device.id)) after.set(device.id, device);
      setKnown(after);
    };
    const loaded = rows ?? [];
    const isAll = loaded.length > 0 && loaded.every((device) => known.has(device.id));
    const column: Column<Device> = {
      id: 'choose',
      header: 'Choose',
      head: (
        <input
          type="checkbox"
          className="box"
          aria-label={`Choose all ${loaded.length} that are loaded`}
          checked={isAll}
          onChange={() => choose(isAll ? [] : loaded)}
        />
      ),
      cell: (device) => (
        <input
          type="checkbox"
          className="box"
          aria-label={`Choose ${visible(device.name || device.id)}`}
          checked={known.has(device.id)}
          onChange={() => toggle(device)}
        />
      ),
      width: '30px',
    };
    return { column, chosen: [...known.values()], choose, clear: () => setKnown(new Map()) };
  }, [known, rows]);
}
