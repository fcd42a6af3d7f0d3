// The keyboard's way everywhere: Ctrl-K, a few letters, Enter.
import './palette.css';
import { Modal } from '@mantine/core';
import { useDebouncedValue, useHotkeys } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useId, useState } from 'react';
import { api, withQuery } from '../api/client';
import { profilesQuery } from '../api/queries';
import type { Device, Page } from '../api/types';
import { Icon } from '../components/Icon';
import { visible } from '../components/visible';
import { DEVICES, type Goal, goals } from './goals';

export function Palette({ pages }: { pages: readonly { to: string; label: string }[] }) {
  const [isOpen, setOpen] = useState(false);
  useHotkeys([['mod+K', () => setOpen(true)]], []);
  return (
    <>
      <button
        type="button"
        className="iconbutton"
        aria-label="Go to a page, device or profile"
        aria-keyshortcuts="Control+K"
        title="Go to … (Ctrl-K)"
        onClick={() => setOpen(true)}
      >
        <Icon name="search" size={16} />
      </button>
      <Modal
        opened={isOpen}
        onClose={() => setOpen(false)}
        withCloseButton={false}
        title={<span className="hidden-visually">Go to</span>}
        classNames={{ header: 'palette-head', body: 'palette-body' }}
        size="md"
        yOffset="12vh"
      >
        <Finder pages={pages} onDone={() => setOpen(false)} />
      </Modal>
    </>
  );
}

interface FinderProps {
  pages: readonly { to: string; label: string }[];
  onDone: () => void;
}

function Finder({ pages, onDone }: FinderProps) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const list = useId();
  const found = useGoals(pages, text);
  const chosen = Math.min(at, found.length - 1);
  const go = (goal: Goal | undefined) => {
    if (!goal) return;
    onDone();
    navigate({ href: goal.href });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (event.key === 'Enter') go(found[chosen]);
    if (!step || found.length === 0) return;
    event.preventDefault();
    setAt((chosen + step + found.length) % found.length);
  };
  return (
    <>
      <input
        className="palette-input"
        data-autofocus
        role="combobox"
        aria-label="Go to a page, device or profile"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={found[chosen] && `${list}-${chosen}`}
        aria-autocomplete="list"
        autoComplete="off"
        placeholder="Page, device or profile"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul className="palette" id={list} role="listbox" aria-label="Found">
        {found.map((goal, i) => (
          // The input keeps the focus: options are chosen by its keys, or by the pointer.
          <li
            key={goal.href}
            id={`${list}-${i}`}
            role="option"
            aria-selected={i === chosen}
            onPointerDown={(event) => {
              event.preventDefault();
              go(goal);
            }}
            onPointerMove={() => setAt(i)}
          >
            <span className="ellipsis">{visible(goal.name)}</span>
            <span className="dim">{goal.kind}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="dim">Nothing is called that.</p>}
    </>
  );
}

/** Pages and profiles are known; devices are asked for by their names. */
function useGoals(pages: FinderProps['pages'], text: string): Goal[] {
  const [asked] = useDebouncedValue(text.trim(), 120);
  const profiles = useQuery(profilesQuery);
  const devices = useQuery({
    queryKey: ['devices', 'named', asked],
    queryFn: () => api.get<Page<Device>>(withQuery('/devices', { q: asked, limit: DEVICES })),
    enabled: asked !== '',
    placeholderData: keepPreviousData,
  });
  return goals(text, {
    pages,
    profiles: profiles.data?.map((profile) => profile.name) ?? [],
    devices: text.trim() ? (devices.data?.items ?? []) : [],
  });
}
