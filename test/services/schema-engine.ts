/** Prisma's schema engine as WebAssembly: compares databases with schema.prisma, without a native binary. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SchemaEngine } from '@prisma/schema-engine-wasm';
import { type Migration, packageRoot } from '../../src/data/migrations.js';

type EngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg') & {
  SchemaEngine: typeof SchemaEngine;
};

const require = createRequire(import.meta.url);
const NO_FILTERS = { externalTables: [], externalEnums: [] };

/** The package's own entry imports a .wasm module, which Node.js 20 cannot do: put together by hand. */
async function load(): Promise<EngineModule> {
  const folder = dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
  const bindings = await import(pathToFileURL(join(folder, 'schema_engine_bg.js')).href);
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: {
      instantiate(
        code: Uint8Array,
        imports: object,
      ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
    };
  };
  const code = await readFile(join(folder, 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(code, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings;
}

let loaded: Promise<EngineModule> | undefined;

/** An engine on the database of a Prisma driver adapter. */
async function engineOn(adapter: object): Promise<SchemaEngine> {
  loaded ??= load();
  // it belongs to the adapters, not to us: found where they find it
  const utils = createRequire(require.resolve('@prisma/adapter-pg'))(
    '@prisma/driver-adapter-utils',
  );
  const bound = utils.bindMigrationAwareSqlAdapterFactory(adapter);
  const module = await loaded;
  return module.SchemaEngine.new({ datamodels: undefined }, () => undefined, bound);
}

/** The SQL that would turn the adapter's database into what schema.prisma describes. */
export async function differenceToSchema(adapter: object): Promise<string> {
  const path = join(packageRoot(), 'prisma', 'schema.prisma');
  const files = [{ path, content: await readFile(path, 'utf8') }];
  const engine = await engineOn(adapter);
  const { stdout } = await engine.diff({
    from: { tag: 'schemaDatasource', files, configDir: dirname(path) },
    to: { tag: 'schemaDatamodel', files },
    script: true,
    exitCode: null,
    filters: NO_FILTERS,
  });
  return stdout ?? '';
}

/** What Prisma's own tool thinks of the database's history, given these migration files. */
export async function diagnose(adapter: object, migrations: readonly Migration[]) {
  const engine = await engineOn(adapter);
  return engine.diagnoseMigrationHistory({
    migrationsList: {
      baseDir: join(packageRoot(), 'prisma', 'migrations'),
      lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"' },
      shadowDbInitScript: '',
      migrationDirectories: migrations.map(({ name, up }) => ({
        path: name,
        migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: up } },
      })),
    },
    optInToShadowDatabase: false,
    filters: NO_FILTERS,
  });
}
