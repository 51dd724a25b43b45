import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Node's loader takes graphql's CommonJS entry for packages, Vite would take the other one for us: two copies cannot work together.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/services.global.ts'],
    setupFiles: ['test/support/leak-warnings.setup.ts'],
    reporters: ['default', 'test/support/summary-reporter.ts'],
    pool: 'forks',
    // Modules hold no state of an app, so files can share them: loading them anew for each file took a third of the time.
    isolate: false,
    // One more than two cores can run: much of the time is spent waiting for servers, programs and timers.
    maxWorkers: 3,
    // Requests leave much behind at once: with the default of 16 MiB a twentieth of the time went into collecting it.
    execArgv: ['--max-semi-space-size=64'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});
