// Every page with its address; the address alone brings back what a page showed.
import { createRootRoute, createRoute, createRouter, Link, Outlet } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Empty } from '../components/parts';
import { AuditPage, readAuditSearch } from '../pages/AuditPage';
import { ArtifactsPage } from '../pages/artifacts/ArtifactsPage';
import { CheckPage, readResultSearch } from '../pages/checks/CheckPage';
import { ChecksPage, readChecksSearch } from '../pages/checks/ChecksPage';
import { ControlPage } from '../pages/checks/ControlPage';
import { DevicesPage, readDeviceSearch } from '../pages/DevicesPage';
import { DevicePage, readDeviceTab } from '../pages/device/DevicePage';
import { EnrollmentPage } from '../pages/enrollment/EnrollmentPage';
import { HoldsPage } from '../pages/holds/HoldsPage';
import { LoginPage } from '../pages/LoginPage';
import { OutcomesPage, readOutcomeSearch } from '../pages/OutcomesPage';
import { OverviewPage } from '../pages/OverviewPage';
import { PeoplePage, readPeopleSearch } from '../pages/people/PeoplePage';
import { ProfilesPage } from '../pages/ProfilesPage';
import { NewProfilePage } from '../pages/profile/NewProfilePage';
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

/** A page inside the shell, with how its address is read. */
function page<const Path extends string, Search extends object = object>(
  path: Path,
  component: () => ReactNode,
  validateSearch?: (search: Record<string, unknown>) => Search,
) {
  return createRoute({ getParentRoute: () => shell, path, component, validateSearch });
}

const pages = [
  page('/', OverviewPage),
  page('/devices', DevicesPage, readDeviceSearch),
  page('/devices/$id', DevicePage, readDeviceTab),
  page('/profiles', ProfilesPage),
  page('/profiles/$name', ProfilePage, readProfileSearch),
  page('/new-profile', NewProfilePage),
  page('/artifacts', ArtifactsPage),
  page('/rollouts', RolloutsPage),
  page('/rollouts/$id', RolloutPage, readRolloutSearch),
  page('/checks', ChecksPage, readChecksSearch),
  page('/checks/$id', CheckPage, readResultSearch),
  page('/controls/$id', ControlPage, readResultSearch),
  page('/waivers', WaiversPage, readWaiverSearch),
  page('/outcomes', OutcomesPage, readOutcomeSearch),
  page('/people', PeoplePage, readPeopleSearch),
  page('/enrollment', EnrollmentPage),
  page('/pauses', HoldsPage),
  page('/audit', AuditPage, readAuditSearch),
  page('/settings', SettingsPage),
] as const;

export const router = createRouter({
  routeTree: root.addChildren([
    setup,
    login,
    shell.addChildren(pages),
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
