// How much a plan changes.
import type { DevicePlan } from '../../api/types';

type Plan = DevicePlan['plan'];

/** Counts of a plan, and what is settled without being as it should be. */
export function planTotals({ steps, settled }: Plan) {
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
