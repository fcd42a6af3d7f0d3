// What can be done to a profile as a whole.
import { useQuery } from '@tanstack/react-query';
import { revisionQuery } from '../../api/queries';
import type { ProfileDetail } from '../../api/types';
import { DialogButton } from '../../components/DialogButton';
import { ProblemNote } from '../../components/parts';
import { PauseForm } from '../holds/PauseForm';
import { PlanOnDevice } from '../plan/PlanForm';
import { RollbackForm } from './RollbackForm';

export function ProfileActions({ detail }: { detail: ProfileDetail }) {
  const { name, newest } = detail.profile;
  return (
    <div className="actions">
      <DialogButton label="Plan on a device" title={`Plan ${name}@${newest} on a device`} size="xl" look="other">
        {() => <PlanNewest name={name} newest={newest} />}
      </DialogButton>
      {detail.assignments.length > 0 && (
        <>
          <DialogButton label="Pause" title={`Pause ${name}`} look="other">
            {(close) => <PauseForm target={`profile:${name}`} onDone={close} />}
          </DialogButton>
          <DialogButton label="Roll back" title={`Roll ${name} back`} look="danger">
            {(close) => <RollbackForm detail={detail} onDone={close} />}
          </DialogButton>
        </>
      )}
    </div>
  );
}

function PlanNewest({ name, newest }: { name: string; newest: number }) {
  const { data, error } = useQuery(revisionQuery(name, newest));
  if (error) return <ProblemNote error={error} />;
  if (!data) return <span className="bone" />;
  return <PlanOnDevice tried={{ name, source: data.source }} />;
}
