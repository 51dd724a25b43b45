import { expect, test } from 'vitest';
import { ConfigError } from '../../src/config/errors.js';
import { failure, temporaryFile } from './support.js';

test('all faults of all sources are listed at once, each with its path and its source', () => {
  const configFile = temporaryFile(
    'server:\n  port: 80a\n  prot: 1\ndatabase:\n  password: x\n  password_file: /nonexistent\nha:\n  not_ready_after: 2m\n',
  );
  const error = failure({
    env: { QUANTIX_TASKS_TIMEOUT: 'soon', QUANTIX_DATABSE_HOST: 'db' },
    flags: { configFile, logLevel: 'loud' },
  });
  expect(error).toBeInstanceOf(ConfigError);
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe('ConfigError');
  expect(error.message.replaceAll(configFile, 'config.yaml')).toBe(
    `The configuration has 8 faults:
  server.prot (config.yaml:3): unknown key; did you mean server.port?
  server.port (config.yaml:2): expected an integer from 0 to 65535, got "80a"
  database.password_file (config.yaml:6): given together with database.password (config.yaml:5): keep one of them
  database.password_file (config.yaml:6): the file it names does not exist (ENOENT)
  QUANTIX_DATABSE_HOST: unknown variable; did you mean QUANTIX_DATABASE_HOST?
  tasks.timeout (QUANTIX_TASKS_TIMEOUT): expected a duration such as 10m, from 1ms to 596h, got "soon"
  log.level (--log-level): expected one of trace, debug, info, warn, error, fatal, silent, got "loud"
  ha.not_ready_after (config.yaml:8): 2m must be shorter than ha.disconnected_after, which is 90s (default)
Every setting, its default and its form are described in docs/configuration.md.`,
  );
  expect(error.faults).toHaveLength(8);
  expect(error.faults[1]).toEqual({
    path: 'server.port',
    source: `${configFile}:2`,
    message: 'expected an integer from 0 to 65535, got "80a"',
  });
});

test('one fault is counted as one', () => {
  expect(failure({ flags: { port: 'x' } }).message.split('\n')).toEqual([
    'The configuration has 1 fault:',
    '  server.port (--port): expected an integer from 0 to 65535, got "x"',
    expect.stringContaining('docs/configuration.md'),
  ]);
});
