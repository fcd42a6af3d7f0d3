// A device's own plan, in the signs of the command line: + creates, ~ changes, - removes, ! is not as it should be.
import './plan.css';
import type { DevicePlan, PlanSteps } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Differences } from '../../components/Diff';
import { Note } from '../../components/parts';
import { visible } from '../../components/visible';
import { planTotals } from './totals';

const SIGNS = { create: '+', change: '~', remove: '-' } as const;

export function PlanView({ answer }: { answer: DevicePlan }) {
  const { plan, replaces, profile, device, places, warnings } = answer;
  const totals = planTotals(plan);
  return (
    <div className="plan" role="status">
      <p className="dim">
        {replaces.length === 0
          ? `On ${visible(device)}, with ${profile} as if newly assigned (enforced, precedence 0). Nothing was saved.`
          : `On ${visible(device)}, in place of ${replaces.join(' and of ')}. Nothing was saved.`}
      </p>
      {places.length + warnings.length > 0 && (
        <Note tone="act">
          <ul>
            {places.map(({ line, column, message }) => (
              <li key={`${line}:${column}:${message}`}>
                {line > 0 && <code>{`${line}:${column}`}</code>} {visible(message)}
              </li>
            ))}
            {warnings.map((warning) => (
              <li key={warning}>{visible(warning)}</li>
            ))}
          </ul>
        </Note>
      )}
      <p className="totals">
        +{totals.create} ~{totals.change} -{totals.remove}, {totals.fine} as they should be
        {totals.other.length > 0 && `, ${totals.other.length} not`}
      </p>
      <PlanLines plan={plan} />
      {plan.checks && plan.checks.length > 0 && (
        <>
          <p className="totals">
            {plan.checks.length === 1 ? '1 check would come along' : `${plan.checks.length} checks would come along`}
          </p>
          <ul className="steps">
            {plan.checks.map((check) => (
              <li key={check}>{visible(check)}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

/** What a plan would do, and what would not be as it should be; opened from the start when that is little. */
export function PlanLines({ plan, isOpen = plan.steps.length <= 10 }: { plan: PlanSteps; isOpen?: boolean }) {
  return (
    <ul className="steps">
      {plan.steps.map((step) => (
        <li key={`${step.action} ${step.resource}`} data-action={step.action}>
          <details open={isOpen}>
            <summary>
              <span aria-label={step.action}>{SIGNS[step.action]}</span> {visible(step.resource)}
              {step.restart && <span className="dim"> restarts</span>}
            </summary>
            {step.note && <p className="reason">{visible(step.note)}</p>}
            <Differences rows={step.differences} />
          </details>
        </li>
      ))}
      {planTotals(plan).other.map((outcome) => (
        <li key={outcome.resource} data-action="other">
          <span aria-hidden="true">!</span> {visible(outcome.resource)} <Badge word={outcome.outcome} />{' '}
          <span className="reason">{visible(outcome.reason ?? '')}</span>
        </li>
      ))}
    </ul>
  );
}
