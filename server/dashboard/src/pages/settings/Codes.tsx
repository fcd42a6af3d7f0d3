// Codes of an authenticator at each login: turning them on, by the first of them, and off again.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import type { Account, TotpSecret } from '../../api/access';
import { api } from '../../api/client';
import { CopyButton, Note, ProblemNote } from '../../components/parts';
import { QrCode } from './QrCode';
import './settings.css';

export function CodesOn({ onDone }: { onDone: () => void }) {
  const [password, setPassword] = useState('');
  const begin = useMutation({
    mutationFn: () => api.post<TotpSecret>('/account/totp', { password }),
    gcTime: 0,
  });
  if (begin.data) return <FirstCode secret={begin.data} onDone={onDone} />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    begin.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>Each login as you then needs a code of an authenticator beside the password.</p>
      <PasswordInput
        label="Your password"
        autoComplete="current-password"
        required
        withAsterisk={false}
        value={password}
        onChange={(e) => setPassword(e.currentTarget.value)}
        data-autofocus
      />
      <ProblemNote error={begin.error} />
      <div className="actions">
        <Button type="submit" loading={begin.isPending}>
          Make a secret
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function FirstCode({ secret, onDone }: { secret: TotpSecret; onDone: () => void }) {
  const [code, setCode] = useState('');
  const confirm = useMutation({
    mutationFn: () => api.post<Account>('/account/totp/confirm', { code }),
    onSuccess: onDone,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    confirm.mutate();
  };
  const codes = secret.recovery_codes.join('\n');
  return (
    <form className="form" onSubmit={submit}>
      <p>Read this with an authenticator on your telephone, or type the secret into it.</p>
      <figure className="totp">
        <QrCode text={secret.uri} label="The secret, for an authenticator to read" />
        <figcaption>
          <code className="secret">{inFours(secret.secret)}</code>
          <CopyButton text={secret.secret} label="Copy the secret" />
          <a href={secret.uri}>Open in an authenticator on this machine</a>
        </figcaption>
      </figure>
      <div>
        Recovery codes, each good once in place of a code: <CopyButton text={codes} label="Copy the recovery codes" />
      </div>
      <div className="diff">
        <pre style={{ margin: 0, padding: 12, columns: 2 }} tabIndex={0}>
          {codes}
        </pre>
      </div>
      <Note tone="act">Secret and recovery codes are shown once. Print the codes and lock them away.</Note>
      <TextInput
        label="The code that your authenticator shows"
        inputMode="numeric"
        autoComplete="one-time-code"
        required
        withAsterisk={false}
        value={code}
        onChange={(e) => setCode(e.currentTarget.value)}
      />
      <ProblemNote error={confirm.error} />
      <div className="actions">
        <Button type="submit" loading={confirm.isPending}>
          Turn codes on
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** In groups, as a person types it. */
function inFours(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(' ') ?? secret;
}

export function CodesOff({ onDone }: { onDone: () => void }) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const end = useMutation({
    mutationFn: () => api.post<Account>('/account/totp/end', { password, code }),
    onSuccess: onDone,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    end.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <PasswordInput
        label="Your password"
        autoComplete="current-password"
        required
        withAsterisk={false}
        value={password}
        onChange={(e) => setPassword(e.currentTarget.value)}
        data-autofocus
      />
      <TextInput
        label="Code"
        description="Of your authenticator, or a recovery code."
        autoComplete="one-time-code"
        required
        withAsterisk={false}
        value={code}
        onChange={(e) => setCode(e.currentTarget.value)}
      />
      <ProblemNote error={end.error} />
      <div className="actions">
        <Button color="red" type="submit" loading={end.isPending}>
          Turn codes off
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
