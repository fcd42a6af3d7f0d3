// The field that narrows a list; the key / leads to it, and what is typed is told once the reader pauses.
import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';
import { Icon } from './Icon';

interface Props {
  /** What is looked for, for who does not see the hint. */
  label: string;
  hint: string;
  text: string;
  onChange: (text: string) => void;
}

export function SearchBox({ label, hint, text, onChange }: Props) {
  const [typed, setTyped] = useState(text);
  const input = useRef<HTMLInputElement>(null);
  const tell = useDebouncedCallback(onChange, 200);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = (event.target as HTMLElement).closest('input, textarea, [contenteditable]');
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return (
    <TextInput
      ref={input}
      className="grow"
      size="xs"
      type="search"
      aria-label={label}
      aria-keyshortcuts="/"
      placeholder={hint}
      leftSection={<Icon name="search" />}
      value={typed}
      onChange={(e) => {
        setTyped(e.currentTarget.value);
        tell(e.currentTarget.value);
      }}
    />
  );
}
