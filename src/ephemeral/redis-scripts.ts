/** What Redis does in one step, as Lua, and how it is called. */
import type { Mark } from './ephemeral.js';

/** Counting does not prolong. A counter that somebody left without an end gets one. An empty bound is none. */
export const COUNT = `
local by = tonumber(ARGV[2])
local granted = 1
local count
if ARGV[3] == '' then
  count = redis.call('INCRBY', KEYS[1], by)
else
  count = tonumber(redis.call('GET', KEYS[1]) or '0')
  if count + by > tonumber(ARGV[3]) then
    granted = 0
  else
    count = redis.call('INCRBY', KEYS[1], by)
  end
end
local rest = redis.call('PTTL', KEYS[1])
if rest == -2 then
  rest = tonumber(ARGV[1])
elseif rest < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  rest = tonumber(ARGV[1])
end
return {count, rest, granted}`;

/**
 * Keys come in pairs, a mark and its writers by when they are out of time. Both end with the last of them, so that nobody who died
 * is waited for longer than it said; nor, if Redis's clock went back, until it is where it was.
 */
export const MARK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most = tonumber(ARGV[4])
for i = 1, #KEYS, 2 do
  local mark, writers = KEYS[i], KEYS[i + 1]
  if ARGV[2] == '1' then
    redis.call('ZADD', writers, string.format('%.0f', now + most), ARGV[1])
  else
    redis.call('ZREM', writers, ARGV[1])
  end
  redis.call('ZREMRANGEBYSCORE', writers, '-inf', string.format('%.0f', now))
  redis.call('ZREMRANGEBYSCORE', writers, string.format('(%.0f', now + most), '+inf')
  local last = redis.call('ZREVRANGE', writers, 0, 0, 'WITHSCORES')
  if #last == 0 then
    redis.call('SET', mark, ARGV[5], 'PX', ARGV[6])
  else
    local left = string.format('%.0f', last[2] - now)
    redis.call('SET', mark, ARGV[3], 'PX', left)
    redis.call('PEXPIRE', writers, left)
  end
end`;

export const lifetime = (ms: number): number => Math.max(1, Math.round(ms));

/** As MARK takes them. */
export const markArguments = (mark: Mark): (string | number)[] => [
  mark.writer,
  mark.working ? '1' : '',
  mark.unsettled,
  lifetime(mark.unsettledMs),
  mark.settled,
  lifetime(mark.ttlMs),
];

/** How the scripts are called once they are defined. */
export interface Scripts {
  countWithin(
    key: string,
    ttlMs: number,
    by: number,
    most: number | '',
  ): Promise<[number, number, number]>;
  /** First how many keys. */
  markAll(count: number, ...keysAndArguments: readonly (string | number)[]): Promise<null>;
}
