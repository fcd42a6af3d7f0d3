// People, and the groups that they are in.
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { groupsQuery, peopleQuery } from '../../api/fleet';
import { Note } from '../../components/parts';
import { Groups } from './Groups';
import { People } from './People';

/** Which list is shown, and what it is narrowed to. */
export interface PeopleSearch {
  tab?: 'groups';
  q?: string;
}

/** Reads the address. */
export function readPeopleSearch(search: Record<string, unknown>): PeopleSearch {
  return {
    tab: search.tab === 'groups' ? 'groups' : undefined,
    q: search.q === undefined || search.q === '' ? undefined : String(search.q),
  };
}

const route = getRouteApi('/shell/people');

export function PeoplePage() {
  const { tab, q = '' } = route.useSearch();
  const navigate = useNavigate();
  const people = useQuery(peopleQuery).data;
  const groups = useQuery(groupsQuery).data;
  const [said, setSaid] = useState<string>();
  const change = (next: string | null) =>
    navigate({ to: '/people', search: readPeopleSearch({ tab: next }), replace: true });
  const narrow = (text: string) =>
    navigate({ to: '/people', search: readPeopleSearch({ tab, q: text }), replace: true });
  return (
    <>
      <title>People · Muster</title>
      <div className="pagehead">
        <h1>People</h1>
      </div>
      {said && <Note tone="good">{said}</Note>}
      <Tabs className="tabs" value={tab ?? 'people'} onChange={change} keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="people">
            People<span className="tabcount">{people?.length}</span>
          </Tabs.Tab>
          <Tabs.Tab value="groups">
            Groups<span className="tabcount">{groups?.length}</span>
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="people">
          <People q={q} onNarrow={narrow} onSaid={setSaid} />
        </Tabs.Panel>
        <Tabs.Panel value="groups">
          <Groups q={q} onNarrow={narrow} onSaid={setSaid} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}
