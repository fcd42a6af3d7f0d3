// What the devices of a target say they would do: counted together, equal plans shown once, and who gave no answer.
import './plan.css';
import type { FleetPlan, PlanGroup } from '../../api/types';
import { Names } from '../../components/Names';
import { Note } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { PlanLines } from './PlanView';
import { groupWords, reachWords } from './totals';

export function FleetPlanView({ plan, replaces }: { plan: FleetPlan; replaces?: string }) {
  const { changes, groups, not_answered: silent } = plan;
  const isBad = plan.conflicts.length > 0 || plan.warnings.length > 0;
  return (
    <div className="plan" role="status">
      {isBad && <Objections plan={plan} />}
      <p>
        {reachWords(plan)} {replaces}
      </p>
      {plan.answered > 0 && (
        <p className="totals">
          +{changes.create} ~{changes.change} -{changes.remove} on {counted(plan.answered, 'device')}
        </p>
      )}
      {groups.map((group) => (
        <Group key={group.devices.join()} group={group} isOpen={groups.length === 1} />
      ))}
      {silent.length > 0 && (
        <details>
          <summary>{counted(silent.length, 'device')} gave no answer</summary>
          <ul>
            {silent.map(({ device, reason }) => (
              <li key={device}>
                {visible(device)}: {visible(reason)}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function Objections({ plan }: { plan: FleetPlan }) {
  return (
    <Note tone="act">
      <ul>
        {plan.conflicts.map((conflict) => (
          <li key={conflict.resource}>
            <code>{visible(conflict.resource)}</code>: {conflict.profiles.join(' and ')} want different things on{' '}
            {conflict.devices.map(visible).join(', ')}. Give one a higher precedence.
          </li>
        ))}
        {plan.warnings.map((warning) => (
          <li key={warning}>{visible(warning)}</li>
        ))}
      </ul>
    </Note>
  );
}

function Group({ group, isOpen }: { group: PlanGroup; isOpen: boolean }) {
  return (
    <details open={isOpen}>
      <summary>
        <strong>{counted(group.devices.length, 'device')}</strong> {groupWords(group)}: <Names names={group.devices} />
      </summary>
      <PlanLines plan={group.plan} isOpen={false} />
    </details>
  );
}
