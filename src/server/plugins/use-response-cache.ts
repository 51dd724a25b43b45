/**
 * Keeps the answers of queries for whoever asks the same again: the same person, with the same rights. An answer counts for as
 * long as no object of a type that it can show has changed; see core/cache.ts for how that is known, docs/adr/0012 for why so.
 * A hit is not parsed, not validated, not executed, and not written as JSON again. Never kept: errors, mutations, subscriptions,
 * introspection, what nobody signed in asks, what is marked `uncacheable` in the schema, and all that comes over WebSocket.
 */
import type { GraphQLSchema } from 'graphql';
import type { GraphQLParams, Plugin } from 'graphql-yoga';
import { isAgent } from '../../core/authz.js';
import type { Services } from '../../core/context.js';
import { stableStringify } from '../../core/json.js';
import { type CacheableDocument, documentFinder } from '../cache/document.js';
import { type Entry, entryKey, readEntry, variablesText, writeEntry } from '../cache/entry.js';
import { type Flight, Flights } from '../cache/flights.js';
import { claimOrFind } from '../cache/flights-elsewhere.js';
import { type Answer, answer, directives, mayAsk } from '../cache/request.js';
import { isUsable } from '../cache/usable.js';
import { factsOf } from '../request.js';
import type { ServerContext } from '../yoga.js';

/** An answer that is to be kept when it is there. */
interface Miss {
  readonly key: string;
  readonly marks: string;
  readonly at: number;
  readonly flight: Flight | undefined;
}

/** So many times somebody waits for an answer that others began; then it is found alone. */
const WAITS = 2;
const VARY = ['Authorization', 'Cookie', 'Accept'];

export function useResponseCache(services: Services, schema: GraphQLSchema): Plugin<ServerContext> {
  const { config, clock, ephemeral, generations, metrics, log } = services;
  const { requestTimeoutMs } = config.server;
  const findDocument = documentFinder(schema, config.limits.maxQueryTokens);
  const flights = new Flights();
  const misses = new WeakMap<Request, Miss>();
  const count = (outcome: string): void => metrics.responseCache.inc({ outcome });

  const isKept = (data: string): boolean => Buffer.byteLength(data) <= config.cache.maxEntryBytes;

  /** Settings that answers depend on. */
  const settings = (): string => {
    const { placement, limits, deletion } = config;
    return stableStringify([placement, limits.defaultPageSize, limits.maxPageSize, deletion]);
  };

  /** The answer that there is, or null; then, if it may be kept, it is noted as missing. */
  async function find(
    request: Request,
    params: GraphQLParams,
    document: CacheableDocument,
  ): Promise<Entry | null> {
    const viewer = factsOf(request).authentication?.viewer;
    if (!viewer || isAgent(viewer) || viewer.mustChangePassword) return null;
    const variables = variablesText(params.variables);
    if (variables === null || document.unless.some((name) => variables.includes(name))) return null;
    const key = entryKey({
      server: settings(),
      viewer,
      document: document.hash,
      operationName: params.operationName ?? null,
      variables,
    });
    const fresh = directives(request).has('no-cache');
    const note = (marks: string, flight?: Flight): void => {
      misses.set(request, { key, marks, at: clock.now().getTime(), flight });
    };
    const look = async () => {
      const { marks, values } = await generations.read(document.types, [key]);
      return { marks: marks?.join(), entry: readEntry(values[0] ?? null) };
    };
    for (let waits = 0; ; waits += 1) {
      const { marks, entry } = await look();
      if (marks === undefined) return null;
      if (fresh) {
        count('bypass');
        note(marks);
        return null;
      }
      const now = clock.now().getTime();
      if (entry?.marks === marks && now - entry.at <= longest(config.cache.ttlMs)) {
        count('hit');
        return entry;
      }
      const flightKey = `${key} ${marks}`;
      const flight = flights.find(flightKey);
      if (!flight || waits === WAITS) {
        const own = flights.begin(flightKey, requestTimeoutMs);
        if (own) {
          request.signal.addEventListener('abort', () => own.land(null), { once: true });
          const peek = async () => {
            const seen = await look();
            return seen.marks !== marks || seen.entry?.marks === marks ? seen : undefined;
          };
          const found = await claimOrFind(services, flightKey, own, request.signal, peek, isKept);
          if (found?.marks === marks && found.entry) {
            own.land(found.entry.data);
            count('shared');
            return found.entry;
          }
          if (found) {
            own.land(null); // something was changed meanwhile
            continue;
          }
        }
        count('miss');
        note(marks, own);
        return null;
      }
      const data = await flight.landed;
      if (data !== null) {
        count('shared');
        return { marks, at: now, data };
      }
      if (request.signal.aborted) return null;
    }
  }

  function keep({ key, marks, at, flight }: Miss, data: string): void {
    flight?.land(data);
    if (!isKept(data) || !isUsable(services)) return;
    const { ttlMs } = config.cache;
    ephemeral
      .set(key, writeEntry({ marks, at, data }), Math.round(ttlMs * (0.9 + Math.random() / 5)))
      .catch((err: unknown) => log.warn({ err }, 'an answer could not be kept'));
  }

  return {
    async onParams({ request, params, setResult }) {
      if (!isUsable(services) || !mayAsk(request, params)) return;
      const document = findDocument(params.query, params.operationName ?? null);
      if (!document) return;
      const facts = factsOf(request);
      const started = clock.monotonic();
      try {
        const entry = await find(request, params, document);
        if (!entry) return;
        const { type, field } = document.operation;
        facts.operation = document.operation;
        metrics.requests.observe(
          { type, field, outcome: 'ok' },
          (clock.monotonic() - started) / 1000,
        );
        const ageMs = Math.max(0, clock.now().getTime() - entry.at);
        const degraded = services.degraded();
        setResult(
          answer(entry.data, {
            cache: { hit: true, ageMs },
            ...(degraded.length > 0 ? { degraded } : {}),
          }),
        );
      } catch (err) {
        // Whatever is wrong with the cache, the question can be answered.
        count('unavailable');
        log.warn({ err }, 'the response cache cannot be used');
      }
    },
    onExecute({ args }) {
      const { request } = args.contextValue as { request?: Request };
      const miss = request && misses.get(request);
      if (!miss) return;
      return {
        onExecuteDone({ result, setResult }) {
          const { data, errors, extensions } = result as Answer;
          if (Symbol.asyncIterator in (result as object) || !data || errors?.length)
            return miss.flight?.land(null);
          const text = JSON.stringify(data);
          keep(miss, text);
          const cache = { hit: false, ageMs: 0 };
          setResult({ ...answer(text, { ...extensions, cache }), data });
        },
      };
    },
    onResponse({ request, response }) {
      misses.get(request)?.flight?.land(null); // if nothing has come of it, e.g. because it is not valid
      if (response.headers.has('cache-control')) return;
      response.headers.set('cache-control', 'private, no-store');
      for (const name of VARY) response.headers.append('vary', name);
    },
  };
}

/** A tenth more than asked for, as the store may keep it. */
const longest = (ttlMs: number): number => ttlMs * 1.1;
