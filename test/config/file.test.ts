import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { entries } from '../../src/config/entries.js';
import { nearest } from '../../src/config/suggest.js';
import { failure, faults, load } from './support.js';

describe('config.yaml', () => {
  test('is read as it was typed: YAML makes no numbers or booleans of texts', () => {
    const config = load({
      yaml: `
database: {password: 0123, user: 'on', database: 1e3, port: "5433"}
server:
  graphiql: on
  cors_origins:
    - https://a.example
    - "https://b.example"
placement: {cpu_overcommit: 2}
limits: {max_request_bytes: 4096}
`,
    });
    expect(config.database).toMatchObject({
      password: '0123',
      user: 'on',
      database: '1e3',
      port: 5433,
    });
    expect(config.server).toMatchObject({
      graphiql: 'on',
      corsOrigins: ['https://a.example', 'https://b.example'],
    });
    expect(config.placement.cpuOvercommit).toBe(2);
    expect(config.limits.maxRequestBytes).toBe(4096);
  });

  test('may use Windows line ends', () => {
    expect(load({ yaml: 'server:\r\n  port: 1\r\n  host: a\r\n' }).server).toMatchObject({
      port: 1,
      host: 'a',
    });
  });

  test('may leave out the value of a setting that has no default', () => {
    const config = load({
      yaml: 'database:\n  password:\n  password_file: ~\n  ssl_ca_file: ""\n',
    });
    expect(config.database).toMatchObject({ password: null, sslCaFile: null });
  });

  const port = 'expected an integer from 0 to 65535, got';
  const list = 'expected a list of origins such as https://console.example.org, got';
  test.each([
    ['server:\n  port:\n', 'server.port', 2, `${port} nothing; without the line it is 8080`],
    ['server:\n  port: null\n', 'server.port', 2, `${port} nothing; without the line it is 8080`],
    [
      'server:\n  cors_origins:\n',
      'server.cors_origins',
      2,
      `${list} nothing; without the line it is []`,
    ],
    ['server:\n  port: [1]\n', 'server.port', 2, `${port} a list`],
    ['server:\n  port: {a: 1}\n', 'server.port', 2, `${port} a mapping`],
    ['server:\n  port: yes\n', 'server.port', 2, `${port} "yes"`],
    [
      'server:\n  cors_origins: [[a]]\n',
      'server.cors_origins',
      2,
      `${list} a list of something else than text`,
    ],
    [
      'server:\n  cors_origins: [{a: b}]\n',
      'server.cors_origins',
      2,
      `${list} a list of something else than text`,
    ],
    [
      'server:\n  cors_origins:\n    -\n',
      'server.cors_origins',
      2,
      `${list} a list with an empty item`,
    ],
    ['server: 1\n', 'server', 1, 'expected settings of server, got a single value'],
    ['\nserver: [port]\n', 'server', 2, 'expected settings of server, got a list'],
    ['- server\n', '', 1, 'expected a mapping of sections, got a list'],
    ['\n\nserver', '', 3, 'expected a mapping of sections, got a single value'],
    [
      'server:\n  port: 1\n  host: a\n  port: 2\n',
      'server.port',
      4,
      'given twice; the first is on line 2',
    ],
    ['server: {port: 1}\nserver: {host: a}\n', 'server', 2, 'given twice; the first is on line 1'],
    ['server:\n  prot: 1\n', 'server.prot', 2, 'unknown key; did you mean server.port?'],
    [
      'server:\n  max_connections: 1\n',
      'server.max_connections',
      2,
      'unknown key; did you mean database.max_connections?',
    ],
    [
      'database:\n  maxConnections: 1\n',
      'database.maxConnections',
      2,
      'unknown key; did you mean database.max_connections?',
    ],
    ['log:\n  colour: red\n', 'log.colour', 2, 'unknown key; known here: level'],
    ['databse: {}\n', 'databse', 1, 'unknown section; did you mean database?'],
    [
      'port: 1\n',
      'port',
      1,
      'unknown section; did you mean server.port or database.port or redis.port?',
    ],
    [
      'mode: dev\n',
      'mode',
      1,
      expect.stringMatching(/^unknown section; known here: server, database, /),
    ],
    [
      'server: {__proto__: 1}\n',
      'server.(not a name)',
      1,
      expect.stringMatching(/^unknown key; known here: /),
    ],
    [
      'server:\n  constructor: 1\n',
      'server.constructor',
      2,
      expect.stringMatching(/^unknown key; known here: /),
    ],
    ['<<: {server: {port: 1}}\n', '(not a name)', 1, expect.stringMatching(/^unknown section; /)],
    ['? [server]\n: 1\n', '(not a name)', 1, expect.stringMatching(/^unknown section; /)],
  ])('%j is a fault', (yaml, path, line, message) => {
    expect(faults({ yaml })).toEqual([{ path, source: `config.yaml:${line}`, message }]);
  });
});

describe('malformed YAML is a fault with line and column', () => {
  test.each([
    ['server:\n\tport: 1\n', '2:1', 'a tab is used as indentation, use spaces'],
    ['server: {port: 1\n', '2:1', 'the indentation does not fit, or a bracket is not closed'],
    ['database:\n  password: @x\n', '2:13', 'a text that begins with @, ` or % must be quoted'],
    [
      'database:\n  password: "a\\q"\n',
      '2:15',
      expect.stringMatching(/^unknown escape in double quotes/),
    ],
    ['database:\n  password: "a\n', '3:1', 'a quote, bracket, colon or comma is missing'],
    [
      'database:\n  password: a: b\n',
      '2:13',
      'a text with a colon and a space in it must be quoted',
    ],
    ['database:\n  password\n  port: 1\n', '2:3', 'a key has no colon'],
    ['server: {}\n---\nlog: {}\n', '2:1', 'the file holds more than one document (---)'],
  ])('%j', (yaml, at, reason) => {
    const source = `config.yaml:${at}`;
    const [fault, ...more] = faults({ yaml });
    expect(fault).toMatchObject({ path: '', source });
    expect(fault?.message.replace(/^malformed YAML: /, '')).toEqual(reason);
    expect(more).toEqual([]);
  });

  test('and nesting without end is one short fault, soon', () => {
    const started = performance.now();
    const error = failure({ yaml: '['.repeat(100_000) });
    expect(error.faults).toHaveLength(1);
    expect(error.message.length).toBeLessThan(500);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test('and the other sources are still judged', () => {
    const error = failure({
      yaml: 'server: [',
      env: { QUANTIX_LOG_LEVEL: 'x' },
      flags: { port: 'y' },
    });
    expect(error.faults.map(({ path }) => path)).toEqual(['', 'log.level', 'server.port']);
  });
});

describe('clever YAML is refused', () => {
  test.each([
    ['an alias', 'log: {level: &a info}\nserver: {host: *a}\n', ['log.level', 'server.host']],
    ['an alias for a section', 'server: &a {port: 1}\nredis: *a\n', ['server', 'redis']],
    ['an anchor before a text', 'database: {password: &a b}\n', ['database.password']],
    ['a tag', 'database: {password: !a b}\n', ['database.password']],
    ['a tag that YAML knows', 'server: {port: !!int "1"}\n', ['server.port']],
    ['an anchor in a list', 'etcd: {endpoints: [&a http://a:1]}\n', ['etcd.endpoints']],
    ['an anchor on nothing', 'server: &a\n', ['server']],
  ])('%s', (_, yaml, paths) => {
    const found = faults({ yaml });
    expect(found.map(({ path }) => path)).toEqual(paths);
    for (const { message } of found) expect(message).toMatch(/which is not supported/);
  });

  test('an alias bomb costs nothing', () => {
    const levels = Array.from({ length: 30 }, (_, i) =>
      i === 0 ? 'a0: &a0 [x, x]' : `a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`,
    );
    const yaml = `${levels.join('\n')}\netcd: {endpoints: *a29}\n`;
    const started = performance.now();
    expect(faults({ yaml }).at(-1)?.message).toMatch(/got an alias/);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('suggestions', () => {
  test('find every setting again after one letter was lost, added or swapped', () => {
    const paths = entries.map((entry) => entry.path);
    for (const path of paths) {
      for (let at = 0; at < path.length - 1; at += 1) {
        const [before, a, b] = [path.slice(0, at), path[at], path[at + 1]];
        const after = path.slice(at + 2);
        for (const typed of [
          before + b + after,
          `${before}${a}q${b}${after}`,
          before + b + a + after,
        ]) {
          expect(nearest(typed, paths), typed).toBe(path);
        }
      }
    }
  });

  test('are not made for a name that is like nothing', () => {
    expect(nearest('colour', ['host', 'port', 'level'])).toBeNull();
    expect(nearest('', ['host'])).toBeNull();
  });
});

test('every setting written as YAML is read back', () => {
  const yaml = stringify({
    server: { port: 1 },
    database: { user: "o'brien: #1", password: '  "quoted" @:/ ' },
    etcd: { endpoints: ['http://a:1', 'http://b:2'] },
  });
  const config = load({ yaml });
  expect(config.database).toMatchObject({ user: "o'brien: #1", password: '  "quoted" @:/ ' });
  expect(config.etcd.endpoints).toEqual(['http://a:1', 'http://b:2']);
});
