// What surrounds every page of a logged-in admin: navigation, theme, account, and word of a lost server.
import './shell.css';
import { useMantineColorScheme } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { api, isLoggedOut } from '../api/client';
import { useContact } from '../api/contact';
import { useLive } from '../api/events';
import { sessionQuery } from '../api/queries';
import type { Session } from '../api/types';
import { Icon, type IconName } from '../components/Icon';
import { ProblemNote } from '../components/parts';
import { useNow } from '../components/Time';
import { local, span } from '../components/time';
import { Brand } from './Brand';
import { Palette } from './Palette';

const PAGES = [
  { to: '/', label: 'Overview' },
  { to: '/devices', label: 'Devices' },
  { to: '/profiles', label: 'Profiles' },
  { to: '/artifacts', label: 'Artifacts' },
  { to: '/rollouts', label: 'Rollouts' },
  { to: '/checks', label: 'Checks' },
  { to: '/waivers', label: 'Waivers' },
  { to: '/people', label: 'People' },
  { to: '/enrollment', label: 'Enrollment' },
  { to: '/pauses', label: 'Pauses' },
  { to: '/audit', label: 'Audit' },
  { to: '/settings', label: 'Settings' },
] as const;

export function Shell() {
  const session = useQuery(sessionQuery);
  const location = useLocation();
  if (isLoggedOut(session.error)) {
    return <ToLogin />;
  }
  if (session.error && !session.data) {
    return (
      <div className="outside">
        <main>
          <ProblemNote error={session.error} />
        </main>
      </div>
    );
  }
  if (!session.data) return null;
  return <Inside session={session.data} path={location.pathname} />;
}

/** Goes to the login once, and remembers from where. */
function ToLogin() {
  const navigate = useNavigate();
  useEffect(() => {
    const { pathname, search, hash } = window.location;
    navigate({ to: '/login', search: { next: pathname + search + hash }, replace: true });
  }, [navigate]);
  return null;
}

function Inside({ session, path }: { session: Session; path: string }) {
  useLive();
  const [menu, setMenu] = useState(false);
  // The menu closes with every change of page.
  useEffect(() => setMenu(false), [path]);
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header className="topbar">
        <button
          type="button"
          className="iconbutton burger"
          aria-label="Pages"
          aria-expanded={menu}
          aria-controls="pages"
          onClick={() => setMenu(!menu)}
        >
          <Icon name="menu" size={16} />
        </button>
        <Brand />
        <nav className="nav" id="pages" aria-label="Pages" data-open={menu}>
          {PAGES.map(({ to, label }) => (
            <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }}>
              {label}
            </Link>
          ))}
        </nav>
        <div className="end">
          <span className="server ellipsis">{session.server}</span>
          <Palette pages={PAGES} />
          <ThemeButton />
          <Account session={session} />
        </div>
      </header>
      <div className="banners">
        <LostServer />
        <WrongClock />
      </div>
      <main className="page" id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <Foot />
    </>
  );
}

/** What the server serves beside these pages: without a login, and as pages of their own. */
function Foot() {
  return (
    <footer className="foot">
      <a href="/docs">Documentation</a>
      <a href="/install">Install the agent</a>
    </footer>
  );
}

const THEMES: { value: 'auto' | 'light' | 'dark'; label: string; icon: IconName }[] = [
  { value: 'auto', label: 'as the system', icon: 'screen' },
  { value: 'light', label: 'light', icon: 'sun' },
  { value: 'dark', label: 'dark', icon: 'moon' },
];

function ThemeButton() {
  // Holding transitions back would write a style into the page, which the content security policy refuses.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const at = THEMES.findIndex((theme) => theme.value === colorScheme);
  const current = THEMES[at] ?? THEMES[0];
  const next = THEMES[(at + 1) % THEMES.length];
  if (!current || !next) return null;
  return (
    <button
      type="button"
      className="iconbutton"
      title={`Theme: ${current.label}`}
      aria-label={`Theme: ${current.label}. Change to ${next.label}`}
      onClick={() => setColorScheme(next.value)}
    >
      <Icon name={current.icon} size={16} />
    </button>
  );
}

function Account({ session }: { session: Session }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const logOut = async () => {
    await api.delete('/session');
    await navigate({ to: '/login' });
    client.clear();
  };
  return (
    <>
      <button
        type="button"
        className="iconbutton"
        popoverTarget="account"
        aria-label={`Account of ${session.name}`}
      >
        <Icon name="user" size={16} />
        <span>{session.name}</span>
      </button>
      <section className="account" id="account" popover="auto" aria-label="Account">
        <p>{session.role === 'admin' ? 'Admin' : 'Auditor: may read everything, change nothing'}</p>
        <p>Session ends {local(Date.parse(session.expires)).slice(0, 16)}</p>
        <p>
          {session.server}, Muster {session.version}
        </p>
        <button type="button" className="logout" onClick={logOut}>
          Log out
        </button>
      </section>
    </>
  );
}

function LostServer() {
  const { isLost, last } = useContact();
  const now = useNow();
  if (!isLost) return null;
  return (
    <div className="banner" role="status">
      <Icon name="alert" />
      <span>
        The server can't be reached. What you see is {span((now - last) / 1000)} old, from{' '}
        {local(last).slice(11, 19)}. Trying again.
      </span>
    </div>
  );
}

/** Where the clocks differ, "3 min ago" is wrong on every page. */
function WrongClock() {
  const { ahead } = useContact();
  if (ahead === 0) return null;
  return (
    <div className="banner" role="status">
      <Icon name="alert" />
      <span>
        The server's clock is {span(Math.abs(ahead), Math.round)} {ahead > 0 ? 'ahead of' : 'behind'} this computer's: times on
        these pages mislead until the wrong one is set right. What the server knows of its own: muster-server doctor.
      </span>
    </div>
  );
}
