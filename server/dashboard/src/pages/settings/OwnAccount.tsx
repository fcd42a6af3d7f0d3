// One's own account: how one logs in, and everything else that is logged in.
import { Button, Modal } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type Account, accountQuery, adminsQuery, apiTokensQuery, type Ended } from '../../api/access';
import { api } from '../../api/client';
import { Facts, Note, ProblemNote } from '../../components/parts';
import { CodesOff, CodesOn } from './Codes';
import { PasswordForm } from './PasswordForm';

type Doing = 'password' | 'codes';

export function OwnAccount() {
  const account = useQuery(accountQuery);
  return (
    <section aria-labelledby="own">
      <h2 id="own">Your account</h2>
      {account.error && !account.data ? <ProblemNote error={account.error} /> : null}
      {account.data && <Known account={account.data} />}
    </section>
  );
}

function Known({ account }: { account: Account }) {
  const client = useQueryClient();
  const [doing, setDoing] = useState<Doing>();
  const done = async () => {
    setDoing(undefined);
    for (const { queryKey } of [accountQuery, adminsQuery, apiTokensQuery]) {
      await client.invalidateQueries({ queryKey });
    }
  };
  const logOut = useMutation({ mutationFn: () => api.post<Ended>('/account/logout'), onSuccess: done });
  const role = account.role === 'admin' ? 'Admin' : 'Auditor: reads everything, changes nothing';
  return (
    <>
      <Facts
        rows={[
          ['Name', account.name],
          ['Role', role],
          ['Codes', account.totp ? `On, ${account.recovery_codes} recovery codes left` : 'Off'],
        ]}
      />
      <div className="actions" style={{ paddingBlock: 12 }}>
        <Button size="xs" variant="default" onClick={() => setDoing('password')}>
          Change password
        </Button>
        <Button size="xs" variant="default" onClick={() => setDoing('codes')}>
          {account.totp ? 'Turn codes off' : 'Turn codes on'}
        </Button>
        <Button size="xs" variant="default" loading={logOut.isPending} onClick={() => logOut.mutate()}>
          End other logins
        </Button>
      </div>
      <ProblemNote error={logOut.error} />
      {logOut.data && (
        <Note tone="good">
          {logOut.data.logins} other {logOut.data.logins === 1 ? 'login' : 'logins'} ended.
        </Note>
      )}
      <Modal opened={doing === 'password'} onClose={() => setDoing(undefined)} title="Change password">
        <PasswordForm account={account} onDone={done} />
      </Modal>
      <Modal
        opened={doing === 'codes'}
        onClose={done}
        title={account.totp ? 'Turn codes off' : 'Turn codes on'}
        size="lg"
      >
        {account.totp ? <CodesOff onDone={done} /> : <CodesOn onDone={done} />}
      </Modal>
    </>
  );
}
