// What surrounds every page of a logged-in admin: navigation, theme, account, and word of a lost server.
import './shell.css';
import { Menu, useMantineColorScheme } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Navigate, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
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

const PAGES = [
  { to: '/', label: 'Overview' },
  { to: '/devices', label: 'Devices' },
  { to: '/profiles', label: 'Profiles' },
  { to: '/enrollment', label: 'Enrollment' },
  { to: '/audit', label: 'Audit' },
] as const;

export function Shell() {
  const session = useQuery(sessionQuery);
  const location = useLocation();
  if (isLoggedOut(session.error)) {
    return <Navigate to="/login" search={{ next: location.href }} replace />;
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

function Inside({ session, path }: { session: Session; path: string }) {
  useLive();
  const [menu, setMenu] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes with every change of page.
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
          <ThemeMenu />
          <AccountMenu session={session} />
        </div>
      </header>
      <LostServer />
      <main className="page" id="content" tabIndex={-1}>
        <Outlet />
      </main>
    </>
  );
}

const THEMES: { value: 'auto' | 'light' | 'dark'; label: string; icon: IconName }[] = [
  { value: 'auto', label: 'As the system', icon: 'screen' },
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
];

function ThemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const current = THEMES.find((theme) => theme.value === colorScheme) ?? THEMES[0];
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <button type="button" className="iconbutton" aria-label="Theme">
          <Icon name={current?.icon ?? 'screen'} size={16} />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {THEMES.map(({ value, label, icon }) => (
          <Menu.Item
            key={value}
            leftSection={<Icon name={icon} />}
            rightSection={value === colorScheme ? <Icon name="check" /> : null}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function AccountMenu({ session }: { session: Session }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const logOut = async () => {
    await api.delete('/session');
    client.clear();
    await navigate({ to: '/login' });
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <button type="button" className="iconbutton" aria-label={`Account of ${session.name}`}>
          <Icon name="user" size={16} />
          <span>{session.name}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.role === 'admin' ? 'Admin' : 'Auditor: may read everything, change nothing'}
          <br />
          Session ends {local(Date.parse(session.expires)).slice(0, 16)}
          <br />
          Muster {session.version}
        </Menu.Label>
        <Menu.Item onClick={logOut}>Log out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function LostServer() {
  const { isLost, last } = useContact();
  const now = useNow();
  if (!isLost) return null;
  return (
    <div className="lost" role="status">
      <Icon name="alert" />
      <span>
        The server can't be reached. What you see is {span((now - last) / 1000)} old, from{' '}
        {local(last).slice(11, 19)}. Trying again.
      </span>
    </div>
  );
}
