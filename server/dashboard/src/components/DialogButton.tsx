// A button for who may change things, and the dialog that it opens.
import { Button, Modal, type ModalProps } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useMayChange } from './useMayChange';

interface Props {
  label: ReactNode;
  title: string;
  size?: ModalProps['size'];
  /** How much it stands out: the one thing that a page is for, one among others, or one that takes something away. */
  look?: 'main' | 'other' | 'danger';
  /** What is in the dialog; it is given what closes it. */
  children: (close: () => void) => ReactNode;
}

const LOOKS = {
  main: {},
  other: { variant: 'default' },
  danger: { variant: 'outline', color: 'red' },
} as const;

export function DialogButton({ label, title, size = 'lg', look = 'main', children }: Props) {
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  if (!useMayChange()) return null;
  return (
    <>
      <Button size="xs" {...LOOKS[look]} onClick={() => setOpen(true)}>
        {label}
      </Button>
      <Modal opened={isOpen} onClose={close} title={title} size={size}>
        {isOpen && children(close)}
      </Modal>
    </>
  );
}
