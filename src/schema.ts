/** The whole API: each module adds its types and fields to the builder when it is imported. */
import './graphql/scalars.js';
import './graphql/errors.js';
import './modules/user/schema.js';
import './modules/user/session-schema.js';
import './modules/project/schema.js';
import './modules/project/member-schema.js';
import './modules/cluster/schema.js';
import './modules/node/schema.js';
import './modules/token/schema.js';
import './modules/token/enrolment-schema.js';
import './modules/storage/schema.js';
import './modules/image/schema.js';
import './modules/network/schema.js';
import './modules/security/schema.js';
import './modules/task/schema.js';
import './modules/task/mutations.js';
import './modules/task/subscriptions.js';
import './modules/storage/pool-mutations.js';
import './modules/storage/volume-mutations.js';
import './modules/storage/bulk-schema.js';
import './modules/image/mutations.js';
import './modules/virtual-machine/schema.js';
import './modules/virtual-machine/operation-schema.js';
import './modules/virtual-machine/evacuation-schema.js';
import './modules/virtual-machine/explain-schema.js';
import './modules/virtual-machine/interface-schema.js';
import './modules/virtual-machine/bin-schema.js';
import './modules/virtual-machine/bulk-schema.js';
import './modules/virtual-machine/snapshot-schema.js';
import './modules/virtual-machine/snapshot-mutations.js';
import './modules/virtual-machine/relation-schema.js';
import './modules/virtual-machine/subscriptions.js';
import './modules/metrics/schema.js';
import './modules/metrics/subscriptions.js';
import './modules/report/schema.js';
import './modules/alert/schema.js';
import './modules/alert/bulk-schema.js';
import './modules/drs/schema.js';
import './modules/drs/mutations.js';
import './modules/audit/schema.js';
import './modules/change-feed/schema.js';
import './modules/server-info/schema.js';
import './modules/system-config/schema.js';
import './modules/audit/history-schema.js'; // behind all others: it adds to every type
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { builder } from './graphql/builder.js';

let built: GraphQLSchema | undefined;

/** Built once for the process; it holds no state. */
export function buildSchema(): GraphQLSchema {
  built ??= builder.toSchema({ sortSchema: true });
  return built;
}

/** The public contract as text: what src/schema.graphql must contain. */
export function printApi(): string {
  return `${printSchema(lexicographicSortSchema(buildSchema()))}\n`;
}
