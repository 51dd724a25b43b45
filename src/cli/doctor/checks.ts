/** All checks, in the order of the report; docs/doctor.md is printed from this list. */
import type { Check } from './check.js';
import { clock } from './clock.js';
import { configuration } from './configuration.js';
import { disk } from './disk.js';
import { etcd } from './etcd.js';
import { postgres } from './postgres.js';
import { postgresActivity } from './postgres-activity.js';
import { postgresMigrations } from './postgres-migrations.js';
import { postgresReplication } from './postgres-replication.js';
import { postgresRoles } from './postgres-roles.js';
import { postgresSettings } from './postgres-settings.js';
import { postgresStorage } from './postgres-storage.js';
import { postgresTuning } from './postgres-tuning.js';
import { redis } from './redis.js';

export const CHECKS: readonly Check[] = [
  configuration,
  disk,
  postgres,
  postgresMigrations,
  postgresRoles,
  postgresSettings,
  postgresTuning,
  postgresActivity,
  postgresStorage,
  postgresReplication,
  clock,
  etcd,
  redis,
];
