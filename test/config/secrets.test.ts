import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { describeConfig } from '../../src/config/describe.js';
import { ConfigError } from '../../src/config/errors.js';
import { defaultConfig } from '../../src/config/load.js';
import { failure, faults, load, temporaryFile, temporaryFolder } from './support.js';

// Whatever UTF-8 can carry, but no NUL and no line end at the end: no client would send those.
const passwords = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((text) => Buffer.from(text).toString() === text && !/\0|[\r\n]$/.test(text));

describe('a password', () => {
  const awkward = [
    'p@ss/w:rd',
    "it's",
    '"q"',
    ' lead',
    '#x',
    '%41',
    'null',
    '0123',
    'a: b',
    '*a',
    '\\n',
    'ü€😀',
  ];

  test.each(awkward)(
    '%j arrives unchanged from a file, a variable and a file of its own',
    (password) => {
      expect(load({ yaml: stringify({ redis: { password } }) }).redis.password).toBe(password);
      expect(load({ env: { QUANTIX_REDIS_PASSWORD: password } }).redis.password).toBe(password);
      const file = temporaryFile(`${password}\n`, 'pw');
      expect(load({ env: { QUANTIX_REDIS_PASSWORD_FILE: file } }).redis.password).toBe(password);
    },
  );

  test('of any characters arrives unchanged', () => {
    const folder = temporaryFolder();
    const file = join(folder, 'pw');
    const configFile = join(folder, 'config.yaml');
    fc.assert(
      fc.property(passwords, (password) => {
        writeFileSync(configFile, stringify({ database: { password } }));
        writeFileSync(file, password);
        const env = { QUANTIX_REDIS_PASSWORD_FILE: file };
        const config = load({ flags: { configFile }, env });
        expect(config.database.password).toBe(password);
        expect(config.redis.password).toBe(password.replace(/^\uFEFF/, ''));
      }),
    );
  });

  test.each(['\n', '\r\n', '\n\n'])('loses the line ends behind it: %j', (end) => {
    const file = temporaryFile(`  a\nb ${end}`, 'pw');
    expect(load({ env: { QUANTIX_REDIS_PASSWORD_FILE: file } }).redis.password).toBe('  a\nb ');
    expect(load({ yaml: 'redis:\n  password: |\n    word\n' }).redis.password).toBe('word');
  });
});

describe('a secret file', () => {
  const at = (path: string) => faults({ yaml: `database:\n  password_file: ${path}\n` });

  test.each([
    ['does not exist', () => join(temporaryFolder(), 'none'), 'does not exist (ENOENT)'],
    ['is below a file', () => join(temporaryFile('x', 'pw'), 'pw'), 'does not exist (ENOTDIR)'],
    ['is a folder', temporaryFolder, 'is a directory (EISDIR)'],
    ['is empty', () => temporaryFile('', 'pw'), 'is empty'],
    ['is an empty line', () => temporaryFile('\r\n', 'pw'), 'is empty'],
    ['is not text', () => temporaryFile(Uint8Array.of(0x61, 0xff), 'pw'), 'is not UTF-8 text'],
    ['holds a NUL', () => temporaryFile('a\0b', 'pw'), 'is not a text file'],
    ['never ends', () => '/dev/zero', 'is larger than 1048576 bytes'],
  ])('that %s is a fault', (_, path, reason) => {
    expect(at(path())).toEqual([
      {
        path: 'database.password_file',
        source: 'config.yaml:2',
        message: `the file it names ${reason}`,
      },
    ]);
  });

  test('is found from the folder of the file that names it', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'secrets'));
    writeFileSync(join(folder, 'secrets', 'redis'), 'word\n');
    const configFile = join(folder, 'config.yaml');
    writeFileSync(configFile, 'redis: {password_file: secrets/redis}');
    expect(load({ flags: { configFile } }).redis.password).toBe('word');
  });

  test('for signing has at least 32 bytes, and becomes auth.jwtSecret', () => {
    const good = 'ö'.repeat(16);
    const load32 = (secret: string) => ({
      env: { QUANTIX_AUTH_JWT_SECRET_FILE: temporaryFile(secret, 'jwt') },
    });
    expect(load(load32(`${good}\n`)).auth.jwtSecret).toBe(good);
    const [fault] = faults(load32(`${'a'.repeat(31)}\n`));
    expect(fault?.message).toBe('the file it names holds 31 bytes, at least 32 are needed');
  });
});

describe('password and password_file', () => {
  test('in one place are a fault', () => {
    const file = temporaryFile('word', 'pw');
    const yaml = `database:\n  password: word\n  password_file: ${file}\n`;
    const [fault, ...more] = faults({ yaml });
    expect(fault).toMatchObject({ path: 'database.password_file', source: 'config.yaml:3' });
    expect(fault?.message).toMatch(
      /^given together with database.password \(.*config.yaml:2\): keep one of them$/,
    );
    expect(more).toEqual([]);
    const env = { QUANTIX_REDIS_PASSWORD: 'word', QUANTIX_REDIS_PASSWORD_FILE: file };
    expect(faults({ env }).map(({ path }) => path)).toEqual(['redis.password_file']);
  });

  test('of one service do not disturb the other', () => {
    const env = { QUANTIX_REDIS_PASSWORD_FILE: temporaryFile('r', 'pw') };
    const config = load({ yaml: 'database: {password: d}', env });
    expect([config.database.password, config.redis.password]).toEqual(['d', 'r']);
  });

  test('in two places: the stronger place wins', () => {
    const file = temporaryFile('from-file', 'pw');
    const typed = 'database: {password: typed}';
    const named = `database: {password_file: ${file}}`;
    const variable = (env: NodeJS.ProcessEnv, yaml: string) =>
      load({ yaml, env }).database.password;
    expect(variable({ QUANTIX_DATABASE_PASSWORD_FILE: file }, typed)).toBe('from-file');
    expect(variable({ QUANTIX_DATABASE_PASSWORD: 'strong' }, named)).toBe('strong');
    expect(variable({ QUANTIX_DATABASE_PASSWORD_FILE: '' }, typed)).toBe('typed');
  });
});

describe('no secret appears', () => {
  const SECRET = 'hunter2';
  const everything = (error: ConfigError) =>
    [error.message, error.stack, JSON.stringify(error), inspect(error, { depth: 9 })].join('\n');

  test.each([
    `database:\n  password: "${SECRET}\n`,
    `database:\n  password: *${SECRET}\n`,
    `database:\n  password: &${SECRET} x\n`,
    `database:\n  password: !${SECRET} x\n`,
    `database:\n  password: @${SECRET}\n`,
    `database:\n  password: a: ${SECRET}\n`,
    `database:\n  password: [${SECRET}]\n`,
    `database:\n  password: {${SECRET}: 1}\n`,
    `database: {password ${SECRET}}\n`,
    `database: {password: a,${SECRET}}\n`,
    `database: {password: a,${SECRET}: b}\n`,
    `database:\n  password: a\n    b: ${SECRET}\n`,
    `database:\n  password: a\n ${SECRET}\n`,
    `database:\n  password: "\\q${SECRET}"\n`,
    `- ${SECRET}\n`,
    `${SECRET}`,
    `database:\n  password: x\n  password: ${SECRET}\n`,
    `database:\n  password: "a\\0${SECRET}"\n`,
    `database:\n  password_file: ${SECRET}\n`,
    `database:\n  host: postgres://quantix:${SECRET}@db/quantix\n`,
    `database:\n  host: host=db password=${SECRET}\n`,
    `etcd:\n  endpoints: ["http://root:${SECRET}@etcd:2379"]\n`,
    `etcd:\n  endpoints: http://root:${SECRET},x@etcd:2379\n`,
    `redis:\n  host: redis://:${SECRET}@redis\n`,
    `server:\n  cors_origins: [https://a:${SECRET}@b]\n`,
  ])('in the faults of %j', (yaml) => {
    expect(everything(failure({ yaml }))).not.toContain(SECRET);
  });

  test('in the faults of a variable', () => {
    const env = {
      QUANTIX_DATABSE_PASSWORD: SECRET,
      QUANTIX_DATABASE_HOST: `postgres://u:${SECRET}@h/d`,
      QUANTIX_DATABASE_PASSWORD_FILE: SECRET,
      QUANTIX_REDIS_PASSWORD: `a\0${SECRET}`,
      QUANTIX_ETCD_ENDPOINTS: `http://u:${SECRET},w@h:1`,
    };
    const error = failure({ env });
    expect(error.faults).toHaveLength(5);
    expect(everything(error)).not.toContain(SECRET);
  });

  test('in the faults of a secret file', () => {
    const file = temporaryFile(SECRET, 'jwt');
    expect(everything(failure({ env: { QUANTIX_AUTH_JWT_SECRET_FILE: file } }))).not.toContain(
      SECRET,
    );
  });

  test('in any fault, whatever surrounds it on its line', () => {
    const junk = fc.string({ maxLength: 12 });
    const folder = temporaryFolder();
    const configFile = join(folder, 'config.yaml');
    fc.assert(
      fc.property(junk, junk, fc.boolean(), (before, after, braces) => {
        const value = `password: ${before}${SECRET}${after}`;
        writeFileSync(configFile, braces ? `database: {${value}}\n` : `database:\n  ${value}\n`);
        try {
          load({ flags: { configFile } });
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect(everything(error as ConfigError)).not.toContain(SECRET);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('in a description, which is in the words of config.yaml', () => {
    const config = defaultConfig({
      database: { password: SECRET },
      auth: { jwtSecret: `${SECRET}${SECRET}`, encryptionKey: `${SECRET}\n${SECRET}` },
    });
    const described = describeConfig(config);
    expect(JSON.stringify(described)).not.toContain(SECRET);
    expect(described).toMatchObject({
      mode: 'dev',
      server: { shutdown_timeout: '10s', port: 8080 },
      database: { password: '***', ssl_ca_file: null },
      redis: { password: null },
      auth: { jwt_secret: '***', encryption_key: '***' },
      limits: { max_request_bytes: '256KiB' },
    });
    expect(described.database).not.toHaveProperty('password_file');
  });
});
