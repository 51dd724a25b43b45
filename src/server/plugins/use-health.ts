/** `/healthz`: the process is alive. `/readyz`: it should be sent requests. `/metrics`: its figures, for Prometheus. */
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';
import { isUsable } from '../cache/usable.js';

const PING_TIMEOUT_MS = 2_000;
const SERVERS = ['postgres', 'etcd', 'redis'] as const;

export function useHealth(services: Services, isDraining: () => boolean): Plugin {
  return {
    async onRequest({ url, endResponse, fetchAPI }) {
      const { Response } = fetchAPI;
      if (url.pathname === '/healthz') endResponse(new Response('ok\n'));
      if (url.pathname === '/readyz') {
        const obstacles = await findObstacles(services, isDraining());
        const status = obstacles.length === 0 ? 200 : 503;
        endResponse(
          Response.json(
            { ready: status === 200, obstacles, degraded: services.degraded() },
            { status },
          ),
        );
      }
      if (url.pathname === '/metrics') {
        takeStock(services);
        const { registry } = services.metrics;
        endResponse(
          new Response(await registry.metrics(), {
            headers: { 'content-type': registry.contentType },
          }),
        );
      }
    },
  };
}

/** Figures that are not counted as things happen, but looked up when somebody asks. */
function takeStock(services: Services): void {
  const { metrics, data, coordination, degraded } = services;
  const { total, idle, waiting } = data.pool();
  for (const [state, value] of Object.entries({ total, idle, waiting }))
    metrics.pool.set({ state }, value);
  const missing = degraded();
  for (const server of SERVERS) metrics.degraded.set({ server }, missing.includes(server) ? 1 : 0);
  metrics.responseCacheInUse.set(isUsable(services) ? 1 : 0);
  metrics.leading.set(coordination.leadership() === null ? 0 : 1);
}

async function findObstacles({ data, config }: Services, draining: boolean): Promise<string[]> {
  if (draining) return ['shutting down'];
  const obstacles: string[] = [];
  if (config.mode === 'production' && !data.persistent)
    obstacles.push('serving from memory: PostgreSQL cannot be reached');
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('late')), PING_TIMEOUT_MS);
    });
    await Promise.race([data.ping(), late]);
  } catch {
    obstacles.push('the database does not answer');
  } finally {
    clearTimeout(timer);
  }
  return obstacles;
}
