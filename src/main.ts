#!/usr/bin/env node
/** The process: arguments in, exit code out. 0 done, 1 failed, 2 wrong usage or configuration. */
import './config/node-env.js'; // before everything that reads NODE_ENV as it loads
import { failureOf } from './cli/failure.js';
import { run } from './cli/run.js';

/** What is still open when a command is done (a database that does not answer, a client's timer) does not keep the process for longer. */
const LINGER_MS = 100;

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
    setTimeout(() => process.exit(), LINGER_MS).unref();
  },
  (error: unknown) => {
    const { code, message } = failureOf(error);
    console.error(message);
    process.exit(code);
  },
);
