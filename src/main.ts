#!/usr/bin/env node
import { run } from './cli/run.js';
import { UsageError } from './cli/usage.js';
/** The process: arguments in, exit code out. 0 done, 1 failed, 2 wrong usage or configuration. */
import './config/node-env.js'; // before everything that reads NODE_ENV as it loads
import { ConfigError } from './config/errors.js';

/** What is still open when a command is done (a database that does not answer, say) does not keep the process for longer. */
const LINGER_MS = 500;

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
    setTimeout(() => process.exit(), LINGER_MS).unref();
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      console.error(`${error.message}\nTry "qx-controlplane --help".`);
      process.exit(2);
    }
    if (error instanceof ConfigError) {
      console.error(error.message);
      process.exit(2);
    }
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
