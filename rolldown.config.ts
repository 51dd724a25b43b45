/** Packs the program into a few files: loading its nine hundred modules one by one is most of the time and work of a start. */
import { defineConfig } from 'rolldown';

/** Left where they are: they load files of their own (WebAssembly, .proto, native code), or are loaded when they are needed. */
const APART = [
  '@electric-sql/pglite',
  '@node-rs/argon2',
  '@prisma/client',
  '@zxcvbn-ts/core',
  '@zxcvbn-ts/language-common',
  'etcd3',
  'graphql-redis-subscriptions',
  'ioredis',
  'pg',
  'pino',
  'prom-client',
];

export default defineConfig({
  input: 'build/main.js',
  platform: 'node',
  external: APART.map((name) => new RegExp(`^${name}(/|$)`)),
  // One copy for everybody: some packages ask for CommonJS, others for modules, and two cannot work together.
  resolve: { alias: { graphql: import.meta.resolve('graphql/index.mjs').slice('file://'.length) } },
  output: { dir: 'dist', cleanDir: true, format: 'esm', sourcemap: false },
});
