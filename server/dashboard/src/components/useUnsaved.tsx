// Keeps a page whose changes are not saved from being left by mistake.
import { Button, Modal } from '@mantine/core';
import { useBlocker } from '@tanstack/react-router';

/** Asks before the page is left while `isUnsaved`. What is given back stands somewhere on the page. */
export function useUnsaved(isUnsaved: boolean, what: string) {
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => isUnsaved && current.pathname !== next.pathname,
    enableBeforeUnload: () => isUnsaved,
    withResolver: true,
  });
  const isAsking = blocker.status === 'blocked';
  return (
    <Modal opened={isAsking} onClose={() => blocker.reset?.()} title="Leave without saving?">
      <div className="form">
        <p>{what} has changes that are not saved. They are lost when you leave.</p>
        <div className="actions">
          <Button data-autofocus onClick={() => blocker.reset?.()}>
            Stay
          </Button>
          <Button variant="outline" color="red" onClick={() => blocker.proceed?.()}>
            Leave, and lose them
          </Button>
        </div>
      </div>
    </Modal>
  );
}
