// The way from an empty server to the first compliant device; each step ticks when it is done, by whomever.
import './steps.css';
import { Button, Modal } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { profilesQuery, tokensQuery } from '../../api/queries';
import type { Overview } from '../../api/types';
import { Icon } from '../../components/Icon';
import { Command } from '../../components/parts';
import { useMayChange } from '../../components/useMayChange';
import { ImportDevices } from '../devices/ImportDevices';
import { CreateToken } from '../enrollment/CreateToken';
import { NewProfileLink } from '../profile/NewProfilePage';
import { firstSteps, type Step } from './steps';

type Dialog = 'import' | 'token';

interface Props {
  overview: Overview;
  /** What stands there once a device complies, or when the steps were sent away: a page gives one next command, not two. */
  otherwise: ReactNode;
}

/** The dialogs are kept beside the steps: what one of them shows once must not go when its step ticks. */
export function FirstSteps({ overview, otherwise }: Props) {
  const [isGone, setGone] = useLocalStorage({ key: 'muster-first-steps-dismissed', defaultValue: false });
  const [dialog, setDialog] = useState<Dialog>();
  const close = () => setDialog(undefined);
  // Compliance needs every other step: nothing else has to be asked.
  const isOver = isGone || overview.counts.compliant > 0;
  return (
    <>
      {isOver ? otherwise : <Steps overview={overview} onOpen={setDialog} onDismiss={() => setGone(true)} />}
      <Modal opened={dialog === 'import'} onClose={close} title="Import devices" size="lg">
        <ImportDevices onDone={close} />
      </Modal>
      <Modal opened={dialog === 'token'} onClose={close} title="Create token" size="lg">
        <CreateToken onDone={close} />
      </Modal>
    </>
  );
}

interface StepsProps {
  overview: Overview;
  onOpen: (dialog: Dialog) => void;
  onDismiss: () => void;
}

function Steps({ overview, onOpen, onDismiss }: StepsProps) {
  const profiles = useQuery(profilesQuery);
  const tokens = useQuery(tokensQuery);
  if (!profiles.data || !tokens.data) return null;
  const steps = firstSteps({ overview, profiles: profiles.data, tokens: tokens.data });
  const next = steps.find((step) => !step.isDone);
  const done = steps.filter((step) => step.isDone).length;
  return (
    <section className="steps-box" aria-labelledby="first-steps">
      <div className="steps-head">
        <h2 id="first-steps">First steps</h2>
        <span className="dim tabular" role="status">
          {done} of {steps.length} done
        </span>
        <button type="button" className="iconbutton" onClick={onDismiss}>
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
            {step === next && (
              <div className="ways">
                <Here step={step.id} profile={profiles.data[0]?.name} onOpen={onOpen} />
                <Command line={step.command} />
              </div>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

interface HereProps {
  step: Step['id'];
  profile?: string;
  onOpen: (dialog: Dialog) => void;
}

/** The same without a command line. */
function Here({ step, profile, onOpen }: HereProps) {
  if (!useMayChange()) return null;
  switch (step) {
    case 'register':
      return (
        <Button size="xs" onClick={() => onOpen('import')}>
          Import a file
        </Button>
      );
    case 'profile':
      return <NewProfileLink label="Write a profile" />;
    case 'token':
    case 'enroll':
      return (
        <Button size="xs" onClick={() => onOpen('token')}>
          {step === 'token' ? 'Create a token' : 'Create another token'}
        </Button>
      );
    case 'assign':
      return (
        profile && (
          <Button
            size="xs"
            renderRoot={(props) => (
              <Link to="/profiles/$name" params={{ name: profile }} search={{ tab: 'assigned' }} {...props} />
            )}
          >
            Assign {profile}
          </Button>
        )
      );
    default:
      return null;
  }
}
