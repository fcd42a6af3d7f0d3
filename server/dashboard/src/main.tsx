// Starts the pages: styles in order, theme, queries, routes.
import './styles.css';
import { createTheme, MantineProvider, Modal } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client';
import { router } from './routes/router';

// Nothing may write a <style> element into the page: the content security policy allows styles from this server only.
// So Mantine's variables come from its style sheet, and a modal does not lock scrolling by a written style.
const theme = createTheme({
  respectReducedMotion: true,
  components: {
    Modal: Modal.extend({
      defaultProps: {
        lockScroll: false,
        // Within the page's main part its head is no second banner of the page.
        portalProps: { target: '#content' },
        transitionProps: { duration: 0 },
        closeButtonProps: { 'aria-label': 'Close' },
      },
    }),
  },
});

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 20_000,
      // A refusal stays one; a server that is away is asked again, less and less often.
      retry: (count, error) => !(error instanceof ApiError) && count < 6,
      retryDelay: (count) => Math.min(1000 * 2 ** count, 15_000),
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
