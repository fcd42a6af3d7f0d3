// What can be done to the devices that are chosen; each dialog names and counts them.
import { Button, Modal } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { DeviceFilter } from '../../api/queries';
import type { Device } from '../../api/types';
import { counted } from '../../components/visible';
import { ApproveMany } from './ApproveMany';
import { everyDevice } from './everyPage';
import { LabelMany, PauseMany, RevokeMany } from './ManyForms';
import type { Selection } from './useSelection';

type Dialog = 'approve' | 'label' | 'pause' | 'revoke';

interface Props {
  selection: Selection;
  filter: DeviceFilter;
  total?: number;
}

export function BulkBar({ selection, filter, total }: Props) {
  const [dialog, setDialog] = useState<Dialog>();
  const all = useMutation({ mutationFn: () => everyDevice(filter), onSuccess: selection.choose });
  const { chosen } = selection;
  if (chosen.length === 0) return null;
  const pending = chosen.filter((device) => device.state === 'pending');
  const isIn = (device: Device) => device.state === 'enrolled' || device.state === 'ready';
  const enrolled = chosen.filter(isIn);
  const revocable = chosen.filter((device) => isIn(device) || device.state === 'pending');
  const close = () => setDialog(undefined);
  const done = () => {
    selection.clear();
    close();
  };
  return (
    <section className="bulk" aria-label="Chosen devices">
      <strong role="status">{counted(chosen.length, 'device')} chosen</strong>
      {total !== undefined && chosen.length < total && (
        <button type="button" className="linkbutton" disabled={all.isPending} onClick={() => all.mutate()}>
          Choose all {total.toLocaleString('en')}
        </button>
      )}
      <span className="actions">
        {pending.length > 0 && (
          <Button size="xs" onClick={() => setDialog('approve')}>
            Approve {pending.length}
          </Button>
        )}
        <Button variant="default" size="xs" onClick={() => setDialog('label')}>
          Labels
        </Button>
        {enrolled.length > 0 && (
          <Button variant="default" size="xs" onClick={() => setDialog('pause')}>
            Pause {enrolled.length}
          </Button>
        )}
        {revocable.length > 0 && (
          <Button variant="outline" color="red" size="xs" onClick={() => setDialog('revoke')}>
            Revoke {revocable.length}
          </Button>
        )}
        <Button variant="subtle" size="xs" onClick={selection.clear}>
          Clear
        </Button>
      </span>
      <Modal opened={dialog === 'approve'} onClose={close} title={`Approve ${counted(pending.length, 'device')}`} size="lg">
        <ApproveMany devices={pending} onDone={done} />
      </Modal>
      <Modal opened={dialog === 'label'} onClose={close} title={`Labels of ${counted(chosen.length, 'device')}`}>
        <LabelMany devices={chosen} onDone={done} />
      </Modal>
      <Modal opened={dialog === 'pause'} onClose={close} title={`Pause ${counted(enrolled.length, 'device')}`}>
        <PauseMany devices={enrolled} onDone={done} />
      </Modal>
      <Modal opened={dialog === 'revoke'} onClose={close} title={`Revoke ${counted(revocable.length, 'device')}`}>
        <RevokeMany devices={revocable} onDone={done} />
      </Modal>
    </section>
  );
}
