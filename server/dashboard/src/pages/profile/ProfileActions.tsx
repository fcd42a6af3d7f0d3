// What can be done to a profile as a whole.
import { Button, Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { revisionQuery } from '../../api/queries';
import type { ProfileDetail } from '../../api/types';
import { ProblemNote } from '../../components/parts';
import { useMayChange } from '../../components/useMayChange';
import { PauseForm } from '../holds/PauseForm';
import { PlanOnDevice } from '../plan/PlanForm';
import { RollbackForm } from './RollbackForm';

type Dialog = 'plan' | 'pause' | 'rollback';

export function ProfileActions({ detail }: { detail: ProfileDetail }) {
  const [dialog, setDialog] = useState<Dialog>();
  const close = () => setDialog(undefined);
  const { name, newest } = detail.profile;
  if (!useMayChange()) return null;
  const isPinned = detail.assignments.length > 0;
  return (
    <div className="actions">
      <Button variant="default" size="xs" onClick={() => setDialog('plan')}>
        Plan on a device
      </Button>
      {isPinned && (
        <>
          <Button variant="default" size="xs" onClick={() => setDialog('pause')}>
            Pause
          </Button>
          <Button variant="outline" color="red" size="xs" onClick={() => setDialog('rollback')}>
            Roll back
          </Button>
        </>
      )}
      <Modal opened={dialog === 'plan'} onClose={close} title={`Plan ${name}@${newest} on a device`} size="xl">
        <PlanNewest name={name} newest={newest} />
      </Modal>
      <Modal opened={dialog === 'pause'} onClose={close} title={`Pause ${name}`} size="lg">
        <PauseForm target={`profile:${name}`} onDone={close} />
      </Modal>
      <Modal opened={dialog === 'rollback'} onClose={close} title={`Roll ${name} back`} size="lg">
        <RollbackForm detail={detail} onDone={close} />
      </Modal>
    </div>
  );
}

function PlanNewest({ name, newest }: { name: string; newest: number }) {
  const { data, error } = useQuery(revisionQuery(name, newest));
  if (error) return <ProblemNote error={error} />;
  if (!data) return <span className="bone" />;
  return <PlanOnDevice tried={{ name, source: data.source }} />;
}
