import { defineConfig } from 'prisma/config';

// `prisma generate` insists on a native schema engine that generation never runs, and would download one.
// Naming any existing executable stops that, so that generating works without network access.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({ schema: 'prisma/schema.prisma' });
