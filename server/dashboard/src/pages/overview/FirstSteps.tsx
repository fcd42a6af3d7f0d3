// The way from an empty server to the first compliant device; each step ticks when it is done, by whomever.
import './steps.css';
import { useLocalStorage } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { profilesQuery, tokensQuery } from '../../api/queries';
import type { Overview } from '../../api/types';
import { Icon } from '../../components/Icon';
import { Command } from '../../components/parts';
import { firstSteps } from './steps';

interface Props {
  overview: Overview;
  /** What stands there once a device complies, or when the steps were sent away: a page gives one next command, not two. */
  otherwise: ReactNode;
}

export function FirstSteps({ overview, otherwise }: Props) {
  const [isGone, setGone] = useLocalStorage({ key: 'muster-first-steps-dismissed', defaultValue: false });
  // Compliance needs every other step: nothing else has to be asked.
  const isOver = isGone || overview.counts.compliant > 0;
  const profiles = useQuery({ ...profilesQuery, enabled: !isOver });
  const tokens = useQuery({ ...tokensQuery, enabled: !isOver });
  if (isOver) return otherwise;
  if (!profiles.data || !tokens.data) return null;
  const steps = firstSteps({ counts: overview.counts, profiles: profiles.data, tokens: tokens.data });
  const next = steps.find((step) => !step.isDone);
  const done = steps.filter((step) => step.isDone).length;
  return (
    <section className="steps-box" aria-labelledby="first-steps">
      <div className="steps-head">
        <h2 id="first-steps">First steps</h2>
        <span className="dim tabular" role="status">
          {done} of {steps.length} done
        </span>
        <button type="button" className="iconbutton" onClick={() => setGone(true)}>
          Dismiss
        </button>
      </div>
      <ol className="first-steps">
        {steps.map((step) => (
          <li key={step.id} data-done={step.isDone} aria-current={step === next ? 'step' : undefined}>
            <Icon name={step.isDone ? 'check' : 'ring'} />
            <span>
              {step.title}
              {step.isDone && <span className="hidden-visually"> (done)</span>}
            </span>
            {step === next && <Command line={step.command} />}
          </li>
        ))}
      </ol>
    </section>
  );
}
