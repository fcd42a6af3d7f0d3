// How much a plan changes.
import type { FleetPlan, PlanGroup, PlanSteps } from '../../api/types';
import { counted } from '../../components/visible';

/** Counts of a plan, and what is settled without being as it should be. */
export function planTotals({ steps, settled }: PlanSteps) {
  const count = (action: string) => steps.filter((step) => step.action === action).length;
  const isFine = (word: string) => word === 'kept' || word === 'not_applicable';
  const other = settled.filter(({ outcome }) => !isFine(outcome));
  return {
    create: count('create'),
    change: count('change'),
    remove: count('remove'),
    fine: settled.length - other.length,
    other,
  };
}

/** What each device of a group would do, as `+1 ~2 -0`. */
export function groupWords({ plan }: PlanGroup): string {
  const { create, change, remove, other } = planTotals(plan);
  return `+${create} ~${change} -${remove}${other.length > 0 ? `, ${other.length} not as it should be` : ''}`;
}

/** How many devices an assignment reaches, and how many of these were asked and answered. */
export function reachWords({ devices, untouched, asked, answered }: FleetPlan): string {
  if (devices === 0) return 'It reaches no device now; it will when one fits.';
  const reaches = `It reaches ${counted(devices, 'device')}`;
  if (untouched === devices) return `${reaches}, and changes the state of none.`;
  const touched = devices - untouched;
  const rest = untouched > 0 ? `, ${untouched} of which keep their state` : '';
  const sample = asked < touched ? `a sample of ${asked} of ${touched}` : String(asked);
  return `${reaches}${rest}. Of ${sample} that were asked, ${answered} answered.`;
}
