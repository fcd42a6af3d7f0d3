// Changing one's own password, for which the one so far is asked again.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import type { Account, Ended } from '../../api/access';
import { api } from '../../api/client';
import { ProblemNote } from '../../components/parts';
import { passwordProblem } from '../passwords';

export function PasswordForm({ account, onDone }: { account: Account; onDone: () => void }) {
  const [current, setCurrent] = useState('');
  const [code, setCode] = useState('');
  const [fresh, setFresh] = useState('');
  const [again, setAgain] = useState('');
  const [tried, setTried] = useState(false);
  const change = useMutation({
    mutationFn: () =>
      api.post<Ended>('/account/password', { current, new: fresh, ...(account.totp ? { code } : {}) }),
    onSuccess: onDone,
  });
  const wrong = passwordProblem(account.name, fresh, account.password_length);
  const different = fresh === again ? undefined : 'The two are not the same.';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!wrong && !different) change.mutate();
  };
  return (
    <form className="form" onSubmit={submit} noValidate>
      <input type="text" name="username" autoComplete="username" value={account.name} readOnly hidden />
      <PasswordInput
        label="Password so far"
        autoComplete="current-password"
        value={current}
        onChange={(e) => setCurrent(e.currentTarget.value)}
        data-autofocus
      />
      {account.totp && (
        <TextInput
          label="Code"
          description="Of your authenticator, or a recovery code."
          autoComplete="one-time-code"
          value={code}
          onChange={(e) => setCode(e.currentTarget.value)}
        />
      )}
      <PasswordInput
        label="New password"
        description={`At least ${account.password_length} characters. A few words are good; no other rules.`}
        autoComplete="new-password"
        value={fresh}
        onChange={(e) => setFresh(e.currentTarget.value)}
        error={tried ? wrong : undefined}
      />
      <PasswordInput
        label="New password again"
        autoComplete="new-password"
        value={again}
        onChange={(e) => setAgain(e.currentTarget.value)}
        error={tried ? different : undefined}
      />
      <p className="dim">Your other logins end.</p>
      <ProblemNote error={change.error} />
      <div className="actions">
        <Button type="submit" loading={change.isPending}>
          Change password
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
