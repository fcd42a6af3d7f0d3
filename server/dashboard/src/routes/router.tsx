// Every page with its address; the address alone brings back what a page showed.
import { createRootRoute, createRoute, createRouter, Link, Outlet } from '@tanstack/react-router';
import { Empty } from '../components/parts';
import { AuditPage, readAuditSearch } from '../pages/AuditPage';
import { CheckPage, readResultSearch } from '../pages/checks/CheckPage';
import { ChecksPage, readChecksSearch } from '../pages/checks/ChecksPage';
import { ControlPage } from '../pages/checks/ControlPage';
import { DevicesPage, readDeviceSearch } from '../pages/DevicesPage';
import { DevicePage, readDeviceTab } from '../pages/device/DevicePage';
import { EnrollmentPage } from '../pages/EnrollmentPage';
import { HoldsPage } from '../pages/holds/HoldsPage';
import { LoginPage } from '../pages/LoginPage';
import { OutcomesPage, readOutcomeSearch } from '../pages/OutcomesPage';
import { OverviewPage } from '../pages/OverviewPage';
import { PeoplePage, readPeopleSearch } from '../pages/people/PeoplePage';
import { ProfilesPage } from '../pages/ProfilesPage';
import { ProfilePage, readProfileSearch } from '../pages/profile/ProfilePage';
import { readRolloutSearch, RolloutPage } from '../pages/rollouts/RolloutPage';
import { RolloutsPage } from '../pages/rollouts/RolloutsPage';
import { SetupPage } from '../pages/SetupPage';
import { SettingsPage } from '../pages/settings/SettingsPage';
import { readWaiverSearch, WaiversPage } from '../pages/waivers/WaiversPage';
import { Shell } from './Shell';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

const setup = createRoute({ getParentRoute: () => root, path: '/setup', component: SetupPage });

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search: Record<string, unknown>): { next?: string } => ({
    next: typeof search.next === 'string' ? search.next : undefined,
  }),
  component: LoginPage,
});

const shell = createRoute({ getParentRoute: () => root, id: 'shell', component: Shell });

const overview = createRoute({ getParentRoute: () => shell, path: '/', component: OverviewPage });

const devices = createRoute({
  getParentRoute: () => shell,
  path: '/devices',
  validateSearch: readDeviceSearch,
  component: DevicesPage,
});

const device = createRoute({
  getParentRoute: () => shell,
  path: '/devices/$id',
  validateSearch: readDeviceTab,
  component: DevicePage,
});

const profiles = createRoute({ getParentRoute: () => shell, path: '/profiles', component: ProfilesPage });

const profile = createRoute({
  getParentRoute: () => shell,
  path: '/profiles/$name',
  validateSearch: readProfileSearch,
  component: ProfilePage,
});

const enrollment = createRoute({
  getParentRoute: () => shell,
  path: '/enrollment',
  component: EnrollmentPage,
});

const checks = createRoute({
  getParentRoute: () => shell,
  path: '/checks',
  validateSearch: readChecksSearch,
  component: ChecksPage,
});
const check = createRoute({
  getParentRoute: () => shell,
  path: '/checks/$id',
  validateSearch: readResultSearch,
  component: CheckPage,
});
const control = createRoute({
  getParentRoute: () => shell,
  path: '/controls/$id',
  validateSearch: readResultSearch,
  component: ControlPage,
});
const waivers = createRoute({
  getParentRoute: () => shell,
  path: '/waivers',
  validateSearch: readWaiverSearch,
  component: WaiversPage,
});
const outcomes = createRoute({
  getParentRoute: () => shell,
  path: '/outcomes',
  validateSearch: readOutcomeSearch,
  component: OutcomesPage,
});
const people = createRoute({
  getParentRoute: () => shell,
  path: '/people',
  validateSearch: readPeopleSearch,
  component: PeoplePage,
});
const holds = createRoute({ getParentRoute: () => shell, path: '/pauses', component: HoldsPage });
const rollouts = createRoute({ getParentRoute: () => shell, path: '/rollouts', component: RolloutsPage });
const rollout = createRoute({
  getParentRoute: () => shell,
  path: '/rollouts/$id',
  validateSearch: readRolloutSearch,
  component: RolloutPage,
});
const audit = createRoute({
  getParentRoute: () => shell,
  path: '/audit',
  validateSearch: readAuditSearch,
  component: AuditPage,
});

const settings = createRoute({ getParentRoute: () => shell, path: '/settings', component: SettingsPage });

export const router = createRouter({
  routeTree: root.addChildren([
    setup,
    login,
    shell.addChildren([
      overview,
      devices,
      device,
      profiles,
      profile,
      checks,
      check,
      control,
      waivers,
      outcomes,
      people,
      enrollment,
      holds,
      rollouts,
      rollout,
      audit,
      settings,
    ]),
  ]),
  scrollRestoration: true,
  trailingSlash: 'never',
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <main className="page">
      <Empty isPage title="There is no such page" why="The address may be mistyped, or from another version.">
        <Link to="/">Overview</Link>
      </Empty>
    </main>
  );
}
