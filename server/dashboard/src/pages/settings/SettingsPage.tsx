// Who administers, which programs may ask, and one's own account.
import { ApiTokens } from './ApiTokens';
import { Admins } from './Admins';
import { OwnAccount } from './OwnAccount';

export function SettingsPage() {
  return (
    <>
      <title>Settings · Muster</title>
      <div className="pagehead">
        <h1>Settings</h1>
      </div>
      <OwnAccount />
      <Admins />
      <ApiTokens />
    </>
  );
}
